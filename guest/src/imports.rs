//! Where calls of the host go: to the real one in a component, to the scripted one in a native test.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::molecule::agent::{
    approvals, http, log, memory, messages, peers, plugins, secrets, storage, time, workspace,
};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::imports::{
    approvals, http, log, memory, messages, peers, plugins, secrets, storage, time, workspace,
};
