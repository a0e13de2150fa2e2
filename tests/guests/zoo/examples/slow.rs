//! Sleeps as many milliseconds as a message begins with, then answers with the message. Four at once.

use std::time::Duration;

use molecule_guest::{Agent, Card, Message, Outcome, Result, time};

#[derive(Default)]
struct Slow;

impl Agent for Slow {
    fn describe() -> Card {
        zoo::card("slow").concurrency(4)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        time::sleep(Duration::from_millis(zoo::words(&text).0.parse()?)).await?;
        Ok(text.into())
    }
}

molecule_guest::export!(Slow);
