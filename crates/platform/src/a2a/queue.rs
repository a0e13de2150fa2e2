//! Messages for agents that were busy. Each heartbeat of an agent with room to spare takes the oldest one out.

use molecule_protocol::{ActivityRow, Json};
use molecule_store::StoreError;
use molecule_store::rusqlite::{Connection, OptionalExtension as _, params};

use super::Envelope;
use super::forward::{Sent, forward};
use crate::app::App;
use crate::auth::Caller;
use crate::delegation::{self, Delegation};
use crate::error::ApiError;
use crate::log;
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
    pub(crate) expires_at: Option<i64>,
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
            expire(connection, &target, now)?;
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
        "INSERT INTO queue (id, workspace_id, source_id, message_id, method, body, status, created_at, updated_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?7, ?8)",
        params![
            id,
            target,
            source,
            envelope.message_id,
            envelope.method.as_deref().unwrap_or_default(),
            envelope.body.get(),
            now,
            envelope.patience().map(|patience| now.saturating_add(patience)),
        ],
    )?;
    Ok(id)
}

/// Gives up what has waited for an agent longer than its sender wanted.
fn expire(connection: &Connection, target: &str, now: i64) -> Result<(), ApiError> {
    let sql = "UPDATE queue SET status = 'expired', updated_at = expires_at
               WHERE workspace_id = ? AND status = 'queued' AND expires_at <= ?";
    connection.prepare_cached(sql)?.execute(params![target, now])?;
    Ok(())
}

/// One entry.
pub(crate) fn find(
    connection: &Connection,
    target: &str,
    id: &str,
    now: i64,
) -> Result<Option<Entry>, ApiError> {
    let sql = "SELECT source_id, iif(status = 'queued' AND expires_at <= ?3, 'expired', status) AS status, attempts, error,
                   expires_at, created_at, updated_at
               FROM queue WHERE workspace_id = ?1 AND id = ?2";
    let entry = connection.query_row(sql, params![target, id, now], |row| {
        Ok(Entry {
            source: row.get("source_id")?,
            status: row.get("status")?,
            attempts: row.get("attempts")?,
            error: row.get("error")?,
            expires_at: row.get("expires_at")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    });
    Ok(entry.optional()?)
}

/// What was under way when the platform ended waits again.
pub(crate) fn recover(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("UPDATE queue SET status = 'queued' WHERE status = 'dispatched'", [])?;
    Ok(())
}

/// Moves what waits for an agent into its log, from where it fetches its messages now; gives back the rows.
pub(crate) fn hand_over(
    connection: &Connection,
    target: &str,
    now: i64,
) -> Result<Vec<ActivityRow>, ApiError> {
    expire(connection, target, now)?;
    let mut statement = connection.prepare_cached(
        "SELECT id, source_id, body FROM queue WHERE workspace_id = ? AND status = 'queued' ORDER BY seq",
    )?;
    let waiting: Vec<(String, Option<String>, String)> = statement
        .query_map([target], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut rows = Vec::with_capacity(waiting.len());
    for (id, source, body) in waiting {
        let row = super::received(source.as_deref(), target, &Envelope::read(body.as_bytes())?, now);
        log::insert(connection, &row)?;
        let sql = "UPDATE queue SET status = 'completed', error = NULL, updated_at = ? WHERE id = ?";
        connection.execute(sql, params![now, id])?;
        rows.push(row);
    }
    Ok(rows)
}

/// Takes the oldest message of an agent out and posts it, in the background. Its answer reaches nobody, unless the message
/// is a delegation.
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
    let Some(Taken { id, source, message_id, attempts, body, record }) =
        app.db.write(move |connection| take(connection, &workspace, now)).await?
    else {
        return Ok(());
    };
    let sent = match crate::agent_url::may_call(&app.config, &record.shown.url).await {
        Ok(()) => forward(app, &record, &body, true).await,
        Err(why) => Sent::Unreachable(why),
    };
    let mut answer = None;
    let (status, error) = match sent {
        Sent::Answered { status, body } if status.is_success() => {
            answer = Some(body);
            ("completed", None)
        }
        failed if attempts >= MOST_ATTEMPTS => ("failed", Some(failed.to_string())),
        failed => ("queued", Some(failed.to_string())),
    };
    let (now, tells) = (app.now(), app.config.delegation_result_inbox_push);
    let rows = app
        .db
        .write(move |connection| {
            let sql = "UPDATE queue SET status = ?, error = ?, updated_at = ? WHERE id = ?";
            connection.execute(sql, params![status, error, now, id])?;
            let mut rows = Vec::new();
            if let (Some(answer), Some(source), Some(id)) = (answer, source, message_id) {
                let task = String::new();
                let delegation = Delegation { id, source, target: record.id().to_owned(), task };
                rows.extend(delegation::complete_queued(connection, &delegation, &answer, tells, now)?);
            }
            // It may have registered for poll while this was under way.
            if records::find(connection, record.id())?.is_some_and(|record| record.polls()) {
                rows.extend(hand_over(connection, record.id(), now)?);
            }
            Ok::<_, ApiError>(rows)
        })
        .await?;
    for row in &rows {
        app.events.tell_of_row(row);
    }
    Ok(())
}

/// A message that was taken out.
struct Taken {
    id: String,
    source: Option<String>,
    message_id: Option<String>,
    attempts: i64,
    body: Json,
    record: Record,
}

fn take(connection: &Connection, workspace: &str, now: i64) -> Result<Option<Taken>, ApiError> {
    let record = records::find(connection, workspace)?;
    let is_pushed_to =
        |record: &Record| !record.is_removed() && !record.polls() && !record.shown.url.is_empty();
    let Some(record) = record.filter(is_pushed_to) else { return Ok(None) };
    expire(connection, workspace, now)?;
    let taken = connection
        .query_row(
            "UPDATE queue SET status = 'dispatched', attempts = attempts + 1, updated_at = ?
             WHERE seq = (SELECT min(seq) FROM queue WHERE workspace_id = ? AND status = 'queued')
             RETURNING id, source_id, message_id, attempts, body",
            params![now, workspace],
            |row| {
                Ok(Taken {
                    id: row.get(0)?,
                    source: row.get(1)?,
                    message_id: row.get(2)?,
                    attempts: row.get(3)?,
                    body: records::json(row.get(4)?),
                    record,
                })
            },
        )
        .optional()?;
    Ok(taken)
}
