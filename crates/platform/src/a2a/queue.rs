//! Messages for agents that were busy. Each heartbeat of an agent with room to spare takes the oldest one out.

use molecule_store::StoreError;
use molecule_store::rusqlite::{Connection, OptionalExtension as _, params};

use super::Envelope;
use super::forward::{Sent, forward};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::records::{self, Record};

/// Times a message is tried.
const MOST_ATTEMPTS: i64 = 5;

/// A message in the queue, as its sender and its target may see it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) source: Option<String>,
    pub(crate) status: String,
    pub(crate) attempts: i64,
    pub(crate) error: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// Queues a message; gives back its id and how many wait. One that waits already is not queued twice.
pub(super) async fn put(
    app: &App,
    caller: &Caller,
    target: &str,
    envelope: Envelope,
) -> Result<(String, i64), ApiError> {
    let (source, target, now) = (caller.id().map(str::to_owned), target.to_owned(), app.now());
    app.db
        .write(move |connection| {
            let known: Option<String> = connection
                .query_row(
                    "SELECT id FROM queue WHERE workspace_id = ? AND message_id = ? AND status IN ('queued', 'dispatched')",
                    params![target, envelope.message_id],
                    |row| row.get(0),
                )
                .optional()?;
            let id = match known {
                Some(id) => id,
                None => insert(connection, source.as_deref(), &target, &envelope, now)?,
            };
            let waiting = "SELECT count(*) FROM queue WHERE workspace_id = ? AND status = 'queued'";
            Ok::<_, ApiError>((id, connection.query_row(waiting, [target], |row| row.get(0))?))
        })
        .await
}

fn insert(
    connection: &Connection,
    source: Option<&str>,
    target: &str,
    envelope: &Envelope,
    now: i64,
) -> Result<String, ApiError> {
    let id = uuid::Uuid::new_v4().to_string();
    connection.execute(
        "INSERT INTO queue (id, workspace_id, source_id, message_id, method, body, status, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?7)",
        params![
            id,
            target,
            source,
            envelope.message_id,
            envelope.method.as_deref().unwrap_or_default(),
            envelope.body.get(),
            now
        ],
    )?;
    Ok(id)
}

/// One entry.
pub(crate) fn find(connection: &Connection, target: &str, id: &str) -> Result<Option<Entry>, ApiError> {
    let sql = "SELECT source_id, status, attempts, error, created_at, updated_at FROM queue
               WHERE workspace_id = ? AND id = ?";
    let entry = connection.query_row(sql, [target, id], |row| {
        Ok(Entry {
            source: row.get(0)?,
            status: row.get(1)?,
            attempts: row.get(2)?,
            error: row.get(3)?,
            created_at: row.get(4)?,
            updated_at: row.get(5)?,
        })
    });
    Ok(entry.optional()?)
}

/// What was under way when the platform ended waits again.
pub(crate) fn recover(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("UPDATE queue SET status = 'queued' WHERE status = 'dispatched'", [])?;
    Ok(())
}

/// Takes the oldest message of an agent out and posts it, in the background. Its answer reaches nobody.
pub(crate) fn drain_one(app: &App, workspace: &str) {
    let (own, workspace) = (app.clone(), workspace.to_owned());
    app.in_background(async move {
        if let Err(error) = drain(&own, workspace).await {
            tracing::warn!(error = error.text(), "a queued message was not taken out");
        }
    });
}

async fn drain(app: &App, workspace: String) -> Result<(), ApiError> {
    let now = app.now();
    let Some((id, attempts, body, record)) =
        app.db.write(move |connection| take(connection, &workspace, now)).await?
    else {
        return Ok(());
    };
    let sent = match crate::agent_url::may_call(&app.config, &record.shown.url).await {
        Ok(()) => forward(app, &record, &body, true).await,
        Err(why) => Sent::Unreachable(why),
    };
    let (status, error) = match sent {
        Sent::Answered { status, .. } if status.is_success() => ("completed", None),
        failed if attempts >= MOST_ATTEMPTS => ("failed", Some(failed.to_string())),
        failed => ("queued", Some(failed.to_string())),
    };
    let now = app.now();
    app.db
        .write(move |connection| {
            let sql = "UPDATE queue SET status = ?, error = ?, updated_at = ? WHERE id = ?";
            connection.execute(sql, params![status, error, now, id])?;
            Ok(())
        })
        .await
}

type Taken = (String, i64, molecule_protocol::Json, Record);

fn take(connection: &Connection, workspace: &str, now: i64) -> Result<Option<Taken>, ApiError> {
    let record = records::find(connection, workspace)?;
    let Some(record) = record.filter(|record| !record.is_removed() && !record.shown.url.is_empty()) else {
        return Ok(None);
    };
    let taken = connection
        .query_row(
            "UPDATE queue SET status = 'dispatched', attempts = attempts + 1, updated_at = ?
             WHERE seq = (SELECT min(seq) FROM queue WHERE workspace_id = ? AND status = 'queued')
             RETURNING id, attempts, body",
            params![now, workspace],
            |row| Ok((row.get(0)?, row.get(1)?, records::json(row.get(2)?))),
        )
        .optional()?;
    Ok(taken.map(|(id, attempts, body)| (id, attempts, body, record)))
}
