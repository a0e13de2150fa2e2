//! What an agent can do to the world.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::address::Reach;
use crate::secret::SecretUse;
use crate::target::Target;

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
    /// Sends an HTTP request. On which terms it may be sent is in the [`Terms`](crate::Terms) of the permit.
    Fetch {
        /// What it is for.
        target: &'a Target,
        /// Bytes of the body, as far as it is known; what is written later is bounded by the terms.
        bytes: usize,
        /// The secrets that are put into it.
        secrets: &'a [SecretUse],
    },
    /// Connects to an address, for an HTTP request that has been allowed. Asked for every address of its host.
    Connect {
        /// What the request is for.
        target: &'a Target,
        /// Where the connection goes.
        address: IpAddr,
        /// From the terms of the request.
        reach: &'a Reach,
    },
    /// Hands the value of a secret to the agent.
    RevealSecret {
        /// The secret's name, as the agent wrote it.
        name: &'a str,
    },
    /// Writes to the agent's own folder.
    Store {
        /// Bytes by which it grows.
        bytes: u64,
        /// Bytes that it has already.
        used: u64,
    },
    /// Installs a plugin, or a new version of it.
    InstallPlugin {
        /// The plugin's name, as the agent wrote it.
        name: &'a str,
        /// Where it comes from: `scheme://…`.
        source: &'a str,
    },
    /// Removes a plugin.
    RemovePlugin {
        /// The plugin's name, as the agent wrote it.
        name: &'a str,
    },
    /// Opens a socket or looks up a name, by WASI. Never allowed: nobody could say what goes over it.
    Socket {
        /// The function that was called.
        what: &'a str,
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
            Effect::Fetch { .. } => Kind::Fetch,
            Effect::Connect { .. } => Kind::Connect,
            Effect::RevealSecret { .. } => Kind::RevealSecret,
            Effect::Store { .. } => Kind::Store,
            Effect::InstallPlugin { .. } => Kind::InstallPlugin,
            Effect::RemovePlugin { .. } => Kind::RemovePlugin,
            Effect::Socket { .. } => Kind::Socket,
        }
    }

    /// Bytes that leave the instance.
    pub fn bytes(&self) -> usize {
        match *self {
            Effect::Answer { bytes }
            | Effect::Notify { bytes }
            | Effect::CallPeer { bytes, .. }
            | Effect::SetTask { bytes }
            | Effect::Fetch { bytes, .. } => bytes,
            Effect::ListPeers
            | Effect::Connect { .. }
            | Effect::RevealSecret { .. }
            | Effect::Store { .. }
            | Effect::InstallPlugin { .. }
            | Effect::RemovePlugin { .. }
            | Effect::Socket { .. } => 0,
        }
    }

    /// Whom or what it touches, for receipts and denials. Of a URL without the values of its query.
    pub fn target(&self) -> Cow<'_, str> {
        match self {
            Effect::Answer { .. } => "sender".into(),
            Effect::Notify { .. } | Effect::SetTask { .. } => "user".into(),
            Effect::ListPeers => "peers".into(),
            Effect::CallPeer { id, name, .. } => name.unwrap_or(id).into(),
            Effect::Fetch { target, .. } => target.to_string().into(),
            Effect::Connect { target, address, .. } => format!("{address} for {}", target.host()).into(),
            Effect::RevealSecret { name } | Effect::RemovePlugin { name } => (*name).into(),
            Effect::InstallPlugin { name, source } => format!("{name} from {source}").into(),
            Effect::Store { .. } => "storage".into(),
            Effect::Socket { what } => (*what).into(),
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
    /// [`Effect::Fetch`].
    Fetch,
    /// [`Effect::Connect`].
    Connect,
    /// [`Effect::RevealSecret`].
    RevealSecret,
    /// [`Effect::Store`].
    Store,
    /// [`Effect::InstallPlugin`].
    InstallPlugin,
    /// [`Effect::RemovePlugin`].
    RemovePlugin,
    /// [`Effect::Socket`].
    Socket,
}

impl Kind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Kind; 12] = [
        Kind::Answer,
        Kind::Notify,
        Kind::ListPeers,
        Kind::CallPeer,
        Kind::SetTask,
        Kind::Fetch,
        Kind::Connect,
        Kind::RevealSecret,
        Kind::Store,
        Kind::InstallPlugin,
        Kind::RemovePlugin,
        Kind::Socket,
    ];

    /// The import an agent calls for it, or what else it does.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Answer => "answer",
            Kind::Notify => "messages.notify",
            Kind::ListPeers => "peers.list",
            Kind::CallPeer => "peers.call",
            Kind::SetTask => "workspace.set-task",
            Kind::Fetch => "http.fetch",
            Kind::Connect => "http.connect",
            Kind::RevealSecret => "secrets.reveal",
            Kind::Store => "storage.write",
            Kind::InstallPlugin => "plugins.install",
            Kind::RemovePlugin => "plugins.remove",
            Kind::Socket => "sockets",
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
