//! What a message may do while others are in flight: `hold` waits for the host, logs what came of it and answers with
//! it; `stay` does too, but where the host gave up it asks again and never returns; `spin` never comes back, `block`
//! sleeps for an hour by WASI, which holds up the whole instance; `panic` dies; `later` answers at once and leaves work
//! behind. Each logs its name when it begins. Otherwise an echo. With the configuration `refuse-restart=1` it starts
//! only once, with `stay-on-start=1` and `stay-on-stop=1` those callbacks never return.

use std::future::pending;
use std::hint::black_box;
use std::time::Duration;

use molecule_guest::{Agent, Card, Message, Outcome, Result, Start, StartReason, StopReason, ensure};
use molecule_guest::{log, messages, workspace};

#[derive(Default)]
struct Flights;

impl Agent for Flights {
    fn describe() -> Card {
        zoo::card("flights").concurrency(8)
    }

    async fn on_start(&self, start: Start) -> Result<()> {
        let again = matches!(start.reason, StartReason::Restart);
        ensure!(!again || !configured("refuse-restart"), "I start only once.");
        if configured("stay-on-start") {
            pending::<()>().await;
        }
        Ok(())
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        log::info!("{text}");
        match text.as_str() {
            "hold" => return Ok(asked(&text).await.into()),
            "stay" => {
                let verdict = asked(&text).await;
                if !verdict.starts_with("ok") {
                    asked("stay again").await;
                    pending::<()>().await;
                }
            }
            "spin" => while black_box(true) {},
            "block" => std::thread::sleep(Duration::from_secs(3600)),
            "panic" => panic!("asked to panic"),
            "later" => wit_bindgen::spawn_local(async {
                asked("later").await;
                asked("later still").await;
            }),
            _ => {}
        }
        Ok(text.into())
    }

    async fn on_stop(&self, _: StopReason) {
        if configured("stay-on-stop") {
            pending::<()>().await;
        }
    }
}

/// Asks the host for something, which may take long, and logs what came of it.
async fn asked(text: &str) -> String {
    let verdict = zoo::verdict(messages::notify(text).await);
    log::info!("{text}: {verdict}");
    verdict
}

fn configured(key: &str) -> bool {
    workspace::config(key).as_deref() == Some("1")
}

molecule_guest::export!(Flights);
