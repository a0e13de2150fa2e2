//! What happens to an agent, as its operator or embedder hears of it.

use std::time::Duration;

use molecule_protocol::WorkspaceId;
use molecule_runtime::wit::Level;
use molecule_runtime::{Death, LineSource};

/// Something happened to an agent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The platform knows the agent; heartbeats go out from now on.
    Registered {
        /// The name under which it is registered.
        name: String,
    },
    /// `on-start` has returned; messages are handled from now on.
    Started,
    /// A heartbeat was taken.
    Heartbeat,
    /// A message came in and is kept.
    MessageIn {
        /// The sender's id for it.
        id: String,
        /// Who sent it: `user`, or a workspace id.
        from: String,
    },
    /// The agent was done with a message.
    Handled {
        /// The message.
        id: String,
        /// Whether there is an answer to send.
        answered: bool,
        /// How long it took.
        took: Duration,
    },
    /// An answer, a notice or a text of the agent has reached the platform.
    Delivered {
        /// To whom: `user`, or a workspace id.
        to: String,
    },
    /// An answer will never reach anybody.
    Undeliverable {
        /// To whom it was.
        to: String,
        /// Why.
        reason: String,
    },
    /// A message was given up.
    DeadLetter {
        /// The message.
        id: String,
        /// Why.
        reason: String,
    },
    /// The agent's instance died; it is built again after a while.
    Died {
        /// Why.
        death: Death,
        /// How long until the next one.
        backoff: Duration,
    },
    /// The agent died too often in too little time; the platform is told.
    Wedged {
        /// The latest death.
        death: Death,
    },
    /// It was wedged and works again.
    Recovered,
    /// The agent wrote a line.
    Log {
        /// Where it came from.
        source: LineSource,
        /// How much it matters.
        level: Level,
        /// The text.
        text: String,
        /// Fields that came with it.
        fields: Vec<(String, String)>,
        /// The message it was written on behalf of, where that can be told.
        message: Option<String>,
    },
    /// The workspace was paused.
    Paused,
    /// The workspace was resumed.
    Resumed,
    /// Something is not as it should be; the host goes on. One line that ends in what to do.
    Trouble(String),
    /// The agent has ended.
    Ended(Ended),
}

/// Why an agent no longer runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was asked to stop.
    Shutdown,
    /// The workspace was paused, and the operator had said to stop then.
    Paused,
    /// The workspace was deleted.
    Removed,
    /// The platform no longer takes the token, and the operator had said to stop then.
    Revoked,
    /// The agent refused to start; its words.
    Refused(String),
    /// Another host took the workspace over.
    TakenOver,
    /// The host cannot go on; one line that ends in what to do.
    Failed(String),
}

/// An event, and whose it is.
#[derive(Debug, Clone)]
pub struct Happened {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// What happened.
    pub event: Event,
}
