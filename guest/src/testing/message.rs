//! Messages that a test makes up.

use std::cell::Cell;

use crate::{Content, Message, PeerRef, Sender};

/// For tests; in a component messages come from the host.
impl Message {
    /// A message of the user, in the user's conversation.
    pub fn from_user(content: impl Into<Content>) -> Self {
        Self::from_sender(Sender::User, "user", content.into())
    }

    /// A message of a peer, in the peer's conversation.
    pub fn from_peer(id: impl Into<String>, name: impl Into<String>, content: impl Into<Content>) -> Self {
        let peer = PeerRef { id: id.into(), name: Some(name.into()) };
        let context_id = format!("peer-{}", peer.id);
        Self::from_sender(Sender::Peer(peer), context_id, content.into())
    }

    fn from_sender(sender: Sender, context_id: impl Into<String>, content: Content) -> Self {
        thread_local! {
            static MADE: Cell<u64> = const { Cell::new(0) };
        }
        let number = MADE.replace(MADE.get() + 1);
        Self {
            id: format!("message-{number}"),
            context_id: context_id.into(),
            task_id: None,
            in_reply_to: None,
            sender,
            parts: content.parts,
            metadata: content.metadata,
            redelivered: 0,
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::from_user(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::from_user(text)
    }
}

impl From<Content> for Message {
    fn from(content: Content) -> Self {
        Self::from_user(content)
    }
}
