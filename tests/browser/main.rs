//! The page of the local platform in a real browser: Debian's Chromium, driven by Debian's driver.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an expectation that fails is a failed test"
)]

mod access;
mod browser;
mod builds;
mod chat;
mod looks;
mod many;
mod operator;
mod passing;
