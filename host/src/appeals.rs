//! Somebody who may be asked for what the grants do not give.

use std::fmt;

use async_trait::async_trait;
use molecule_gate::Denial;
use molecule_protocol::WorkspaceId;

/// Rules on what the gate is about to deny: a person at a terminal, or a program that asks one.
///
/// Given to an agent by [`AgentSpec::appeals`](crate::AgentSpec::appeals). Asked only about denials that a grant would
/// cure, and only where the agent waits for the answer: for the user's and peers' messages, HTTP requests and the sight
/// of secrets. A rate that is used up, an address that a name leads to and room for files are never asked about.
///
/// The same question is asked once at a time, and whoever has the same one waits for that answer. What was denied is not
/// asked again for the life of the agent; neither is anything else, after a hundred denials.
#[async_trait]
pub trait Appeals: fmt::Debug + Send + Sync {
    /// Rules on one denial. [`Denial::cure`] is what would be granted, and [`Denial::grant`] the same as an operator
    /// writes it. Both may carry text of the agent's own making.
    ///
    /// The callback of the agent waits, and its time runs. Dropped when nobody waits any more: when the call is
    /// canceled, or the agent stops.
    async fn hear(&self, workspace: WorkspaceId, name: &str, denial: &Denial) -> Ruling;
}

/// What comes of an appeal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// The denial stands.
    Deny,
    /// The cure holds for what was asked now, and for nothing later.
    Once,
    /// The cure is added to the grants of the agent as it runs. To keep it for the next time is the matter of whoever
    /// rules.
    Always,
}
