//! What the platform promises on the wire, asked over real sockets. A test that proves a case of the table of conformance
//! cases that this project was built from carries the case's id: `p42_p44_...` proves P42 and P44. Not here are P14 and
//! P90, which describe an older platform.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod agent;
mod approvals;
mod budget;
mod checkpoints;
mod delegation;
mod feed;
mod guard;
mod journal;
mod lifecycle;
mod log;
mod memories;
mod memory;
mod messages;
mod page;
mod peers;
mod plugin_lists;
mod plugin_sources;
mod plugins;
mod push;
mod registration;
mod schedules;
mod secrets;
mod socket;
mod storage;
mod stream;
mod tokens;
mod uploads;
mod world;
