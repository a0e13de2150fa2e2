//! How far an agent got with a piece of work: `/workspaces/:id/checkpoints`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use molecule_protocol::{Json, timestamp};
use molecule_store::rusqlite::{self, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::auth::Member;
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::records;
use crate::reply::{self, Answer, ok, parse};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/checkpoints", post(save))
        .route("/workspaces/{id}/checkpoints/latest", get(latest))
        .route("/workspaces/{id}/checkpoints/{workflow}", get(list).delete(forget))
}

#[derive(Serialize)]
struct Checkpoint {
    id: String,
    workspace_id: String,
    workflow_id: String,
    step_name: String,
    step_index: i64,
    payload: Option<Json>,
    created_at: String,
}

impl Checkpoint {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: row.get("id")?,
            workspace_id: row.get("workspace_id")?,
            workflow_id: row.get("workflow_id")?,
            step_name: row.get("step_name")?,
            step_index: row.get("step_index")?,
            payload: row.get::<_, Option<String>>("payload")?.map(records::json),
            created_at: timestamp::format(time(row.get("created_at")?)),
        })
    }
}

#[derive(Deserialize)]
struct Save {
    #[serde(default)]
    workflow_id: String,
    #[serde(default)]
    step_name: String,
    #[serde(default)]
    step_index: i64,
    #[serde(default)]
    payload: Option<Json>,
}

/// Keeps a step; a step of the same name and work is replaced.
async fn save(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let save: Save = parse(&body, "invalid request body")?;
    if save.workflow_id.is_empty() || save.step_name.is_empty() {
        let refusal = ApiError::bad_request("invalid request body");
        return Err(refusal.with("detail", "workflow_id and step_name are required"));
    }
    let now = app.now();
    let saved = app
        .db
        .write(move |connection| {
            records::present(connection, &member.id)?;
            // Replaced, not updated: what was written last is the latest.
            let sql = "INSERT OR REPLACE INTO checkpoint
                           (id, workspace_id, workflow_id, step_name, step_index, payload, created_at)
                       VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *";
            let id = uuid::Uuid::new_v4().to_string();
            let payload = save.payload.as_ref().map(Json::get);
            let row = params![id, member.id, save.workflow_id, save.step_name, save.step_index, payload, now];
            Ok::<_, ApiError>(connection.query_row(sql, row, Checkpoint::read)?)
        })
        .await
        .or_text("failed to save checkpoint")?;
    Ok(reply::json(StatusCode::CREATED, &saved))
}

async fn latest(State(app): State<App>, member: Member) -> Answer {
    let found = app
        .db
        .read(move |connection| {
            let sql = "SELECT * FROM checkpoint WHERE workspace_id = ? ORDER BY seq DESC LIMIT 1";
            Ok::<_, ApiError>(connection.query_row(sql, [member.id], Checkpoint::read).optional()?)
        })
        .await
        .or_text("query failed")?;
    ok(&found.ok_or_else(none)?)
}

/// The steps of a piece of work, by their index.
async fn list(State(app): State<App>, member: Member, Path((_, workflow)): Path<(String, String)>) -> Answer {
    let steps: Vec<_> = app
        .db
        .read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM checkpoint WHERE workspace_id = ? AND workflow_id = ? ORDER BY step_index, seq",
            )?;
            let rows = statement.query_map([member.id, workflow], Checkpoint::read)?;
            Ok::<_, ApiError>(rows.collect::<Result<_, _>>()?)
        })
        .await
        .or_text("query failed")?;
    if steps.is_empty() { Err(none()) } else { ok(&steps) }
}

async fn forget(
    State(app): State<App>,
    member: Member,
    Path((_, workflow)): Path<(String, String)>,
) -> Answer {
    let named = workflow.clone();
    let deleted = app
        .db
        .write(move |connection| {
            let sql = "DELETE FROM checkpoint WHERE workspace_id = ? AND workflow_id = ?";
            Ok::<_, ApiError>(connection.execute(sql, [member.id, named])?)
        })
        .await
        .or_text("failed to delete checkpoints")?;
    match deleted {
        0 => Err(none()),
        _ => ok(&json!({ "deleted": deleted, "workflow_id": workflow })),
    }
}

fn none() -> ApiError {
    ApiError::not_found("no checkpoint found")
}
