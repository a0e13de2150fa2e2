//! Ticks every 50 ms and tells the user how often. With the configuration `slow-tick-ms` a tick takes that long, with
//! `fail-tick=1` it fails.

use std::cell::Cell;
use std::time::Duration;

use molecule_guest::{Agent, Card, Message, Outcome, Result, bail, messages, time, workspace};

#[derive(Default)]
struct Ticks {
    count: Cell<u32>,
}

impl Agent for Ticks {
    fn describe() -> Card {
        zoo::card("ticks").tick_every(Duration::from_millis(50))
    }

    async fn on_message(&self, _: Message) -> Result<Outcome> {
        Ok(self.count.get().to_string().into())
    }

    async fn on_tick(&self) -> Result<()> {
        self.count.set(self.count.get() + 1);
        let tick = self.count.get();
        messages::notify(format!("tick {tick}")).await?;
        if let Some(ms) = workspace::config("slow-tick-ms") {
            time::sleep(Duration::from_millis(ms.parse()?)).await?;
            messages::notify(format!("tock {tick}")).await?;
        }
        if workspace::config("fail-tick").as_deref() == Some("1") {
            bail!("tick {tick} failed as configured");
        }
        Ok(())
    }
}

molecule_guest::export!(Ticks);
