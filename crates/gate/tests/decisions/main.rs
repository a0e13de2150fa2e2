//! What the gate decides, what it says, and that what it says helps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod once;
mod properties;
mod rates;
mod table;
mod wants;
mod words;
mod workspace;
