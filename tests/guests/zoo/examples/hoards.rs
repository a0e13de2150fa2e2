//! Lets the host remember things: `wait <count>` has so many calls of the host wait at once, and answers how many did
//! and how many were refused; `hold <count>` has WASI make so many things and drops none. Otherwise an echo.

use std::time::Duration;

use futures::future::join_all;
use molecule_guest::{Agent, Card, Error, Message, Outcome, Result, time};

#[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.2.0")]
unsafe extern "C" {
    #[link_name = "subscribe-duration"]
    fn subscribe_duration(nanoseconds: i64) -> i32;
}

#[derive(Default)]
struct Hoards;

impl Agent for Hoards {
    fn describe() -> Card {
        zoo::card("hoards")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        match zoo::words(&text) {
            ("wait", count) => {
                let waits = (0..count.parse::<u32>()?).map(|_| time::sleep(Duration::from_millis(100)));
                let ended = join_all(waits).await;
                let refused = ended.iter().filter(|it| matches!(it, Err(Error::RateLimited(_)))).count();
                let waited = ended.iter().filter(|it| it.is_ok()).count();
                return Ok(format!("{waited} waited, {refused} refused").into());
            }
            ("hold", count) => {
                for _ in 0..count.parse::<u32>()? {
                    // SAFETY: the import takes a number and gives a handle, as WASI says.
                    unsafe { subscribe_duration(1) };
                }
            }
            _ => {}
        }
        Ok(text.into())
    }
}

molecule_guest::export!(Hoards);
