//! What the platform promises on the wire, asked over real sockets. `P..` in a comment is the id of the case in the
//! table of conformance cases that this project was built from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod agent;
mod delegation;
mod feed;
mod guard;
mod lifecycle;
mod log;
mod messages;
mod page;
mod peers;
mod plugin_lists;
mod plugin_sources;
mod plugins;
mod push;
mod registration;
mod secrets;
mod storage;
mod stream;
mod tokens;
mod world;
