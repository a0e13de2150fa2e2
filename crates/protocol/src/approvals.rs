//! Questions that a person decides. A host asks and reads; the route that decides is none of its business.

use serde::{Deserialize, Serialize};

use crate::json::Json;

/// `POST /workspaces/:own/approvals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalRequest {
    /// What is to be done; not empty.
    pub action: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The task that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Facts for whoever decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Json>,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Asked {
    /// The question's id.
    pub approval_id: String,
}

/// A question, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// What was asked.
    #[serde(default)]
    pub action: String,
    /// `pending`, `approved`, `denied`, or a word of a newer platform's, which is no approval.
    #[serde(default)]
    pub status: String,
    /// Who decided.
    #[serde(default)]
    pub decided_by: Option<String>,
    /// When.
    #[serde(default)]
    pub decided_at: Option<String>,
    /// When it was asked.
    #[serde(default)]
    pub created_at: Option<String>,
}
