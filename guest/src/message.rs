//! What comes in.

use crate::content::text_of;
use crate::{File, Part};

/// A message to the agent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// The sender's id for it, or the host's where the sender gave none.
    pub id: String,
    /// The conversation it belongs to. Where the sender names none: one for the user, one per peer.
    pub context_id: String,
    /// The task it continues, if any.
    pub task_id: Option<String>,
    /// The message it answers, if any: a late answer to a [call](crate::peers::call). What the agent answers to
    /// such a message is not sent, so that two agents do not answer each other for ever.
    pub in_reply_to: Option<String>,
    /// Who wrote it.
    pub sender: Sender,
    /// What it says.
    pub parts: Vec<Part>,
    /// What came with it, a JSON object.
    pub metadata: Option<String>,
    /// Times it was handed to this agent before: a handler died, ran out of time, or the host did.
    pub redelivered: u32,
}

impl Message {
    /// Its text parts, joined by newlines; empty where there are none.
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }

    /// The files that came with it.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.parts.iter().filter_map(Part::as_file)
    }

    /// Whether the user wrote it.
    pub fn is_from_user(&self) -> bool {
        matches!(self.sender, Sender::User)
    }

    /// The workspace that wrote it, if one did.
    pub fn peer(&self) -> Option<&PeerRef> {
        match &self.sender {
            Sender::Peer(peer) => Some(peer),
            _ => None,
        }
    }

    /// Whether it answers a message that this agent sent.
    pub fn is_reply(&self) -> bool {
        self.in_reply_to.is_some()
    }
}

/// Who wrote a [`Message`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sender {
    /// The person at the canvas. A schedule counts as the user where the platform does not tell them apart.
    User,
    /// Another workspace.
    Peer(PeerRef),
    /// A schedule, with its name where it can be told.
    Schedule(Option<String>),
    /// An A2A client outside the platform.
    Caller(Caller),
}

/// A workspace that this one may talk with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeerRef {
    /// Its workspace id.
    pub id: String,
    /// Its name, where the host knows it.
    pub name: Option<String>,
}

impl PeerRef {
    /// A name to show: its name, or its id where the host knows none.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// Somebody who is neither the user nor a workspace: an A2A client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Caller {
    /// A stable identity that the host has verified, or empty for an anonymous caller.
    pub id: String,
    /// A name to show, not verified.
    pub name: Option<String>,
}
