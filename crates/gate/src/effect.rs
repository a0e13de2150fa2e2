//! What an agent can do to the world.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::address::Reach;
use crate::memory_scope::MemoryScope;
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
    /// Announces the agent again.
    Register {
        /// Bytes of its card.
        bytes: usize,
    },
    /// Sends a heartbeat at once.
    Heartbeat,
    /// Asks where the workspace stands.
    State,
    /// Uploads a file for the user.
    Attach {
        /// Its bytes.
        bytes: usize,
    },
    /// Fetches a file that came with a message.
    OpenFile {
        /// Where it is.
        uri: &'a str,
    },
    /// Reads what was said.
    History,
    /// Tells the sender of a message how it goes.
    Progress {
        /// Bytes of what is told.
        bytes: usize,
    },
    /// Asks where a peer is.
    Discover {
        /// The peer's workspace id.
        id: &'a str,
        /// Its name, where it is known.
        name: Option<&'a str>,
    },
    /// Gives a task to another workspace.
    Delegate {
        /// The peer's workspace id.
        id: &'a str,
        /// Its name, where it is known.
        name: Option<&'a str>,
        /// Bytes of the task.
        bytes: usize,
    },
    /// Asks how its own delegations stand.
    Delegations,
    /// Reads what the platform keeps for it.
    ReadMemory {
        /// Whose memory.
        scope: MemoryScope,
    },
    /// Has the platform keep something, or drop it.
    WriteMemory {
        /// Whose memory.
        scope: MemoryScope,
        /// Bytes of what is kept.
        bytes: usize,
    },
    /// Asks a person for leave.
    AskApproval {
        /// Bytes of the question.
        bytes: usize,
    },
    /// Asks what was decided.
    ReadApprovals,
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
            Effect::Register { .. } => Kind::Register,
            Effect::Heartbeat => Kind::Heartbeat,
            Effect::State => Kind::State,
            Effect::Attach { .. } => Kind::Attach,
            Effect::OpenFile { .. } => Kind::OpenFile,
            Effect::History => Kind::History,
            Effect::Progress { .. } => Kind::Progress,
            Effect::Discover { .. } => Kind::Discover,
            Effect::Delegate { .. } => Kind::Delegate,
            Effect::Delegations => Kind::Delegations,
            Effect::ReadMemory { .. } => Kind::ReadMemory,
            Effect::WriteMemory { .. } => Kind::WriteMemory,
            Effect::AskApproval { .. } => Kind::AskApproval,
            Effect::ReadApprovals => Kind::ReadApprovals,
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
            | Effect::Register { bytes }
            | Effect::Attach { bytes }
            | Effect::Progress { bytes }
            | Effect::Delegate { bytes, .. }
            | Effect::WriteMemory { bytes, .. }
            | Effect::AskApproval { bytes }
            | Effect::Fetch { bytes, .. } => bytes,
            Effect::ListPeers
            | Effect::Heartbeat
            | Effect::State
            | Effect::OpenFile { .. }
            | Effect::History
            | Effect::Discover { .. }
            | Effect::Delegations
            | Effect::ReadMemory { .. }
            | Effect::ReadApprovals
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
            Effect::Answer { .. } | Effect::Progress { .. } => "sender".into(),
            Effect::Notify { .. } | Effect::SetTask { .. } | Effect::Attach { .. } => "user".into(),
            Effect::AskApproval { .. } | Effect::ReadApprovals => "approvals".into(),
            Effect::Register { .. } | Effect::Heartbeat | Effect::State | Effect::History => {
                "workspace".into()
            }
            Effect::OpenFile { uri } => (*uri).into(),
            Effect::ListPeers | Effect::Delegations => "peers".into(),
            Effect::CallPeer { id, name, .. }
            | Effect::Discover { id, name }
            | Effect::Delegate { id, name, .. } => name.unwrap_or(id).into(),
            Effect::ReadMemory { scope } | Effect::WriteMemory { scope, .. } => scope.as_str().into(),
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
    /// [`Effect::Register`].
    Register,
    /// [`Effect::Heartbeat`].
    Heartbeat,
    /// [`Effect::State`].
    State,
    /// [`Effect::Attach`].
    Attach,
    /// [`Effect::OpenFile`].
    OpenFile,
    /// [`Effect::History`].
    History,
    /// [`Effect::Progress`].
    Progress,
    /// [`Effect::Discover`].
    Discover,
    /// [`Effect::Delegate`].
    Delegate,
    /// [`Effect::Delegations`].
    Delegations,
    /// [`Effect::ReadMemory`].
    ReadMemory,
    /// [`Effect::WriteMemory`].
    WriteMemory,
    /// [`Effect::AskApproval`].
    AskApproval,
    /// [`Effect::ReadApprovals`].
    ReadApprovals,
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
    pub const ALL: [Kind; 26] = [
        Kind::Answer,
        Kind::Notify,
        Kind::ListPeers,
        Kind::CallPeer,
        Kind::SetTask,
        Kind::Register,
        Kind::Heartbeat,
        Kind::State,
        Kind::Attach,
        Kind::OpenFile,
        Kind::History,
        Kind::Progress,
        Kind::Discover,
        Kind::Delegate,
        Kind::Delegations,
        Kind::ReadMemory,
        Kind::WriteMemory,
        Kind::AskApproval,
        Kind::ReadApprovals,
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
            Kind::Register => "workspace.register",
            Kind::Heartbeat => "workspace.heartbeat",
            Kind::State => "workspace.state",
            Kind::Attach => "messages.attach",
            Kind::OpenFile => "messages.open",
            Kind::History => "messages.history",
            Kind::Progress => "messages.progress",
            Kind::Discover => "peers.discover",
            Kind::Delegate => "peers.delegate",
            Kind::Delegations => "peers.delegation",
            Kind::ReadMemory => "memory.read",
            Kind::WriteMemory => "memory.write",
            Kind::AskApproval => "approvals.ask",
            Kind::ReadApprovals => "approvals.read",
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
