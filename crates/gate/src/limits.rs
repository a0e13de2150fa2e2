//! How much and how often.

use serde::{Deserialize, Serialize};

use crate::byte_size::ByteSize;
use crate::effect::Kind;

/// Bounds on what is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one message, to the user or to a peer; [`MOST_MESSAGE_BYTES`](Self::MOST_MESSAGE_BYTES) at most.
    pub message_bytes: usize,
    /// Messages a minute, for each kind of effect; as many may come at once.
    pub messages_per_minute: u32,
    /// HTTP requests a minute, over all rules; as many may come at once.
    pub requests_per_minute: u32,
    /// HTTP requests under way at once, the reading of their responses included.
    pub concurrent_requests: u32,
    /// Bytes of the body of a request, where its rule says nothing.
    pub request_bytes: ByteSize,
    /// Bytes of the body of a response, where its rule says nothing.
    pub response_bytes: ByteSize,
}

impl Default for Limits {
    /// Of messages 256 KiB and 120 a minute: the platform gives a whole address 600 requests a minute.
    ///
    /// Of requests 600 a minute and 32 at once, which is more than a busy agent needs and less than a loop run wild makes;
    /// 8 MiB there, a conversation with images, and 64 MiB back.
    fn default() -> Self {
        Self {
            message_bytes: 256 * 1024,
            messages_per_minute: 120,
            requests_per_minute: 600,
            concurrent_requests: 32,
            request_bytes: ByteSize::of(8 * 1024 * 1024),
            response_bytes: ByteSize::of(64 * 1024 * 1024),
        }
    }
}

impl Limits {
    /// Bytes of one message beyond which no grant helps: the platform cuts a request at 1 MiB.
    pub const MOST_MESSAGE_BYTES: usize = 1024 * 1024;

    /// Bytes of one file beyond which no grant helps: the platform takes no larger one.
    pub const MOST_FILE_BYTES: usize = 25 * 1024 * 1024;

    /// How often a minute an effect of this kind may happen, if that is bounded.
    pub(crate) fn per_minute(&self, kind: Kind) -> Option<u32> {
        match kind {
            Kind::Notify | Kind::CallPeer | Kind::ListPeers => Some(self.messages_per_minute),
            // Requests of the platform, too, and much work.
            Kind::InstallPlugin | Kind::RemovePlugin => Some(self.messages_per_minute),
            Kind::Register
            | Kind::Heartbeat
            | Kind::State
            | Kind::Attach
            | Kind::OpenFile
            | Kind::History => Some(self.messages_per_minute),
            Kind::Discover | Kind::Delegate | Kind::Delegations => Some(self.messages_per_minute),
            Kind::ReadMemory | Kind::WriteMemory | Kind::AskApproval | Kind::ReadApprovals => {
                Some(self.messages_per_minute)
            }
            Kind::Fetch => Some(self.requests_per_minute),
            // As often as there are messages to answer.
            Kind::Answer => None,
            // Stay within the host until the next heartbeat, or the answer, carries them.
            Kind::SetTask | Kind::Progress => None,
            // As often as there are requests.
            Kind::Connect => None,
            // Stay on this machine.
            Kind::RevealSecret | Kind::Store => None,
            // Never happens.
            Kind::Socket => None,
        }
    }
}
