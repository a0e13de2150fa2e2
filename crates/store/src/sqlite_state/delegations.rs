//! Tasks given to other workspaces.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{WorkspaceRow, signed};
use crate::state::{Delegation, DelegationProgress, DelegationStep, NewDelegation, StateError, UnixMillis};

const COLUMNS: &str = "slot, key, target, task, at, id, state, result";

pub(super) fn open(
    db: &Connection,
    workspace: WorkspaceRow,
    new: NewDelegation,
) -> Result<Delegation, StateError> {
    if let Some(mut known) = by_slot(db, workspace, &new.slot)? {
        if known.reopen() {
            save(db, workspace, &known, None)?;
        }
        return Ok(known);
    }
    db.prepare_cached(
        "INSERT INTO delegation (workspace, slot, key, target, task, at, state)
         VALUES (:workspace, :slot, :key, :target, :task, :at, 'open')",
    )?
    .execute(named_params! {
        ":workspace": workspace.0, ":slot": new.slot, ":key": new.key, ":target": new.target,
        ":task": new.task, ":at": new.at,
    })?;
    Ok(Delegation::new(new))
}

pub(super) fn step(
    db: &Connection,
    workspace: WorkspaceRow,
    slot: &str,
    step: DelegationStep,
    at: UnixMillis,
) -> Result<(), StateError> {
    let unknown = || StateError::Unknown { what: "delegation", id: slot.to_owned() };
    let mut delegation = by_slot(db, workspace, slot)?.ok_or_else(unknown)?;
    if delegation.take(step) {
        save(db, workspace, &delegation, Some(at))?;
    }
    Ok(())
}

fn save(
    db: &Connection,
    workspace: WorkspaceRow,
    delegation: &Delegation,
    at: Option<UnixMillis>,
) -> Result<(), StateError> {
    let (state, result) = match &delegation.progress {
        DelegationProgress::Open => ("open", None),
        DelegationProgress::Queued => ("queued", None),
        DelegationProgress::Refused { reason } => ("refused", Some(reason)),
        DelegationProgress::Completed { text } => ("completed", Some(text)),
        DelegationProgress::Failed { reason } => ("failed", Some(reason)),
    };
    db.prepare_cached(
        "UPDATE delegation SET id = :id, state = :state, result = :result, ended_at = :ended_at
         WHERE workspace = :workspace AND slot = :slot",
    )?
    .execute(named_params! {
        ":workspace": workspace.0, ":slot": delegation.made.slot, ":id": delegation.id, ":state": state,
        ":result": result, ":ended_at": at.filter(|_| delegation.progress.is_ended()),
    })?;
    Ok(())
}

pub(super) fn by_slot(
    db: &Connection,
    workspace: WorkspaceRow,
    slot: &str,
) -> Result<Option<Delegation>, StateError> {
    let sql = format!("SELECT {COLUMNS} FROM delegation WHERE workspace = ?1 AND slot = ?2");
    Ok(db.prepare_cached(&sql)?.query_row((workspace.0, slot), read).optional()?)
}

pub(super) fn by_id(
    db: &Connection,
    workspace: WorkspaceRow,
    id: &str,
) -> Result<Option<Delegation>, StateError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM delegation WHERE workspace = ?1 AND id = ?2 ORDER BY position LIMIT 1"
    );
    Ok(db.prepare_cached(&sql)?.query_row((workspace.0, id), read).optional()?)
}

pub(super) fn newest(
    db: &Connection,
    workspace: WorkspaceRow,
    max: usize,
) -> Result<Vec<Delegation>, StateError> {
    let sql =
        format!("SELECT {COLUMNS} FROM delegation WHERE workspace = ?1 ORDER BY position DESC LIMIT ?2");
    let found =
        db.prepare_cached(&sql)?.query_map((workspace.0, signed(max)), read)?.collect::<Result<_, _>>()?;
    Ok(found)
}

pub(super) fn all_open(db: &Connection, workspace: WorkspaceRow) -> Result<Vec<Delegation>, StateError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM delegation WHERE workspace = ?1 AND ended_at IS NULL ORDER BY position"
    );
    let found = db.prepare_cached(&sql)?.query_map([workspace.0], read)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Drops those that ended before a time; how many.
pub(super) fn drop_ended(
    db: &Connection,
    workspace: WorkspaceRow,
    before: UnixMillis,
) -> rusqlite::Result<u64> {
    let dropped = db
        .prepare_cached(
            "DELETE FROM delegation WHERE workspace = ?1 AND ended_at IS NOT NULL AND ended_at < ?2",
        )?
        .execute((workspace.0, before))?;
    Ok(dropped as u64)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Delegation> {
    let result = || row.get::<_, Option<String>>("result").map(Option::unwrap_or_default);
    let state: String = row.get("state")?;
    Ok(Delegation {
        made: NewDelegation {
            slot: row.get("slot")?,
            key: row.get("key")?,
            target: row.get("target")?,
            task: row.get("task")?,
            at: row.get("at")?,
        },
        id: row.get("id")?,
        progress: match state.as_str() {
            "queued" => DelegationProgress::Queued,
            "refused" => DelegationProgress::Refused { reason: result()? },
            "completed" => DelegationProgress::Completed { text: result()? },
            "failed" => DelegationProgress::Failed { reason: result()? },
            _ => DelegationProgress::Open,
        },
    })
}
