//! Messages, from the page that brought them to their end.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, named_params};

use super::{WorkspaceRow, delegations, new_numbers, outbox, signed};
use crate::state::{
    Accepted, Backlog, Claimed, Incoming, MessageKey, NewSend, Page, Position, Row, RowKind, Runs, StateError,
};

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Waiting,
    Claimed,
    Dead,
    Done,
    Discarded,
}

pub(super) fn position(db: &Connection, workspace: WorkspaceRow) -> Result<Position, StateError> {
    let position = db
        .prepare_cached("SELECT cursor, fetched_at FROM workspace WHERE id = ?1")?
        .query_row([workspace.0], |row| Ok(Position { cursor: row.get(0)?, at: row.get(1)? }))?;
    Ok(position)
}

pub(super) fn accept(db: &Connection, workspace: WorkspaceRow, page: &Page) -> Result<Accepted, StateError> {
    let mut accepted = Accepted::default();
    for (key, row) in (new_numbers(db, page.rows.len())?..).zip(&page.rows) {
        let new = match &row.kind {
            RowKind::Message(message) => take_message(db, workspace, key, row, message, page)?,
            RowKind::Echo(digest) => {
                let new = remember(db, workspace, key, row, None, "skipped", page)?;
                if new {
                    outbox::echo(db, workspace, digest)?;
                }
                new
            }
            RowKind::Skip => remember(db, workspace, key, row, None, "skipped", page)?,
        };
        match (&row.kind, new) {
            (RowKind::Message(_), true) => accepted.messages.push(row.id.clone()),
            (_, true) => {}
            (_, false) => accepted.duplicates += 1,
        }
    }
    db.prepare_cached("UPDATE workspace SET cursor = coalesce(?2, cursor), fetched_at = ?3 WHERE id = ?1")?
        .execute((workspace.0, &page.cursor, page.at))?;
    for (slot, step) in &page.delegations {
        match delegations::step(db, workspace, slot, step.clone(), page.at) {
            Ok(()) | Err(StateError::Unknown { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(accepted)
}

/// True when the message is new, and waits.
fn take_message(
    db: &Connection,
    workspace: WorkspaceRow,
    key: MessageKey,
    row: &Row,
    message: &Incoming,
    page: &Page,
) -> Result<bool, StateError> {
    let id = message.message_id.as_deref();
    if let Some(id) = id
        && is_known(db, workspace, &message.sender, id)?
    {
        // The same message in another row: that row, too, is to be taken once.
        remember(db, workspace, key, row, None, "skipped", page)?;
        return Ok(false);
    }
    if !remember(db, workspace, key, row, id.map(|id| (message.sender.as_str(), id)), "message", page)? {
        return Ok(false);
    }
    db.prepare_cached("INSERT INTO inbox (key, workspace, sender, body, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((key, workspace.0, &message.sender, &message.body, signed(message.body.len())))?;
    Ok(true)
}

fn is_known(db: &Connection, workspace: WorkspaceRow, sender: &str, id: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM seen WHERE workspace = ?1 AND sender = ?2 AND message_id = ?3")?
        .exists((workspace.0, sender, id))
}

/// False when the row was known.
fn remember(
    db: &Connection,
    workspace: WorkspaceRow,
    key: MessageKey,
    row: &Row,
    message: Option<(&str, &str)>,
    fate: &str,
    page: &Page,
) -> rusqlite::Result<bool> {
    let (sender, message_id) = message.unzip();
    let inserted = db
        .prepare_cached(
            "INSERT INTO seen (workspace, key, row, sender, message_id, fate, at)
             VALUES (:workspace, :key, :row, :sender, :message_id, :fate, :at)
             ON CONFLICT (workspace, row) DO NOTHING",
        )?
        .execute(named_params! {
            ":workspace": workspace.0, ":key": key, ":row": row.id, ":sender": sender,
            ":message_id": message_id, ":fate": fate, ":at": page.at,
        })?;
    Ok(inserted == 1)
}

pub(super) fn claim(
    db: &Connection,
    workspace: WorkspaceRow,
    max: usize,
) -> Result<Vec<Claimed>, StateError> {
    let claimed = db
        .prepare_cached(
            "SELECT key, body, deliveries + 1 AS deliveries, faults, interruptions FROM inbox
             WHERE workspace = ?1 AND claimed = FALSE ORDER BY key",
        )?
        .query_map([workspace.0], |row| {
            Ok(Claimed { key: row.get("key")?, body: row.get("body")?, runs: runs(row)? })
        })?
        .take(max)
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut mark =
        db.prepare_cached("UPDATE inbox SET claimed = TRUE, deliveries = deliveries + 1 WHERE key = ?1")?;
    for message in &claimed {
        mark.execute([message.key])?;
    }
    Ok(claimed)
}

pub(super) fn finish(
    db: &Connection,
    workspace: WorkspaceRow,
    key: MessageKey,
    answer: Option<&NewSend>,
) -> Result<(), StateError> {
    match place(db, workspace, key)? {
        Some(Place::Claimed) => {
            remove(db, key)?;
            answer.map_or(Ok(()), |answer| outbox::queue(db, workspace, answer))
        }
        Some(Place::Done) => Ok(()),
        _ => Err(unknown(key)),
    }
}

pub(super) fn fault(
    db: &Connection,
    workspace: WorkspaceRow,
    key: MessageKey,
    reason: &str,
) -> Result<Runs, StateError> {
    db.prepare_cached(
        "UPDATE inbox SET faults = faults + 1, deliveries = deliveries + 1, fault_reason = ?3
         WHERE key = ?2 AND workspace = ?1 AND claimed = TRUE
         RETURNING deliveries, faults, interruptions",
    )?
    .query_row((workspace.0, key, reason), runs)
    .optional()?
    .ok_or_else(|| unknown(key))
}

pub(super) fn release(db: &Connection, workspace: WorkspaceRow, key: MessageKey) -> Result<(), StateError> {
    match place(db, workspace, key)? {
        Some(Place::Claimed) => {
            db.prepare_cached("UPDATE inbox SET claimed = FALSE WHERE key = ?1")?.execute([key])?;
            Ok(())
        }
        Some(Place::Waiting) => Ok(()),
        _ => Err(unknown(key)),
    }
}

pub(super) fn backlog(db: &Connection, workspace: WorkspaceRow) -> Result<Backlog, StateError> {
    let backlog = db
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE NOT claimed) AS waiting, count(*) FILTER (WHERE claimed) AS claimed,
                 coalesce(sum(bytes), 0) AS bytes,
                 (SELECT count(*) FROM send WHERE workspace = ?1 AND settled_at IS NULL) AS unsettled,
                 (SELECT count(*) FROM dead_letter WHERE workspace = ?1) AS dead
             FROM inbox WHERE workspace = ?1",
        )?
        .query_row([workspace.0], |row| {
            let count = |name| row.get::<_, i64>(name).map(i64::unsigned_abs);
            Ok(Backlog {
                waiting: count("waiting")?,
                claimed: count("claimed")?,
                bytes: count("bytes")?,
                unsettled: count("unsettled")?,
                dead: count("dead")?,
            })
        })?;
    Ok(backlog)
}

/// Where a message is; `None` when there is none of that key, or none any more.
pub(super) fn place(
    db: &Connection,
    workspace: WorkspaceRow,
    key: MessageKey,
) -> rusqlite::Result<Option<Place>> {
    let claimed: Option<bool> = db
        .prepare_cached("SELECT claimed FROM inbox WHERE key = ?2 AND workspace = ?1")?
        .query_row((workspace.0, key), |row| row.get(0))
        .optional()?;
    if let Some(claimed) = claimed {
        return Ok(Some(if claimed { Place::Claimed } else { Place::Waiting }));
    }
    let dead = db
        .prepare_cached("SELECT 1 FROM dead_letter WHERE key = ?2 AND workspace = ?1")?
        .exists((workspace.0, key))?;
    if dead {
        return Ok(Some(Place::Dead));
    }
    let fate: Option<String> = db
        .prepare_cached("SELECT fate FROM seen WHERE workspace = ?1 AND key = ?2")?
        .query_row((workspace.0, key), |row| row.get(0))
        .optional()?;
    Ok(match fate.as_deref() {
        Some("message") => Some(Place::Done),
        Some("discarded") => Some(Place::Discarded),
        _ => None,
    })
}

/// Takes a message out of the inbox.
pub(super) fn remove(db: &Connection, key: MessageKey) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM inbox WHERE key = ?1")?.execute([key]).map(drop)
}

/// The runs in the columns of that name.
pub(super) fn runs(row: &SqlRow<'_>) -> rusqlite::Result<Runs> {
    Ok(Runs {
        deliveries: row.get("deliveries")?,
        faults: row.get("faults")?,
        interruptions: row.get("interruptions")?,
    })
}

pub(super) fn unknown(key: MessageKey) -> StateError {
    StateError::Unknown { what: "message", id: key.to_string() }
}
