//! `POST /registry/update-card`: a new agent card for a registered workspace.

use serde::{Deserialize, Serialize};

use crate::json::Json;

/// What a host says. Status and URL stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCardRequest {
    /// The workspace's id.
    pub workspace_id: String,
    /// The card, replaced as a whole. Any JSON; must be there, may be `null`.
    pub agent_card: Json,
}
