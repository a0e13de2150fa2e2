//! Acts on peers.

use std::time::Duration;

use molecule_gate::{Act, Effect};

use crate::wit::{Content, PeerRef, bytes_of_content};

/// Looks up the peers.
#[derive(Debug)]
pub struct ListPeers;

impl Act for ListPeers {
    fn effect(&self) -> Effect<'_> {
        Effect::ListPeers
    }
}

/// Calls a peer.
#[derive(Debug)]
pub struct CallPeer {
    /// Whom.
    pub peer: PeerRef,
    /// What to say.
    pub content: Content,
    /// The conversation to continue, if any.
    pub context_id: Option<String>,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

impl Act for CallPeer {
    fn effect(&self) -> Effect<'_> {
        let bytes = bytes_of_content(&self.content) + self.context_id.as_ref().map_or(0, String::len);
        Effect::CallPeer { id: &self.peer.id, name: self.peer.name.as_deref(), bytes }
    }
}

/// Asks where a peer is.
#[derive(Debug)]
pub struct Discover {
    /// Which one.
    pub peer: PeerRef,
}

impl Act for Discover {
    fn effect(&self) -> Effect<'_> {
        Effect::Discover { id: &self.peer.id, name: self.peer.name.as_deref() }
    }
}

/// Gives a task to a peer.
#[derive(Debug)]
pub struct Delegate {
    /// To whom.
    pub peer: PeerRef,
    /// What is to be done.
    pub task: String,
    /// The agent's own name for the delegation, where it gives one.
    pub key: Option<String>,
}

impl Act for Delegate {
    fn effect(&self) -> Effect<'_> {
        let bytes = self.task.len() + self.key.as_ref().map_or(0, String::len);
        Effect::Delegate { id: &self.peer.id, name: self.peer.name.as_deref(), bytes }
    }
}

/// Looks at the workspace's own delegations.
#[derive(Debug)]
pub struct ReadDelegations;

impl Act for ReadDelegations {
    fn effect(&self) -> Effect<'_> {
        Effect::Delegations
    }
}
