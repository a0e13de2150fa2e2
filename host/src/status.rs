//! How an agent is, for whoever looks after it.

use std::time::Duration;

use crate::events::Ended;

/// How an agent is now.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Whether it works.
    pub phase: Phase,
    /// How long it has been started.
    pub uptime: Duration,
    /// How long ago the platform took the last heartbeat; `None` before the first.
    pub heartbeat_age: Option<Duration>,
    /// Messages since it was started.
    pub messages: Messages,
    /// Times that its instance died since then.
    pub deaths: u64,
    /// Effects that the gate refused since then.
    pub denials: u64,
    /// Bytes of linear memory that its instance has; 0 while there is none.
    pub memory_bytes: u64,
    /// CPU time that the agent has used since it was started, all its instances together.
    pub cpu_time: Duration,
    /// The latest trouble since then, whether it is over or not.
    pub last_error: Option<String>,
}

/// Whether an agent works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It takes messages.
    Working,
    /// It dies again and again; it is built again, ever more slowly.
    Wedged,
    /// Its workspace is paused.
    Paused,
    /// The platform does not take its token.
    Revoked,
    /// It no longer runs.
    Ended(Ended),
}

/// Messages of an agent, counted since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Messages {
    /// Came in.
    pub received: u64,
    /// The agent was done with.
    pub handled: u64,
    /// Were given up.
    pub given_up: u64,
    /// Are in hand now.
    pub in_hand: u64,
}
