//! Runs agents: WebAssembly components on wasmtime, one actor each.
//!
//! ```text
//!   Runtime::load(bytes) ──▶ Component ──▶ describe() ──▶ Card
//!                                │
//!                                ▼
//!   Actor::spawn(component, agent, ...) ── deliver(message) ──▶ Delivery
//!                                │
//!                                ▼  every import call, attributed to its message
//!                   Gate::pass ──▶ Permit ──▶ Services
//! ```
//!
//! An agent gets an instance of its own: its memory, its tables, its [`Limits`]. WASI 0.2 is linked with nothing granted;
//! what it prints becomes log lines. What it may do to the world goes through the [`Gate`](molecule_gate::Gate) of its
//! [`Agent`] and then to its [`Services`], which the embedder provides: this crate opens no socket, and no file but
//! those of the [`AotStore`], those that an agent has in its [`Storage`], and those of its plugins.
//!
//! A trap, a panic or a callback that ran out of time ends the instance, not the actor: it is built again, with
//! backoff. [`Delivery`] says of each message whether it was handled, whether its own handler died, or whether it was
//! a bystander.
//!
//! Guests run on threads of the [`Runtime`]'s own, so that one that spins holds up neither the timers nor the I/O of
//! the embedder.

mod actor;
mod agent;
mod aot;
mod appeal;
mod bindings;
mod component;
mod cpu;
mod death;
mod engine;
mod fetch;
mod guest;
mod imports;
mod instance;
mod journal;
mod limits;
mod plugins;
mod runtime;
mod services;
mod stdio;
mod storage;
mod wasi;
pub mod wit;

pub use actor::{Actor, ActorOptions, ActorState, Delivery, Restarts};
pub use agent::{Agent, AgentEvent, Line, LineSource, Observer};
pub use aot::AotStore;
pub use appeal::Appeal;
pub use component::{Component, LoadError};
pub use death::{Cause, Death};
pub use fetch::{
    Bound, CertificateFault, Fetch, FetchBody, FetchError, FetchParts, FetchResponse, Payload, Phase, Spot,
    Times, TlsFault,
};
pub use guest::Call;
pub use imports::denied;
pub use limits::{Limits, Refusal, Resource};
pub use plugins::{GUEST_PATH as PLUGINS_PATH, OpenPlugin};
pub use runtime::{Runtime, RuntimeError, RuntimeOptions};
pub use services::{
    AllValues, AskApproval, Attach, Beat, CallPeer, Checkpoint, ClearCheckpoints, Delegate, DeleteValue,
    Discover, ForgetMemory, InstallPlugin, Kept, Key, LatestCheckpoint, ListPeers, Memory, Notify, OpenFile,
    Progress, ReadApprovals, ReadDelegations, ReadHistory, ReadMemory, ReadState, Register, RemovePlugin,
    Reveal, Services, SetTask, SetValue, Workflow, WriteMemory,
};
pub use storage::Storage;
