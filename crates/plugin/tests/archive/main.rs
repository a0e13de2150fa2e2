//! Archives, from the good to the hostile, against real folders.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod disagreements;
mod forge;
mod hostile;
mod limits;
mod races;
mod sandbox;
mod streams;
mod vectors;
