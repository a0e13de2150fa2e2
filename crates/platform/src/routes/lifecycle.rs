//! `POST /workspaces/:id/{pause,resume,restart,hibernate}`

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::post;
use molecule_protocol::Status;
use molecule_store::rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::auth::Member;
use crate::error::{ApiError, StoreText as _};
use crate::reply::{Answer, ok};
use crate::{hierarchy, records};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/pause", post(pause))
        .route("/workspaces/{id}/resume", post(resume))
        .route("/workspaces/{id}/restart", post(restart))
        .route("/workspaces/{id}/hibernate", post(hibernate))
}

/// Stops a workspace and all below it. Tokens stay; URLs do not.
async fn pause(State(app): State<App>, member: Member) -> Answer {
    let now = app.now();
    let paused = app
        .db
        .write(move |connection| {
            let record = records::find(connection, &member.id)?;
            if record.is_none_or(|it| matches!(it.status(), Status::Removed | Status::Paused)) {
                return Err(ApiError::not_found("workspace not found or already paused"));
            }
            let change =
                |record: &records::Record| !matches!(record.status(), Status::Removed | Status::Paused);
            move_family(connection, &member.id, change, &Status::Paused, now)
        })
        .await
        .or_text("failed to pause workspace")?;
    tell(&app, &paused, &Status::Paused);
    ok(&json!({ "status": "paused", "paused_count": paused.len() }))
}

/// Lets a workspace and all below it work again, once their agents register.
async fn resume(State(app): State<App>, member: Member) -> Answer {
    let now = app.now();
    let resumed = app
        .db
        .write(move |connection| {
            let record = records::find(connection, &member.id)?;
            let record = record.filter(|it| *it.status() == Status::Paused);
            let record = record.ok_or_else(|| ApiError::not_found("workspace not found or not paused"))?;
            if !record.is_external() {
                return Err(no_provisioner());
            }
            refuse_under_paused(connection, &record)?;
            let change = |it: &records::Record| *it.status() == Status::Paused && it.is_external();
            move_family(connection, &member.id, change, &Status::AwaitingAgent, now)
        })
        .await
        .or_text("failed to resume workspace")?;
    tell(&app, &resumed, &Status::AwaitingAgent);
    ok(&json!({ "status": "awaiting_agent", "resumed_count": resumed.len() }))
}

/// Nothing for an agent from outside: its host restarts it. Tokens stay.
async fn restart(State(app): State<App>, member: Member) -> Answer {
    let status = app
        .db
        .read(move |connection| {
            let record = records::present(connection, &member.id)?;
            if !record.is_external() {
                return Err(no_provisioner());
            }
            refuse_under_paused(connection, &record)?;
            Ok(record.status().clone())
        })
        .await
        .or_text("query failed")?;
    ok(
        &json!({ "status": status, "message": "an external agent is restarted by its own host; nothing was done" }),
    )
}

#[derive(Deserialize)]
struct Hibernate {
    #[serde(default)]
    force: String,
}

/// Puts a workspace to sleep, unless it has work. Registering wakes it; nothing else does here.
async fn hibernate(State(app): State<App>, member: Member, Query(how): Query<Hibernate>) -> Answer {
    let (id, now, forced) = (member.id.clone(), app.now(), how.force == "true");
    app.db
        .write(move |connection| {
            let record = records::find(connection, &id)?;
            let record = record.filter(|it| matches!(it.status(), Status::Online | Status::Degraded));
            let refusal = "workspace not found or not in a hibernatable state (must be online or degraded)";
            let record = record.ok_or_else(|| ApiError::not_found(refusal))?;
            let tasks = record.shown.active_tasks;
            if tasks > 0 && !forced {
                let refusal = "workspace has active tasks; add ?force=true to hibernate it all the same";
                return Err(ApiError::new(StatusCode::CONFLICT, refusal).with("active_tasks", tasks));
            }
            let sleeps = |it: &records::Record| it.id() == id;
            move_family(connection, &id, sleeps, &Status::Hibernated, now)
        })
        .await
        .or_text("failed to hibernate workspace")?;
    tell(&app, &[member.id], &Status::Hibernated);
    ok(&json!({ "status": "hibernated" }))
}

fn no_provisioner() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "provisioner not available")
        .with("detail", "this platform starts no containers; create the workspace with runtime \"external\"")
}

/// Refuses what makes no sense while somebody above is paused.
fn refuse_under_paused(connection: &Connection, record: &records::Record) -> Result<(), ApiError> {
    let mut above = record.shown.parent_id.clone();
    for _ in 0..32 {
        let Some(parent) = above.map(|id| records::find(connection, &id)).transpose()?.flatten() else {
            break;
        };
        if *parent.status() == Status::Paused {
            let error = format!("parent workspace \"{}\" is paused — resume it first", parent.shown.name);
            return Err(ApiError::new(StatusCode::CONFLICT, error));
        }
        above = parent.shown.parent_id;
    }
    Ok(())
}

/// Moves a workspace and those below it that `change` names to a status without a URL; gives back their ids.
fn move_family(
    connection: &Connection,
    id: &str,
    change: impl Fn(&records::Record) -> bool,
    status: &Status,
    now: i64,
) -> Result<Vec<String>, ApiError> {
    let mut ids = hierarchy::below(connection, id)?;
    ids.insert(0, id.to_owned());
    let mut moved = Vec::new();
    for id in ids {
        if records::find(connection, &id)?.is_some_and(|record| change(&record)) {
            let sql = "UPDATE workspace SET status = ?, url = '', liveness_until = NULL, updated_at = ? WHERE id = ?";
            connection.execute(sql, params![status.as_str(), now, id])?;
            moved.push(id);
        }
    }
    Ok(moved)
}

fn tell(app: &App, ids: &[String], status: &Status) {
    for id in ids {
        app.events.tell(id, "WORKSPACE_STATUS", app.now(), json!({ "status": status }));
    }
}
