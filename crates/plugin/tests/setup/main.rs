//! Scripts that try to get out of the cage, run for real, as whoever runs the tests; [`ordinary`] runs all of it once more
//! as a user without privileges, where the tests run as root.
#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "functions beside the tests are tests too"
)]

mod files;
mod fixture;
mod network;
mod ordinary;
mod output;
mod probe;
mod processes;
mod refusals;
mod system_calls;
