//! Panics on `panic`, and at its start where the configuration has `panic-on-start=1`. Otherwise an echo.

use molecule_guest::{Agent, Card, Message, Outcome, Result, Start, workspace};

#[derive(Default)]
struct Panics;

impl Agent for Panics {
    fn describe() -> Card {
        zoo::card("panics")
    }

    async fn on_start(&self, _: Start) -> Result<()> {
        if workspace::config("panic-on-start").as_deref() == Some("1") {
            panic!("asked to panic at the start");
        }
        Ok(())
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        if text == "panic" {
            panic!("asked to panic by a message");
        }
        Ok(text.into())
    }
}

molecule_guest::export!(Panics);
