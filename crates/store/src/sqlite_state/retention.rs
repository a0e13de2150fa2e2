//! Forgetting what ended long ago, in pieces, so that the writer is never held up for long.

use rusqlite::Connection;

use super::{WorkspaceRow, delegations};
use crate::state::{Dropped, MessageKey, Retention, StateError, UnixMillis};

/// Remembered rows dropped in one transaction at most.
const PIECE: usize = 2_000;

/// Where a piece begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    after: MessageKey,
}

impl Piece {
    pub(super) fn first() -> Self {
        Self { after: MessageKey::MIN }
    }

    fn is_first(self) -> bool {
        self.after == MessageKey::MIN
    }
}

/// Drops a piece; `None` beside what it dropped when it was the last one.
pub(super) fn drop_piece(
    db: &Connection,
    workspace: WorkspaceRow,
    piece: Piece,
    retention: &Retention,
    now: UnixMillis,
) -> Result<(Dropped, Option<Piece>), StateError> {
    let mut dropped = Dropped::default();
    let ended = now.saturating_sub(retention.ended_ms);
    if piece.is_first() {
        // Dead letters first: while there is one, its ids are remembered.
        dropped.dead = drop_dead(db, workspace, now.saturating_sub(retention.dead_ms))?;
        dropped.sends = drop_sends(db, workspace, ended)?;
        dropped.delegations = delegations::drop_ended(db, workspace, ended)?;
    }
    let keys = forgettable(db, workspace, piece, retention.keep_newest, ended)?;
    let mut forget =
        db.prepare_cached("DELETE FROM seen WHERE workspace = ?1 AND key = ?2 RETURNING fate = 'message'")?;
    for key in &keys {
        let was_message: bool = forget.query_row((workspace.0, key), |row| row.get(0))?;
        dropped.seen += 1;
        dropped.done += u64::from(was_message);
    }
    let next = keys.last().filter(|_| keys.len() == PIECE).map(|last| Piece { after: *last });
    Ok((dropped, next))
}

fn drop_dead(db: &Connection, workspace: WorkspaceRow, before: UnixMillis) -> rusqlite::Result<u64> {
    db.prepare_cached(
        "UPDATE seen SET fate = 'discarded'
         WHERE workspace = ?1 AND key IN (SELECT key FROM dead_letter WHERE workspace = ?1 AND at < ?2)",
    )?
    .execute((workspace.0, before))?;
    let dead = db
        .prepare_cached("DELETE FROM dead_letter WHERE workspace = ?1 AND at < ?2")?
        .execute((workspace.0, before))?;
    Ok(dead as u64)
}

fn drop_sends(db: &Connection, workspace: WorkspaceRow, before: UnixMillis) -> rusqlite::Result<u64> {
    let sends = db
        .prepare_cached(
            "DELETE FROM send WHERE workspace = ?1 AND settled_at IS NOT NULL AND settled_at < ?2",
        )?
        .execute((workspace.0, before))?;
    Ok(sends as u64)
}

/// Rows that are old enough, not among the newest, and whose message, if any, has ended; oldest first.
fn forgettable(
    db: &Connection,
    workspace: WorkspaceRow,
    piece: Piece,
    keep_newest: u64,
    before: UnixMillis,
) -> rusqlite::Result<Vec<MessageKey>> {
    let keep = i64::try_from(keep_newest).unwrap_or(i64::MAX);
    db.prepare_cached(
        "SELECT key FROM seen
         WHERE workspace = ?1 AND key > ?2 AND at < ?3
             AND key <= (SELECT key FROM seen WHERE workspace = ?1 ORDER BY key DESC LIMIT 1 OFFSET ?4)
             AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.key = seen.key)
             AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE dead_letter.key = seen.key)
         ORDER BY key",
    )?
    .query_map((workspace.0, piece.after, before, keep), |row| row.get(0))?
    .take(PIECE)
    .collect()
}
