//! Tokens: made, kept as hashes, recognised.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use molecule_protocol::BearerToken;
use molecule_store::rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use crate::error::ApiError;

/// The most tokens that a workspace may have at once.
pub(crate) const MOST_LIVE: i64 = 50;

/// A new secret: 32 random bytes in base64url, 43 characters.
pub(crate) fn random() -> Result<BearerToken, ApiError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| ApiError::internal("the system gives no random numbers"))?;
    URL_SAFE_NO_PAD.encode(bytes).parse().map_err(|_| ApiError::internal("failed to mint a token"))
}

/// What is kept of a token.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Keeps a token for a workspace.
pub(crate) fn keep(
    connection: &Connection,
    workspace: &str,
    token: &BearerToken,
    now: i64,
) -> Result<(), ApiError> {
    let id = uuid::Uuid::new_v4().to_string();
    connection.execute(
        "INSERT INTO token (id, workspace_id, hash, prefix, created_at) VALUES (?, ?, ?, ?, ?)",
        params![id, workspace, hash(token.expose()), token.prefix(), now],
    )?;
    Ok(())
}

/// Revokes all tokens of a workspace.
pub(crate) fn revoke_all(connection: &Connection, workspace: &str, now: i64) -> Result<(), ApiError> {
    let sql = "UPDATE token SET revoked_at = ? WHERE workspace_id = ? AND revoked_at IS NULL";
    connection.execute(sql, params![now, workspace])?;
    Ok(())
}

/// The live tokens, for `FROM`; more conditions may follow. A removed workspace has none.
pub(crate) const LIVE: &str = "token JOIN workspace ON workspace.id = token.workspace_id
    WHERE revoked_at IS NULL AND status <> 'removed'";

/// How many live tokens a workspace has.
pub(crate) fn live(connection: &Connection, workspace: &str) -> Result<i64, ApiError> {
    let sql = format!("SELECT count(*) FROM {LIVE} AND workspace_id = ?");
    Ok(connection.query_row(&sql, [workspace], |row| row.get(0))?)
}

/// True if any workspace has a live token.
pub(crate) fn any_live(connection: &Connection) -> Result<bool, ApiError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {LIVE})");
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

/// A live token, recognised.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) workspace: String,
}

/// Recognises a live token.
pub(crate) fn recognise(connection: &Connection, hash: [u8; 32]) -> Result<Option<Known>, ApiError> {
    let sql = format!("SELECT token.id, workspace_id FROM {LIVE} AND hash = ?");
    let known =
        connection.query_row(&sql, [hash], |row| Ok(Known { id: row.get(0)?, workspace: row.get(1)? }));
    Ok(known.optional()?)
}

/// True for a live token of the organisation.
pub(crate) fn is_of_organisation(connection: &Connection, hash: [u8; 32]) -> Result<bool, ApiError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM org_token WHERE hash = ? AND revoked_at IS NULL)";
    Ok(connection.query_row(sql, [hash], |row| row.get(0))?)
}

/// When tokens were last used. Written down by the sweep: a request must not wait for the disk because of it.
#[derive(Debug, Default)]
pub(crate) struct TokenUses(Mutex<HashMap<String, i64>>);

impl TokenUses {
    pub(crate) fn note(&self, token: &Known, now: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token.id.clone(), now);
    }

    /// When a token was used since the last sweep, if it was.
    pub(crate) fn of(&self, token_id: &str) -> Option<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token_id).copied()
    }

    pub(crate) fn take(&self) -> HashMap<String, i64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
