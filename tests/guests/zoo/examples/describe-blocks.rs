//! Sleeps for an hour in `describe`, by WASI, which needs no permission.

use std::time::Duration;

use molecule_guest::{Agent, Card};

#[derive(Default)]
struct DescribeBlocks;

impl Agent for DescribeBlocks {
    fn describe() -> Card {
        std::thread::sleep(Duration::from_secs(3600));
        zoo::card("describe-blocks")
    }
}

molecule_guest::export!(DescribeBlocks);
