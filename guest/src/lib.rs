//! The SDK that agents are written with.
//!
//! An agent for the [Molecule AI](https://github.com/Molecule-AI) platform is a WebAssembly component: a small program
//! that is handed messages and answers them. A host (`molecule-host`) runs it, gives it an identity on the platform,
//! and lets it reach what the operator granted, and nothing else. This crate makes a component of a struct:
//!
//! ```
//! use molecule_guest::{Agent, Card, Message, Outcome, Result};
//!
//! #[derive(Default)]
//! struct Echo;
//!
//! impl Agent for Echo {
//!     fn describe() -> Card {
//!         Card::new("echo").description("Answers with the text it got.").version(env!("CARGO_PKG_VERSION"))
//!     }
//!
//!     async fn on_message(&self, message: Message) -> Result<Outcome> {
//!         Ok(message.text().into())
//!     }
//! }
//!
//! molecule_guest::export!(Echo);
//! # fn main() {}
//! ```
//!
//! That is a whole agent. The sections below are in the order in which one needs them:
//! [Building](#building) · [Running](#running) · [Messages and answers](#messages-and-answers) · [Errors](#errors) ·
//! [Calling the host](#calling-the-host) · [State and concurrency](#state-and-concurrency) · [Crashes](#crashes) ·
//! [Testing](#testing)
//!
//! # Building
//!
//! Once: `rustup target add wasm32-wasip2`. The manifest makes the crate a component, and a release of it small, with
//! file and line in the backtrace of a crash (`molecule-host` shows it when an agent dies):
//!
//! ```toml
//! [package]
//! name = "echo"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! molecule-guest = { git = "https://github.com/Molecule-AI/molecule-host" }
//!
//! [profile.release]
//! opt-level = "s"
//! lto = true
//! codegen-units = 1
//! debug = "line-tables-only"
//! strip = false
//! ```
//!
//! ```sh
//! cargo build --release --target wasm32-wasip2     # target/wasm32-wasip2/release/echo.wasm
//! ```
//!
//! The line tables are most of the file and cost nothing at run time. They hold the paths of your machine; before you
//! give the component away, cut them short:
//!
//! ```sh
//! RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=$HOME/.cargo=cargo" \
//!     cargo build --release --target wasm32-wasip2
//! ```
//!
//! # Running
//!
//! `molecule-host dev .` builds the agent in this folder, starts a platform on your machine and a page to talk to the
//! agent, and needs no account. On a real platform an operator runs the component, and grants what its card asks for:
//!
//! ```sh
//! molecule-host echo.wasm --platform-url https://… --workspace-id … --token-file token --allow-peer bob
//! ```
//!
//! # Messages and answers
//!
//! A [`Message`] has a [`sender`](Message::sender) (the user, a peer, a schedule, an A2A client) and
//! [parts](Message::parts): text, files, JSON. [`Message::text`] is its text. What
//! [`on_message`](Agent::on_message) returns is the answer: text and [`Content`] convert into an [`Outcome`], and work
//! that failed, was refused, or waits for the sender is one as well.
//!
//! ```
//! use molecule_guest::{Artifact, Message, Outcome, Part, Result, Task};
//!
//! async fn on_message(message: Message) -> Result<Outcome> {
//!     let text = message.text();
//!     if !message.is_from_user() {
//!         return Ok(Outcome::rejected("I only work for my user."));
//!     }
//!     if text.is_empty() {
//!         return Ok(Outcome::input_required("Which word shall I count?"));
//!     }
//!     let table = Part::data(format!(r#"{{"letters":{}}}"#, text.chars().count()));
//!     Ok(Task::completed("Counted.").artifact(Artifact::new("count", table)).into())
//! }
//! ```
//!
//! A message is handed to the agent at least once: again, with a higher [`redelivered`](Message::redelivered), when the
//! handler died or ran out of time. Whatever a handler did through the host then happens twice; an agent for which that
//! is worse than a failed message says so with [`Card::fail_on_death`].
//!
//! # Errors
//!
//! Callbacks return [`Result`], whose error is [`anyhow::Error`]: `?` works on any error, [`bail!`] and [`ensure!`] make
//! one from a text, and [`context`](Context::context) says what was being done. The error of `on_message` is an answer,
//! too: the sender is told that the message failed, and why.
//!
//! ```
//! use molecule_guest::{Context, Message, Outcome, Result, ensure};
//!
//! async fn on_message(message: Message) -> Result<Outcome> {
//!     let sides: u8 = message.text().trim().parse().context("I need the number of sides")?;
//!     ensure!(sides > 1, "a die has two sides at least");
//!     Ok(format!("a die with {sides} sides").into())
//! }
//! ```
//!
//! Calls of the host fail with [`Error`], which can be matched on. A denial says what would allow it
//! ([`Denial::grant`]); an error that concerns a request says whether the request was sent ([`Error::sent`]).
//!
//! # Calling the host
//!
//! | module | what for |
//! | --- | --- |
//! | [`workspace`] | who am I, the operator's configuration, what I work on, how the platform sees me |
//! | [`messages`] | writing to the user beside the answer, telling how it goes, files that came along, what was said before |
//! | [`peers`] | the other workspaces: asking them, and giving them work |
//! | [`memory`] | values, memories and checkpoints that the platform keeps |
//! | [`approvals`] | asking a person before something is done |
//! | [`http`] | requests to servers, with answers that stream |
//! | [`secrets`] | using keys without having them |
//! | [`storage`] | a folder that survives restarts |
//! | [`plugins`] | folders of skills and rules from the platform |
//! | [`log`] | log lines with a level and fields |
//! | [`time`] | waiting |
//!
//! ```
//! use std::time::Duration;
//! use molecule_guest::{Reply, Result, log, messages, peers, time, workspace};
//!
//! async fn ask_around(question: &str) -> Result<String> {
//!     workspace::set_task("asking around")?;
//!     for peer in peers::list().await? {
//!         log::info!(peer = peer.name, "asking");
//!         let call = peers::call(&peer.id, question).timeout(Duration::from_secs(20));
//!         match call.await? {
//!             Reply::Answer(answer) => return Ok(answer.text()),
//!             Reply::Queued(_) => messages::notify(format!("{} takes its time.", peer.name)).await?,
//!         }
//!         time::sleep(Duration::from_secs(1)).await?;
//!     }
//!     workspace::clear_task()?;
//!     Ok("Nobody knows.".into())
//! }
//! ```
//!
//! Calls can be made at once, with `futures::join!` and its like. Through WASI an agent has memory, clocks, random
//! numbers, the folders of [`plugins`], and that of [`storage`] where it is granted; sockets, environment and arguments are there as
//! functions, and empty or denied. Crates that speak `wasi:http`, such as `waki`, work as they are, under the same grants
//! as [`http`]; while they wait, the agent's other messages wait, too.
//!
//! # State and concurrency
//!
//! An agent runs on one thread, and its callbacks share it: they take `&self`. A [`Card`] that says
//! [`concurrency(4)`](Card::concurrency) is handed up to four messages at once: while one handler waits at an `.await`,
//! another runs. Ticks, pauses and resumes come between them in any case. So state is in a `Cell` or a `RefCell`, and
//! a borrow of a `RefCell` does not live across an `.await`:
//!
//! ```
//! use std::cell::RefCell;
//! use std::collections::HashMap;
//! use molecule_guest::{Agent, Card, Message, Outcome, Result, messages};
//!
//! #[derive(Default)]
//! struct Counter {
//!     seen: RefCell<HashMap<String, u32>>,
//! }
//!
//! impl Agent for Counter {
//!     fn describe() -> Card {
//!         Card::new("counter").concurrency(4)
//!     }
//!
//!     async fn on_message(&self, message: Message) -> Result<Outcome> {
//!         let count = {
//!             let mut seen = self.seen.borrow_mut();
//!             let count = seen.entry(message.context_id.clone()).or_default();
//!             *count += 1;
//!             *count
//!         }; // The borrow ends here,
//!         messages::notify(format!("message {count}")).await?; // before this waits.
//!         Ok(Outcome::Nothing)
//!     }
//! }
//! # molecule_guest::export!(Counter);
//! # fn main() {}
//! ```
//!
//! Only `.await` lets others run. A long computation or `std::thread::sleep` holds up the agent's other messages, and
//! the host ends an agent that does not come back.
//!
//! # Crashes
//!
//! A panic is the end of the instance. What it printed and its backtrace are in the host's log; the host makes a new
//! instance, calls [`on_start`](Agent::on_start), and hands out the message again. State in memory is gone. Return an
//! error for whatever can go wrong by itself, and panic only where going on would be worse.
//!
//! # Testing
//!
//! [`testing`] has a scripted host, so that `cargo test` runs the agent natively, in virtual time:
//!
//! ```
//! # use molecule_guest::{Agent, Card, Message, Outcome, Result};
//! # #[derive(Default)]
//! # struct Echo;
//! # impl Agent for Echo {
//! #     fn describe() -> Card {
//! #         Card::new("echo")
//! #     }
//! #     async fn on_message(&self, message: Message) -> Result<Outcome> {
//! #         Ok(message.text().into())
//! #     }
//! # }
//! use molecule_guest::testing::Host;
//!
//! # fn main() {
//! let agent = Host::new().start::<Echo>().unwrap();
//! assert_eq!(agent.message("Hello").unwrap().text(), "Hello");
//! # }
//! ```
//!
//! Such tests stand in the crate itself (`#[cfg(test)] mod tests`): nothing can link to a `cdylib` from `tests/`.
//!
//! # Features
//!
//! - `json`: JSON from and into types of serde: parts ([`Part`]`::json`, [`Part`]`::parse`), bodies of requests and
//!   responses.

mod agent;
pub mod approvals;
#[doc(hidden)]
pub mod bindings;
mod card;
mod content;
mod error;
mod export;
pub mod http;
mod imports;
pub mod log;
pub mod memory;
mod message;
pub mod messages;
mod outcome;
pub mod peers;
pub mod plugins;
pub mod secrets;
mod start;
pub mod storage;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod time;
pub mod workspace;

pub use agent::Agent;
pub use anyhow::{self, Context, bail, ensure};
pub use card::{Asks, Card, OnDeath, Skill};
pub use content::{Content, File, FileSource, Part, PartContent};
pub use error::{Backoff, Denial, Error, Failure, RemoteError, Result, Sent};
pub use message::{Caller, Message, PeerRef, Sender};
pub use outcome::{Artifact, Outcome, Task, TaskState};
pub use peers::{Delegation, DelegationStatus, Peer, Reply};
pub use start::{Identity, Start, StartReason, StopReason};

/// What [`export!`] expands to. Not for authors.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::bindings::export_agent;
    pub use crate::export::Exported;
    #[cfg(not(target_family = "wasm"))]
    pub use crate::export::check;
}
