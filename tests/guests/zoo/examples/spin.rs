//! Never comes back from `spin`; `spin-tick` says that the next tick does not either; `burn <times> <ms>` computes so
//! long and waits for 1 ms, so often. Otherwise an echo.

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use molecule_guest::{Agent, Card, Message, Outcome, Result, time};

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
        match zoo::words(&text) {
            ("spin", _) => spin(),
            ("spin-tick", _) => self.in_tick.set(true),
            ("burn", rest) => {
                let (times, ms) = zoo::words(rest);
                let long = Duration::from_millis(ms.parse()?);
                for _ in 0..times.parse::<u32>()? {
                    let began = Instant::now();
                    while began.elapsed() < long {}
                    time::sleep(Duration::from_millis(1)).await?;
                }
            }
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
