//! Who may change a workspace.

use rusqlite::{Connection, OptionalExtension};

use super::WorkspaceRow;
use crate::state::{Fence, StateError};

pub(super) fn lease(db: &Connection, workspace: String) -> Result<Fence, StateError> {
    let (id, token): (i64, i64) = db
        .prepare_cached(
            "INSERT INTO workspace (name, fence) VALUES (?1, 1)
             ON CONFLICT (name) DO UPDATE SET fence = fence + 1
             RETURNING id, fence",
        )?
        .query_row([&workspace], |row| Ok((row.get(0)?, row.get(1)?)))?;
    db.prepare_cached(
        "UPDATE inbox SET claimed = FALSE, interruptions = interruptions + 1
         WHERE workspace = ?1 AND claimed = TRUE",
    )?
    .execute([id])?;
    Ok(Fence { workspace, token })
}

/// The workspace of a fence that holds.
pub(super) fn check(db: &Connection, fence: &Fence) -> Result<WorkspaceRow, StateError> {
    db.prepare_cached("SELECT id FROM workspace WHERE name = ?1 AND fence = ?2")?
        .query_row((&fence.workspace, fence.token), |row| Ok(WorkspaceRow(row.get(0)?)))
        .optional()?
        .ok_or_else(|| StateError::Fenced { workspace: fence.workspace.clone() })
}
