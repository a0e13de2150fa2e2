//! Does in every callback what the configuration `does` says: `spin`, `eat` (memory), `recurse`, `panic`, `trap`,
//! `sleep` (by WASI, which holds up its whole instance), `flood` (its log, and returns). `spares` names callbacks in
//! which it behaves. A message that it survives is an echo.

use std::hint::black_box;
use std::time::Duration;

use molecule_guest::{Agent, Card, Message, Outcome, Result, Start, StopReason, log, workspace};

/// Lines of a flood: more than anybody reads.
const FLOOD: u32 = 20_000;

#[derive(Default)]
struct Hostile;

impl Agent for Hostile {
    fn describe() -> Card {
        zoo::card("hostile")
    }

    async fn on_start(&self, _: Start) -> Result<()> {
        act("on-start");
        Ok(())
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        act("on-message");
        Ok(message.text().into())
    }

    async fn on_tick(&self) -> Result<()> {
        act("on-tick");
        Ok(())
    }

    async fn on_pause(&self) {
        act("on-pause");
    }

    async fn on_resume(&self) {
        act("on-resume");
    }

    async fn on_stop(&self, _: StopReason) {
        act("on-stop");
    }
}

fn act(callback: &str) {
    let spared = workspace::config("spares").unwrap_or_default();
    if spared.split(' ').any(|it| it == callback) {
        return;
    }
    match workspace::config("does").unwrap_or_default().as_str() {
        "spin" => while black_box(true) {},
        "eat" => loop {
            black_box(vec![1u8; 1 << 20].leak());
        },
        "recurse" => {
            deep(black_box(u64::MAX));
        }
        "panic" => panic!("I do not want to"),
        "trap" => core::arch::wasm32::unreachable(),
        "sleep" => std::thread::sleep(Duration::from_secs(3600)),
        "flood" => {
            for line in 0..FLOOD {
                log::info!("line {line} of a flood");
                println!("line {line} of another flood");
                eprintln!("line {line} of a third");
            }
        }
        _ => {}
    }
}

#[inline(never)]
#[allow(unconditional_recursion)]
fn deep(n: u64) -> u64 {
    if black_box(n) == 0 { 0 } else { black_box(deep(n - 1)) + 1 }
}

molecule_guest::export!(Hostile);
