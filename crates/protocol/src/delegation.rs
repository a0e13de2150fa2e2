//! Delegations: work given to a peer, whose answer is asked for later.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::timestamp;

/// `POST /workspaces/:self/delegate`; the path names who delegates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegateRequest {
    /// Who shall do it: a UUID other than the path's.
    pub target_id: String,
    /// What shall be done.
    pub task: String,
    /// Makes it safe to repeat: one key is one delegation, whatever target and task say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegateResponse {
    /// Names the delegation; the target sees it as the message id.
    pub delegation_id: String,
    /// `delegated`, or where the delegation of that key stands.
    pub status: String,
    /// Who does it.
    pub target_id: String,
    /// True if the key was known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent_hit: bool,
    /// What the platform warns of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// A row of `GET /workspaces/:self/delegations`. There are up to two for each delegation, one for the request and one
/// for the result; no member tells which is which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationRow {
    /// The row's id.
    pub id: String,
    /// `delegation`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Who delegates.
    #[serde(default)]
    pub source_id: Option<String>,
    /// Who does it.
    #[serde(default)]
    pub target_id: Option<String>,
    /// One line for people.
    #[serde(default)]
    pub summary: Option<String>,
    /// `pending`, `dispatched`, `queued`, `completed` or `failed`.
    #[serde(default)]
    pub status: String,
    /// When the row was written.
    #[serde(default, with = "timestamp::optional")]
    pub created_at: Option<Timestamp>,
    /// The delegation; absent from the result of a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_id: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The first 300 bytes of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_preview: Option<String>,
}

/// `POST /workspaces/:self/delegations/record`: a delegation that the workspace sends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordDelegationRequest {
    /// Who does it.
    pub target_id: String,
    /// What shall be done.
    pub task: String,
    /// Names the delegation.
    pub delegation_id: String,
}

/// `POST /workspaces/:self/delegations/:delegation_id/update`: how such a delegation ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateDelegationRequest {
    /// `completed` or `failed`.
    pub status: String,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The beginning of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_preview: Option<String>,
}
