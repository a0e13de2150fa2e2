//! End to end: what an operator, an author or an embedder would see.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an expectation that fails is a failed test"
)]

mod appeals;
mod assistant;
mod bad_input;
mod conformance;
mod cures;
mod dev;
mod disk_full;
mod egress;
mod embedding;
mod inbox;
mod kills;
mod limits;
mod peers;
mod plugins;
mod policy;
// Wants a terminal, which script(1) makes.
#[cfg(feature = "terminal")]
mod prompt;
mod runtime;
mod soak;
mod token_secrecy;
mod up;
