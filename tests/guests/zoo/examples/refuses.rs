//! Does not start, with the text of the configuration's `refusal`; starts where that is empty.

use molecule_guest::{Agent, Card, Result, Start, ensure, workspace};

#[derive(Default)]
struct Refuses;

impl Agent for Refuses {
    fn describe() -> Card {
        zoo::card("refuses")
    }

    async fn on_start(&self, _: Start) -> Result<()> {
        let refusal = workspace::config("refusal").unwrap_or_else(|| "I do not start.".into());
        ensure!(refusal.is_empty(), "{refusal}");
        Ok(())
    }
}

molecule_guest::export!(Refuses);
