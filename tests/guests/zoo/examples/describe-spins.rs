//! Never comes back from `describe`.

use std::hint::black_box;

use molecule_guest::{Agent, Card};

#[derive(Default)]
struct DescribeSpins;

impl Agent for DescribeSpins {
    fn describe() -> Card {
        while black_box(true) {}
        zoo::card("describe-spins")
    }
}

molecule_guest::export!(DescribeSpins);
