//! Sleeps in `describe`, which is not async and may not wait: dies there, or says in its description how it was refused.

use std::time::Duration;

use molecule_guest::{Agent, Card, time};

#[derive(Default)]
struct DescribeSleeps;

impl Agent for DescribeSleeps {
    fn describe() -> Card {
        let slept = wit_bindgen::block_on(time::sleep(Duration::from_millis(1)));
        zoo::card("describe-sleeps").description(format!("time.sleep: {}", zoo::verdict(slept)))
    }
}

molecule_guest::export!(DescribeSleeps);
