//! Answers with how many messages this instance has had: a rebuilt one begins again at 1. `panic` kills it.

use std::cell::Cell;

use molecule_guest::{Agent, Card, Message, Outcome, Result};

#[derive(Default)]
struct Counter {
    count: Cell<u32>,
}

impl Agent for Counter {
    fn describe() -> Card {
        zoo::card("counter")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        if message.text() == "panic" {
            panic!("asked to panic after {} messages", self.count.get());
        }
        self.count.set(self.count.get() + 1);
        Ok(self.count.get().to_string().into())
    }
}

molecule_guest::export!(Counter);
