//! Dies as a message says: `unreachable`, `stack` (deep recursion), `deep <frames>` (recursion that comes back, should
//! the stack be deep enough), `shadow-stack` (deep recursion of big frames),
//! `memory` (allocates without end), `grow <MiB>` (allocates that much and lives), `try-grow <MiB>` (asks for that much,
//! and answers `refused` where it does not get it), `bounds` (reads behind its memory), `call` (calls a function that is
//! not there), `exit` (through WASI), `panic`. Otherwise an echo.

use std::hint::black_box;

use molecule_guest::{Agent, Card, Message, Outcome, Result};

#[derive(Default)]
struct Traps;

impl Agent for Traps {
    fn describe() -> Card {
        zoo::card("traps")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        match zoo::words(&text) {
            ("unreachable", _) => core::arch::wasm32::unreachable(),
            ("stack", _) => {
                deep(black_box(u64::MAX));
            }
            ("deep", frames) => {
                deep(black_box(frames.parse()?));
            }
            ("shadow-stack", _) => {
                deep_and_big(black_box(u64::MAX));
            }
            ("memory", _) => loop {
                hold(1 << 20);
            },
            ("grow", mib) => hold(mib.parse::<usize>()? << 20),
            ("try-grow", mib) => {
                let mut bytes = Vec::<u8>::new();
                if bytes.try_reserve_exact(mib.parse::<usize>()? << 20).is_err() {
                    return Ok("refused".into());
                }
                black_box(bytes.leak());
            }
            ("panic", _) => panic!("asked to panic"),
            ("bounds", _) => {
                // SAFETY: none; this is a crime that the sandbox must stop.
                black_box(unsafe { std::ptr::read_volatile(black_box(usize::MAX - 8) as *const u8) });
            }
            ("call", _) => {
                // SAFETY: none; as above.
                let nowhere: fn() = unsafe { std::mem::transmute(black_box(usize::MAX)) };
                nowhere();
            }
            ("exit", _) => std::process::exit(7),
            _ => {}
        }
        Ok(text.into())
    }
}

/// Frames that use no memory, only the stack of the machine.
#[inline(never)]
#[allow(unconditional_recursion)]
fn deep(n: u64) -> u64 {
    if black_box(n) == 0 { 0 } else { black_box(deep(n - 1)) + 1 }
}

/// Frames with an array each, on the stack in the guest's memory.
#[inline(never)]
fn deep_and_big(n: u64) -> u64 {
    let frame = black_box([n; 512]);
    if n == 0 { 0 } else { deep_and_big(frame[7] - 1) + black_box(frame)[9] }
}

/// Takes memory, touches it and never gives it back.
fn hold(bytes: usize) {
    black_box(vec![1u8; bytes].leak());
}

molecule_guest::export!(Traps);
