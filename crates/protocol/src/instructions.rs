//! `GET /workspaces/:id/instructions/resolve`: the operator's word to the agent.

use serde::{Deserialize, Serialize};

/// What it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionsResponse {
    /// The workspace's id.
    #[serde(default)]
    pub workspace_id: String,
    /// The text; absent or empty where there is none.
    #[serde(default)]
    pub instructions: Option<String>,
}
