//! Sleeps as many milliseconds as a message begins with, by WASI: that holds up the whole instance, whatever it asks
//! for. Then an echo.

use std::time::Duration;

use molecule_guest::{Agent, Card, Message, Outcome, Result};

#[derive(Default)]
struct Sleeper;

impl Agent for Sleeper {
    fn describe() -> Card {
        zoo::card("sleeper").concurrency(4)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        std::thread::sleep(Duration::from_millis(zoo::words(&text).0.parse()?));
        Ok(text.into())
    }
}

molecule_guest::export!(Sleeper);
