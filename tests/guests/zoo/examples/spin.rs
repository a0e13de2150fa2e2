//! Never comes back from `spin`; `spin-tick` says that the next tick does not either. Otherwise an echo.

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use molecule_guest::{Agent, Card, Message, Outcome, Result};

#[derive(Default)]
struct Spin {
    in_tick: Cell<bool>,
}

impl Agent for Spin {
    fn describe() -> Card {
        zoo::card("spin").concurrency(2).tick_every(Duration::from_millis(50))
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        match text.as_str() {
            "spin" => spin(),
            "spin-tick" => self.in_tick.set(true),
            _ => {}
        }
        Ok(text.into())
    }

    async fn on_tick(&self) -> Result<()> {
        if self.in_tick.get() {
            spin();
        }
        Ok(())
    }
}

fn spin() {
    let mut turns = 0u64;
    while black_box(true) {
        turns = black_box(turns.wrapping_add(1));
    }
}

molecule_guest::export!(Spin);
