//! The agents that tests run, as files that `build.rs` has built.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
