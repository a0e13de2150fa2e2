//! What the operator allows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::byte_size::ByteSize;
use crate::denial::quoted;
use crate::limits::Limits;
use crate::memory_scope::MemoryScope;
use crate::net_rule::NetRule;
use crate::peer_grant::PeerGrant;
use crate::plugin_grant::PluginGrant;
use crate::secret::SecretName;
use crate::secret_grant::SecretGrant;

/// All that an agent may do. The default grants nothing but to answer, and to write to its own user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// The peers it may see and call (`--allow-peer`).
    pub peers: Vec<PeerGrant>,
    /// The HTTP requests it may make (`--allow-net`).
    pub net: Vec<NetRule>,
    /// The secrets it may use without seeing them (`--allow-secret`).
    pub secrets: Vec<SecretGrant>,
    /// The secrets it may see (`--allow-reveal`).
    pub reveal: Vec<SecretName>,
    /// How much it may keep in its folder (`--allow-storage`); nothing where nothing is said.
    pub storage_bytes: Option<ByteSize>,
    /// The plugins it may install and remove (`--allow-plugin`).
    pub plugins: Vec<PluginGrant>,
    /// What it may read and write of what the platform keeps (`--allow-memory`); nothing where nothing is said.
    pub memory: Option<MemoryScope>,
    /// How much and how often.
    pub limits: Limits,
}

impl Grants {
    /// Whether a peer, by its id and by its name where it is known, may be seen and called.
    pub fn allow_peer(&self, id: &str, name: Option<&str>) -> bool {
        self.peers.iter().any(|grant| grant.matches(id, name))
    }

    /// Adds a grant. What has one value only has the larger one then: a grant takes nothing away.
    pub fn add(&mut self, grant: Grant) {
        let limits = &mut self.limits;
        match grant {
            Grant::Peer(peer) => self.peers.push(peer),
            Grant::Net(rule) => self.net.push(rule),
            Grant::Secret(secret) => self.secrets.push(secret),
            Grant::Reveal(name) => self.reveal.push(name),
            Grant::Plugin(plugin) => self.plugins.push(plugin),
            Grant::Memory(scope) => self.memory = self.memory.max(Some(scope)),
            Grant::Storage(size) => self.storage_bytes = self.storage_bytes.max(Some(size)),
            Grant::MessageBytes(bytes) => limits.message_bytes = limits.message_bytes.max(bytes),
            Grant::MessagesPerMinute(count) => {
                limits.messages_per_minute = limits.messages_per_minute.max(count);
            }
            Grant::RequestsPerMinute(count) => {
                limits.requests_per_minute = limits.requests_per_minute.max(count);
            }
        }
    }
}

/// One grant, as a [`Denial`](crate::Denial) names it.
///
/// Prints as an operator writes it on the command line: `--allow-peer bob`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// To see and call a peer.
    Peer(PeerGrant),
    /// To make HTTP requests.
    Net(NetRule),
    /// To use a secret.
    Secret(SecretGrant),
    /// To see a secret.
    Reveal(SecretName),
    /// To install and remove a plugin.
    Plugin(PluginGrant),
    /// To use memory of the platform.
    Memory(MemoryScope),
    /// To keep so much.
    Storage(ByteSize),
    /// Bytes of one message.
    MessageBytes(usize),
    /// Messages a minute of each kind.
    MessagesPerMinute(u32),
    /// HTTP requests a minute.
    RequestsPerMinute(u32),
}

impl Grant {
    /// The flag, without its dashes: also the key in a policy file.
    pub fn flag(&self) -> &'static str {
        match self {
            Grant::Peer(_) => "allow-peer",
            Grant::Net(_) => "allow-net",
            Grant::Secret(_) => "allow-secret",
            Grant::Reveal(_) => "allow-reveal",
            Grant::Plugin(_) => "allow-plugin",
            Grant::Memory(_) => "allow-memory",
            Grant::Storage(_) => "allow-storage",
            Grant::MessageBytes(_) => "max-message-bytes",
            Grant::MessagesPerMinute(_) => "max-messages-per-minute",
            Grant::RequestsPerMinute(_) => "max-requests-per-minute",
        }
    }

    /// The flag's value, not quoted.
    pub fn value(&self) -> String {
        match self {
            Grant::Peer(peer) => peer.to_string(),
            Grant::Net(rule) => rule.to_string(),
            Grant::Secret(secret) => secret.to_string(),
            Grant::Reveal(name) => name.to_string(),
            Grant::Plugin(plugin) => plugin.to_string(),
            Grant::Memory(scope) => scope.to_string(),
            Grant::Storage(size) => size.to_string(),
            Grant::MessageBytes(bytes) => bytes.to_string(),
            Grant::MessagesPerMinute(count) | Grant::RequestsPerMinute(count) => count.to_string(),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{} {}", self.flag(), quoted(&self.value()))
    }
}
