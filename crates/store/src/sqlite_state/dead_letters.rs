//! Messages that were given up.

use rusqlite::{Connection, Row, named_params};

use super::inbox::{self, Place};
use super::{WorkspaceRow, outbox};
use crate::state::{DeadLetter, MessageKey, NewSend, StateError, UnixMillis};

pub(super) fn bury(
    db: &Connection,
    workspace: WorkspaceRow,
    key: MessageKey,
    reason: &str,
    notice: Option<&NewSend>,
    at: UnixMillis,
) -> Result<(), StateError> {
    match inbox::place(db, workspace, key)? {
        Some(Place::Claimed) => {}
        Some(Place::Dead) => return Ok(()),
        _ => return Err(inbox::unknown(key)),
    }
    db.prepare_cached(
        "INSERT INTO dead_letter
             (key, workspace, sender, body, reason, notice, deliveries, faults, interruptions, at)
         SELECT key, workspace, sender, body, :reason, :notice, deliveries, faults, interruptions, :at
         FROM inbox WHERE key = :key",
    )?
    .execute(named_params! {
        ":key": key, ":reason": reason, ":notice": notice.map(|notice| &notice.body), ":at": at,
    })?;
    inbox::remove(db, key)?;
    notice.map_or(Ok(()), |notice| outbox::queue(db, workspace, notice))
}

pub(super) fn newest(
    db: &Connection,
    workspace: WorkspaceRow,
    max: usize,
) -> Result<Vec<DeadLetter>, StateError> {
    let letters = db
        .prepare_cached(
            "SELECT key, sender, body, reason, notice, deliveries, faults, interruptions, at FROM dead_letter
             WHERE workspace = ?1 ORDER BY position DESC",
        )?
        .query_map([workspace.0], letter)?
        .take(max)
        .collect::<rusqlite::Result<_>>()?;
    Ok(letters)
}

/// Those of every workspace, with its name, newest first.
pub(super) fn of_all(
    db: &Connection,
    workspace: Option<&str>,
    key: Option<MessageKey>,
) -> Result<Vec<(String, DeadLetter)>, StateError> {
    let letters = db
        .prepare_cached(
            "SELECT name, key, sender, body, reason, notice, deliveries, faults, interruptions, at
             FROM dead_letter JOIN workspace ON workspace.id = dead_letter.workspace
             WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR key = ?2)
             ORDER BY position DESC",
        )?
        .query_map((workspace, key), |row| Ok((row.get("name")?, letter(row)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(letters)
}

pub(super) fn revive(db: &Connection, workspace: WorkspaceRow, key: MessageKey) -> Result<(), StateError> {
    match inbox::place(db, workspace, key)? {
        Some(Place::Dead) => {}
        Some(Place::Waiting | Place::Claimed) => return Ok(()),
        _ => return Err(inbox::unknown(key)),
    }
    db.prepare_cached(
        "INSERT INTO inbox (key, workspace, sender, body, bytes)
         SELECT key, workspace, sender, body, octet_length(body) FROM dead_letter WHERE key = ?1",
    )?
    .execute([key])?;
    remove(db, key)
}

pub(super) fn discard(db: &Connection, workspace: WorkspaceRow, key: MessageKey) -> Result<(), StateError> {
    match inbox::place(db, workspace, key)? {
        Some(Place::Dead) => {}
        Some(Place::Discarded) => return Ok(()),
        _ => return Err(inbox::unknown(key)),
    }
    remove(db, key)?;
    db.prepare_cached("UPDATE seen SET fate = 'discarded' WHERE workspace = ?1 AND key = ?2")?
        .execute((workspace.0, key))?;
    Ok(())
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        key: row.get("key")?,
        sender: row.get("sender")?,
        body: row.get("body")?,
        reason: row.get("reason")?,
        notice: row.get("notice")?,
        runs: inbox::runs(row)?,
        at: row.get("at")?,
    })
}

fn remove(db: &Connection, key: MessageKey) -> Result<(), StateError> {
    db.prepare_cached("DELETE FROM dead_letter WHERE key = ?1")?.execute([key])?;
    Ok(())
}
