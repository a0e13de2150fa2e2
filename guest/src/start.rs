//! How an agent's life begins and ends.

use std::fmt;

pub use crate::bindings::molecule::agent::types::{StartReason, StopReason};

/// What an agent is told when it starts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Start {
    /// Why.
    pub reason: StartReason,
    /// Who it is.
    pub identity: Identity,
    /// The operator's configuration (`--config key=value`), in the order given.
    pub config: Vec<(String, String)>,
    /// The platform's instructions for this workspace: the policy of whoever runs it.
    pub instructions: Option<String>,
}

/// Who this workspace is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Identity {
    /// The workspace id.
    pub workspace_id: String,
    /// The name under which it runs.
    pub name: String,
}

impl fmt::Display for StartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstStart => "first start",
            Self::Restart => "restart",
            Self::Upgrade => "upgrade",
            Self::Resume => "resume",
        })
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "removed",
            Self::Shutdown => "shutdown",
            Self::Upgrade => "upgrade",
            Self::Revoked => "revoked",
        })
    }
}
