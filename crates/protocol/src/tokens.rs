//! The tokens of a workspace: listed, minted, revoked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::timestamp;
use crate::token::{self, BearerToken};

/// What `GET /workspaces/:id/tokens` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenList {
    /// The live ones, newest first.
    pub tokens: Vec<TokenRow>,
    /// How many are listed.
    pub count: usize,
}

/// One live token, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Names it in the request that revokes it.
    pub id: String,
    /// Its first 8 characters.
    pub prefix: String,
    /// When it was minted.
    #[serde(with = "timestamp::micros")]
    pub created_at: Timestamp,
    /// When it was last shown to the platform.
    #[serde(default, with = "timestamp::optional")]
    pub last_used_at: Option<Timestamp>,
}

/// What `POST /workspaces/:id/tokens` and the test-token route answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintedToken {
    /// The token. It is never said again.
    #[serde(default, deserialize_with = "token::read", serialize_with = "token::write")]
    pub auth_token: Option<BearerToken>,
    /// Whose it is.
    pub workspace_id: String,
    /// A line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
