//! Searches its own memory for a needle: how a test makes sure that a secret never reached the guest.
//!
//! The needle comes in disguise (every byte inverted, then as hex), and is undone one byte at a time while it is
//! compared, so that the search does not find itself. `search <needle>` answers with the number of places; `plant
//! <needle>` puts the undisguised needle into memory first, so that a test can see that the search finds what is there.
//! `keep <url> <secret>` asks a model there with a secret that is not the agent's to see, and keeps what it says.

use std::hint::black_box;

use molecule_guest::{Agent, Card, Message, Outcome, Result, bail, ensure, http, secrets};

const PAGE: usize = 64 * 1024;

#[derive(Default)]
struct SearchesMemory;

impl Agent for SearchesMemory {
    fn describe() -> Card {
        zoo::card("searches-memory")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        let (command, needle) = zoo::words(&text);
        if command == "keep" {
            return keep(needle).await;
        }
        ensure!(
            needle.len() >= 8 && needle.len().is_multiple_of(2),
            "the needle must be at least 4 bytes, in hex"
        );
        ensure!(needle.bytes().all(|digit| digit.is_ascii_hexdigit()), "the needle must be hex");
        match command {
            "search" => Ok(search(needle.as_bytes()).to_string().into()),
            "plant" => {
                let planted: Vec<u8> =
                    (0..needle.len() / 2).map(|at| undisguised(needle.as_bytes(), at)).collect();
                black_box(planted.leak());
                Ok("planted".into())
            }
            other => bail!("I do not know {other:?}"),
        }
    }
}

async fn keep(what: &str) -> Result<Outcome> {
    let (url, secret) = zoo::words(what);
    let request =
        http::post(url).bearer(secrets::reference(secret)).header("content-type", "application/json");
    let response = request.body(r#"{"stream":true,"messages":[{"role":"user","content":"hello"}]}"#).await?;
    let status = response.status();
    let said = response.bytes().await?;
    let length = said.len();
    black_box(said.leak());
    Ok(format!("{status} {length}").into())
}

/// In how many places of the linear memory the needle is.
fn search(needle: &[u8]) -> usize {
    let end = core::arch::wasm32::memory_size(0) * PAGE;
    let bytes = needle.len() / 2;
    // 0 is no pointer to Rust, and nothing is there.
    (1..=end - bytes)
        .filter(|start| (0..bytes).all(|at| byte_at(start + at) == undisguised(needle, at)))
        .count()
}

fn byte_at(address: usize) -> u8 {
    // SAFETY: the address is within the linear memory, where every byte can be read; volatile, because the compiler
    // knows nothing of an object there.
    unsafe { std::ptr::read_volatile(address as *const u8) }
}

fn undisguised(needle: &[u8], at: usize) -> u8 {
    let digit = |at: usize| match needle[at] {
        digit @ b'0'..=b'9' => digit - b'0',
        digit => (digit | 0x20) - b'a' + 10,
    };
    !black_box(digit(2 * at) << 4 | digit(2 * at + 1))
}

molecule_guest::export!(SearchesMemory);
