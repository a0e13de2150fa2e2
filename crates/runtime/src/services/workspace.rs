//! Acts on the workspace itself.

use molecule_gate::{Act, Effect};

use crate::wit::{Card, bytes_of_card};

/// Says what the agent works on.
#[derive(Debug)]
pub struct SetTask {
    /// The text; `None` clears it.
    pub task: Option<String>,
}

impl Act for SetTask {
    fn effect(&self) -> Effect<'_> {
        Effect::SetTask { bytes: self.task.as_ref().map_or(0, String::len) }
    }
}

/// Announces the agent again.
#[derive(Debug)]
pub struct Register {
    /// With this card; with the one it has where there is none.
    pub card: Option<Card>,
}

impl Act for Register {
    fn effect(&self) -> Effect<'_> {
        Effect::Register { bytes: self.card.as_ref().map_or(0, bytes_of_card) }
    }
}

/// Sends a heartbeat now.
#[derive(Debug)]
pub struct Beat;

impl Act for Beat {
    fn effect(&self) -> Effect<'_> {
        Effect::Heartbeat
    }
}

/// Asks where the workspace stands.
#[derive(Debug)]
pub struct ReadState;

impl Act for ReadState {
    fn effect(&self) -> Effect<'_> {
        Effect::State
    }
}
