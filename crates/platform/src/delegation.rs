//! Work that one workspace gives to another: recorded, dispatched, its result logged.
//!
//! ```text
//! pending ──▶ dispatched ──▶ completed | failed      the agent answered, or was not reached
//!                       └──▶ queued                  it polls, or is busy
//! ```
//!
//! The answer of an agent that polls comes as a message, which changes neither row: both stay `queued`. One that was busy answers when the queue is taken out: then the
//! row of the result becomes `completed`, and the row of the request stays `queued`.
//!
//! Where the platform is set to, what it learns of a completed delegation also comes to whoever gave it as a message.

use axum::http::StatusCode;
use molecule_protocol::activity::A2A_RECEIVE;
use molecule_protocol::json::Object;
use molecule_protocol::{ActivityRow, Json};
use molecule_store::StoreError;
use molecule_store::rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use crate::a2a::{self, Outcome};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::log::{self, Delegated};

/// The type of both rows of a delegation.
pub(crate) const DELEGATION: &str = "delegation";
/// The method of the row that says what was asked.
pub(crate) const DELEGATE: &str = "delegate";
/// The method of the row that says what came of it.
pub(crate) const DELEGATE_RESULT: &str = "delegate_result";

/// Who asks whom for what.
#[derive(Debug, Clone)]
pub(crate) struct Delegation {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) task: String,
}

/// A delegation as its key finds it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) target: String,
}

/// The row that says what was asked.
pub(crate) fn asked(delegation: &Delegation, status: &str, now: i64) -> ActivityRow {
    let body = json!({ "task": delegation.task, "delegation_id": delegation.id });
    ActivityRow {
        source_id: Some(delegation.source.clone()),
        target_id: Some(delegation.target.clone()),
        method: Some(DELEGATE.to_owned()),
        summary: Some(log::summary(&delegation.task)),
        status: Some(status.to_owned()),
        request_body: Some(Json::from(body)),
        ..log::row(&delegation.source, DELEGATION, now)
    }
}

/// The delegation of a key that has not failed. A failed one gives its key up, so that it can be tried again.
pub(crate) fn find_by_key(
    connection: &Connection,
    source: &str,
    key: &str,
) -> Result<Option<Found>, ApiError> {
    let delete = "DELETE FROM activity WHERE workspace_id = ? AND idempotency_key = ? AND status = 'failed'";
    connection.execute(delete, [source, key])?;
    let sql = "SELECT delegation_id, status, target_id FROM activity WHERE workspace_id = ? AND idempotency_key = ?";
    let found = connection.query_row(sql, [source, key], |row| {
        Ok(Found { id: row.get(0)?, status: row.get(1)?, target: row.get(2)? })
    });
    Ok(found.optional()?)
}

/// How a delegation ended, or does not end here.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    Completed { text: String },
    Queued,
    Failed { error: String },
}

impl Ending {
    fn status(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::Queued => "queued",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Takes a delegation to its target, in the background.
pub(crate) fn dispatch(app: &App, delegation: Delegation) {
    let own = app.clone();
    app.in_background(async move {
        if let Err(error) = run(&own, delegation).await {
            tracing::warn!(error = error.text(), "a delegation was not logged");
        }
    });
}

async fn run(app: &App, delegation: Delegation) -> Result<(), ApiError> {
    let moved = delegation.clone();
    app.db
        .write(move |connection| set_status(connection, &moved.source, &moved.id, "dispatched", None))
        .await?;
    let caller = Caller::Workspace(delegation.source.clone());
    let body = message(&delegation);
    let mut outcome = a2a::deliver(app, &caller, &delegation.target, body.get().as_bytes()).await;
    if outcome.as_ref().is_err_and(|error| error.status() == StatusCode::BAD_GATEWAY) {
        tokio::time::sleep(app.config.delegation_retry_after).await;
        outcome = a2a::deliver(app, &caller, &delegation.target, body.get().as_bytes()).await;
    }
    let result = match outcome {
        Ok(Outcome::Answered { body, .. }) => Ending::Completed { text: answer_text(&body) },
        Ok(Outcome::QueuedPoll { .. } | Outcome::QueuedBusy { .. }) => Ending::Queued,
        Err(error) => Ending::Failed { error: error.text().to_owned() },
    };
    let told = match &result {
        Ending::Completed { text } if app.config.delegation_result_inbox_push => {
            Some(told(&delegation, text, app.now()))
        }
        _ => None,
    };
    end(app, &delegation, result, told).await
}

/// What the target receives. Its part says `type`, not `kind`: that is how the platform writes it.
fn message(delegation: &Delegation) -> Json {
    let Delegation { id, task, .. } = delegation;
    Json::from(json!({
        "jsonrpc": "2.0",
        "id": uuid::Uuid::new_v4(),
        "method": molecule_protocol::rpc::MESSAGE_SEND,
        "params": { "message": {
            "role": "user",
            "messageId": id,
            "parts": [{ "type": "text", "text": task }],
            "metadata": { "delegation_id": id },
        } },
    }))
}

/// Logs how a delegation ended, and the message that tells of it, if one shall.
pub(crate) async fn end(
    app: &App,
    delegation: &Delegation,
    result: Ending,
    told: Option<ActivityRow>,
) -> Result<(), ApiError> {
    let row = result_row(delegation, &result, app.now());
    let (written, message, moved) = (row.clone(), told.clone(), delegation.clone());
    app.db
        .write(move |connection| {
            let error = written.error_detail.clone();
            set_status(connection, &moved.source, &moved.id, result.status(), error.as_deref())?;
            // The result of a failed one does not say which it was: so it is on the platform.
            let named = !matches!(result, Ending::Failed { .. });
            let delegation_id = named.then(|| moved.id.clone());
            log::insert_delegated(
                connection,
                &written,
                &Delegated { delegation_id, ..Delegated::default() },
            )?;
            message.iter().try_for_each(|message| log::insert(connection, message))
        })
        .await?;
    for row in [Some(row), told].into_iter().flatten() {
        app.events.tell_of_row(&row);
    }
    Ok(())
}

/// The answer to a delegation that waited in the queue; gives back the message that tells of it, if one shall. A message that
/// is none changes nothing.
pub(crate) fn complete_queued(
    connection: &Connection,
    delegation: &Delegation,
    answer: &[u8],
    tells: bool,
    now: i64,
) -> Result<Option<ActivityRow>, ApiError> {
    let text = answer_text(answer);
    let body = json!({ "text": text }).to_string();
    let completed = connection.execute(
        "UPDATE activity SET status = 'completed', summary = 'delegation completed', response_body = ?
         WHERE workspace_id = ? AND delegation_id = ? AND method = ? AND status = 'queued'",
        params![body, delegation.source, delegation.id, DELEGATE_RESULT],
    )?;
    let told = (tells && completed > 0).then(|| told(delegation, &text, now));
    told.iter().try_for_each(|row| log::insert(connection, row))?;
    Ok(told)
}

/// A result as a message from the target to whoever gave the task: an answer, so that nobody answers it.
fn told(delegation: &Delegation, text: &str, now: i64) -> ActivityRow {
    let Delegation { id, source, target, .. } = delegation;
    let body = json!({
        "jsonrpc": "2.0",
        "id": uuid::Uuid::new_v4(),
        "method": molecule_protocol::rpc::MESSAGE_SEND,
        "params": { "message": {
            "role": "agent",
            "kind": "message",
            "messageId": uuid::Uuid::new_v4(),
            "parts": [{ "kind": "text", "text": text }],
            "metadata": { "delegation_id": id, "in_reply_to": id },
        } },
    });
    ActivityRow {
        source_id: Some(target.clone()),
        target_id: Some(source.clone()),
        method: Some(DELEGATE_RESULT.to_owned()),
        summary: Some(log::summary(text)),
        request_body: Some(Json::from(body)),
        ..log::row(source, A2A_RECEIVE, now)
    }
}

fn result_row(delegation: &Delegation, result: &Ending, now: i64) -> ActivityRow {
    let (summary, body, error) = match result {
        Ending::Completed { text } => ("completed", Some(json!({ "text": text })), None),
        Ending::Queued => ("queued", None, None),
        Ending::Failed { error } => ("failed", None, Some(error.clone())),
    };
    ActivityRow {
        source_id: Some(delegation.source.clone()),
        target_id: Some(delegation.target.clone()),
        method: Some(DELEGATE_RESULT.to_owned()),
        summary: Some(format!("delegation {summary}")),
        status: Some(result.status().to_owned()),
        error_detail: error,
        response_body: body.map(Json::from),
        ..log::row(&delegation.source, DELEGATION, now)
    }
}

fn set_status(
    connection: &Connection,
    source: &str,
    id: &str,
    status: &str,
    error: Option<&str>,
) -> Result<(), ApiError> {
    connection.execute(
        "UPDATE activity SET status = ?, error_detail = ? WHERE workspace_id = ? AND delegation_id = ? AND method = ?",
        params![status, error, source, id, DELEGATE],
    )?;
    Ok(())
}

/// The answer's text as the platform finds it: the first part of kind text, in the result or its artifacts; else all of
/// the body.
fn answer_text(body: &[u8]) -> String {
    let whole = String::from_utf8_lossy(body).into_owned();
    let first = |parts: Option<Json>| {
        let texts = parts?.as_list()?.into_iter().filter_map(|part: Json| {
            let part: Object = part.as_object()?;
            (part.get("kind")?.as_text()? == "text").then(|| part.get("text")?.as_text()).flatten()
        });
        texts.into_iter().next()
    };
    let answer = Json::from_text(whole.clone()).ok();
    let result = answer.and_then(|answer| answer.at(&["result"]));
    let Some(result) = result else { return whole };
    let artifacts = || result.at(&["artifacts"]).and_then(|it| it.as_list()).unwrap_or_default();
    first(result.at(&["parts"]))
        .or_else(|| artifacts().iter().find_map(|artifact| first(artifact.at(&["parts"]))))
        .unwrap_or(whole)
}

/// What was under way when the platform ended has failed: nobody waits for it any more. Unless it stands in the log of a
/// target that polls already: then it is on its way, and a second one under its key would be done twice.
pub(crate) fn recover(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE activity SET status = 'queued'
         WHERE activity_type = ?1 AND method = ?2 AND by_platform AND status IN ('pending', 'dispatched')
           AND EXISTS (SELECT 1 FROM activity AS arrived
                       WHERE arrived.workspace_id = activity.target_id AND arrived.activity_type = ?3
                         AND arrived.source_id = activity.workspace_id AND arrived.response_body IS NULL
                         AND arrived.request_body ->> '$.params.message.messageId' = activity.delegation_id)",
        [DELEGATION, DELEGATE, A2A_RECEIVE],
    )?;
    connection.execute(
        "UPDATE activity SET status = 'failed', error_detail = 'the platform was restarted'
         WHERE activity_type = ? AND method = ? AND by_platform AND status IN ('pending', 'dispatched')",
        [DELEGATION, DELEGATE],
    )?;
    Ok(())
}
