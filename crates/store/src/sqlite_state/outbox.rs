//! Sends, from the intent to their end.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::{WorkspaceRow, new_numbers};
use crate::state::{NewSend, Progress, Settlement, StateError, UnixMillis, Unsettled};

/// A send of a message's end: ready. One whose id is known is queued already.
pub(super) fn queue(db: &Connection, workspace: WorkspaceRow, send: &NewSend) -> Result<(), StateError> {
    insert(db, workspace, send, None)
}

pub(super) fn intend(
    db: &Connection,
    workspace: WorkspaceRow,
    send: &NewSend,
    until: UnixMillis,
) -> Result<(), StateError> {
    insert(db, workspace, send, Some(until))
}

/// With an `until`, the send is born begun, and never to be repeated.
fn insert(
    db: &Connection,
    workspace: WorkspaceRow,
    send: &NewSend,
    until: Option<UnixMillis>,
) -> Result<(), StateError> {
    let once = until.is_some();
    let begun = if once { Some(new_numbers(db, 1)?) } else { None };
    db.prepare_cached(
        "INSERT INTO send (workspace, id, recipient, digest, body, state, until, begun, attempts, once)
         VALUES (:workspace, :id, :recipient, :digest, :body, :state, :until, :begun, :once, :once)
         ON CONFLICT (workspace, id) DO NOTHING",
    )?
    .execute(named_params! {
        ":workspace": workspace.0, ":id": send.id, ":recipient": send.to, ":digest": send.digest,
        ":body": send.body, ":state": if once { "doubt" } else { "ready" }, ":until": until,
        ":begun": begun, ":once": once,
    })?;
    Ok(())
}

pub(super) fn unsettled(
    db: &Connection,
    workspace: WorkspaceRow,
    max: usize,
) -> Result<Vec<Unsettled>, StateError> {
    let sends = db
        .prepare_cached(
            "SELECT id, recipient, digest, body, state = 'doubt' AS in_doubt, until, attempts, once, echoed
             FROM send WHERE workspace = ?1 AND settled_at IS NULL ORDER BY state, digest IS NULL, position",
        )?
        .query_map([workspace.0], |row| {
            let progress = match row.get("in_doubt")? {
                false => Progress::Ready,
                true => Progress::InDoubt {
                    until: row.get("until")?,
                    echoed: row.get("echoed")?,
                    once: row.get("once")?,
                },
            };
            let send = NewSend {
                id: row.get("id")?,
                to: row.get("recipient")?,
                digest: row.get("digest")?,
                body: row.get("body")?,
            };
            Ok(Unsettled { send, progress, attempts: row.get("attempts")? })
        })?
        .take(max)
        .collect::<rusqlite::Result<_>>()?;
    Ok(sends)
}

pub(super) fn begin(
    db: &Connection,
    workspace: WorkspaceRow,
    id: &str,
    until: UnixMillis,
) -> Result<(), StateError> {
    let changed = db
        .prepare_cached(
            "UPDATE send SET state = 'doubt', until = ?3, begun = ?4, attempts = attempts + 1
             WHERE workspace = ?1 AND id = ?2 AND settled_at IS NULL AND once = FALSE AND echoed = FALSE",
        )?
        .execute((workspace.0, id, until, new_numbers(db, 1)?))?;
    if changed == 1 { Ok(()) } else { Err(unknown(id)) }
}

pub(super) fn settle(
    db: &Connection,
    workspace: WorkspaceRow,
    id: &str,
    settlement: &Settlement,
    at: UnixMillis,
) -> Result<(), StateError> {
    let Some(send) = find(db, workspace, id)? else { return Err(unknown(id)) };
    match (send.state.as_str(), settlement) {
        ("landed" | "abandoned", _) | ("ready", Settlement::NotSent) => return Ok(()),
        ("ready", Settlement::Landed) => return Err(unknown(id)),
        _ => {}
    }
    if *settlement != Settlement::Landed && send.echoed && !give_echo_away(db, workspace, &send)? {
        // Somebody has seen it there, and no other send explains that.
        return end(db, &send, "landed", None, at);
    }
    match settlement {
        Settlement::Landed => end(db, &send, "landed", None, at),
        Settlement::Abandoned(reason) => end(db, &send, "abandoned", Some(reason), at),
        Settlement::NotSent if send.once => {
            end(db, &send, "abandoned", Some("it was not sent, and may not be repeated"), at)
        }
        Settlement::NotSent => {
            db.prepare_cached("UPDATE send SET state = 'ready', until = NULL WHERE position = ?1")?
                .execute([send.position])?;
            Ok(())
        }
    }
}

/// What settling has to know of a send.
struct Found {
    position: i64,
    digest: Option<String>,
    state: String,
    once: bool,
    echoed: bool,
}

fn find(db: &Connection, workspace: WorkspaceRow, id: &str) -> rusqlite::Result<Option<Found>> {
    db.prepare_cached(
        "SELECT position, digest, state, once, echoed FROM send WHERE workspace = ?1 AND id = ?2",
    )?
    .query_row((workspace.0, id), |row| {
        Ok(Found {
            position: row.get("position")?,
            digest: row.get("digest")?,
            state: row.get("state")?,
            once: row.get("once")?,
            echoed: row.get("echoed")?,
        })
    })
    .optional()
}

fn end(
    db: &Connection,
    send: &Found,
    state: &str,
    reason: Option<&str>,
    at: UnixMillis,
) -> Result<(), StateError> {
    db.prepare_cached(
        "UPDATE send SET state = ?2, reason = ?3, settled_at = ?4, until = NULL, body = '' WHERE position = ?1",
    )?
    .execute((send.position, state, reason, at))?;
    Ok(())
}

/// Counts one echo for the send begun first of those that it may be of. False when there is none.
pub(super) fn echo(db: &Connection, workspace: WorkspaceRow, digest: &str) -> rusqlite::Result<bool> {
    let confirmed = db
        .prepare_cached(
            "UPDATE send SET echoed = TRUE WHERE position = (
                 SELECT position FROM send
                 WHERE workspace = ?1 AND digest = ?2 AND echoed = FALSE AND state IN ('doubt', 'landed')
                 ORDER BY begun LIMIT 1)",
        )?
        .execute((workspace.0, digest))?;
    Ok(confirmed == 1)
}

/// The echo that was counted for a send which is not there was that of an equal one: gives it to the next.
/// False when there is none.
fn give_echo_away(db: &Connection, workspace: WorkspaceRow, send: &Found) -> rusqlite::Result<bool> {
    let Some(digest) = &send.digest else { return Ok(false) };
    let given = echo(db, workspace, digest)?;
    if given {
        db.prepare_cached("UPDATE send SET echoed = FALSE WHERE position = ?1")?.execute([send.position])?;
    }
    Ok(given)
}

fn unknown(id: &str) -> StateError {
    StateError::Unknown { what: "send", id: id.to_owned() }
}
