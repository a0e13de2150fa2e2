//! What an agent can do to the world.

/// Something that an agent wants to do, with all that is needed to do it.
pub trait Act {
    /// What it amounts to, for the gate to judge.
    fn effect(&self) -> Effect<'_>;
}

/// An effect on the world outside an agent's instance.
///
/// Borrowed from the [`Act`], so that judging allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect<'a> {
    /// Answers a message, whoever sent it.
    Answer {
        /// Bytes of the answer.
        bytes: usize,
    },
    /// Writes to the workspace's own user.
    Notify {
        /// Bytes of the text.
        bytes: usize,
    },
    /// Looks up which peers there are.
    ListPeers,
    /// Sends a message to another workspace.
    CallPeer {
        /// The peer's workspace id.
        id: &'a str,
        /// Its name, where it is known.
        name: Option<&'a str>,
        /// Bytes of what is sent.
        bytes: usize,
    },
    /// Says what the agent works on, for everybody who sees the workspace.
    SetTask {
        /// Bytes of the text.
        bytes: usize,
    },
}

impl Effect<'_> {
    /// Which kind of effect it is.
    pub fn kind(&self) -> Kind {
        match self {
            Effect::Answer { .. } => Kind::Answer,
            Effect::Notify { .. } => Kind::Notify,
            Effect::ListPeers => Kind::ListPeers,
            Effect::CallPeer { .. } => Kind::CallPeer,
            Effect::SetTask { .. } => Kind::SetTask,
        }
    }

    /// Bytes that leave the instance.
    pub fn bytes(&self) -> usize {
        match *self {
            Effect::Answer { bytes }
            | Effect::Notify { bytes }
            | Effect::CallPeer { bytes, .. }
            | Effect::SetTask { bytes } => bytes,
            Effect::ListPeers => 0,
        }
    }

    /// Whom or what it touches, for receipts and denials.
    pub fn target(&self) -> &str {
        match self {
            Effect::Answer { .. } => "sender",
            Effect::Notify { .. } | Effect::SetTask { .. } => "user",
            Effect::ListPeers => "peers",
            Effect::CallPeer { id, name, .. } => name.unwrap_or(id),
        }
    }
}

/// The kinds of [`Effect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// [`Effect::Answer`].
    Answer,
    /// [`Effect::Notify`].
    Notify,
    /// [`Effect::ListPeers`].
    ListPeers,
    /// [`Effect::CallPeer`].
    CallPeer,
    /// [`Effect::SetTask`].
    SetTask,
}

impl Kind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Kind; 5] = [Kind::Answer, Kind::Notify, Kind::ListPeers, Kind::CallPeer, Kind::SetTask];

    /// The import an agent calls for it, or what else it does.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Answer => "answer",
            Kind::Notify => "messages.notify",
            Kind::ListPeers => "peers.list",
            Kind::CallPeer => "peers.call",
            Kind::SetTask => "workspace.set-task",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_kind_at_its_own_index() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{kind:?}");
        }
    }
}
