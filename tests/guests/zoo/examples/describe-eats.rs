//! Allocates without end in `describe`.

use std::hint::black_box;

use molecule_guest::{Agent, Card};

#[derive(Default)]
struct DescribeEats;

impl Agent for DescribeEats {
    fn describe() -> Card {
        while black_box(true) {
            black_box(vec![1u8; 1 << 20].leak());
        }
        zoo::card("describe-eats")
    }
}

molecule_guest::export!(DescribeEats);
