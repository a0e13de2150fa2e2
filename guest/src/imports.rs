//! Where calls of the host go: to the real one in a component, to the scripted one in a native test.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::molecule::agent::{log, messages, peers, time, workspace};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::imports::{log, messages, peers, time, workspace};
