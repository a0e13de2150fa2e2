//! Panics in `describe`.

use molecule_guest::{Agent, Card};

#[derive(Default)]
struct DescribePanics;

impl Agent for DescribePanics {
    fn describe() -> Card {
        panic!("I do not know who I am")
    }
}

molecule_guest::export!(DescribePanics);
