//! `GET /workspaces`, `GET /workspaces/:id`, `PATCH /workspaces/:id`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use molecule_store::rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::create::check_fields;
use crate::app::App;
use crate::auth::{Admin, Anyone, Member, normalise};
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::reply::{Answer, ok, parse};
use crate::{hierarchy, records};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces", get(list)).route("/workspaces/{id}", get(show).patch(change))
}

async fn list(State(app): State<App>, _: Admin) -> Answer {
    let records = app.db.read(records::all).await.or_text("query failed")?;
    ok(&records.iter().map(|record| &record.shown).collect::<Vec<_>>())
}

#[derive(Deserialize)]
struct Show {
    #[serde(default)]
    include_removed: Option<String>,
}

async fn show(State(app): State<App>, anyone: Anyone, Query(query): Query<Show>) -> Answer {
    if anyone.id.parse::<molecule_protocol::WorkspaceId>().is_err() {
        return Err(ApiError::bad_request("invalid workspace ID"));
    }
    let record =
        app.db.read(move |connection| records::find(connection, &anyone.id)).await.or_text("query failed")?;
    let record = record.ok_or_else(ApiError::no_workspace)?;
    if record.is_removed() && query.include_removed.as_deref() != Some("true") {
        let removed_at = record.removed_at.map(|at| molecule_protocol::timestamp::format(time(at)));
        return Err(ApiError::new(StatusCode::GONE, "workspace removed")
            .with("id", record.id())
            .with("removed_at", removed_at)
            .with(
                "hint",
                "this workspace was deleted; its agent should stop, and a new one needs a new workspace",
            ));
    }
    ok(&record.shown)
}

/// Changes what the body names; `null` is a change, too.
async fn change(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let changes: Map<String, Value> = parse(&body, "invalid workspace payload")?;
    let (id, now) = (member.id.clone(), app.now());
    let needs_restart = app
        .db
        .write(move |connection| {
            let record = records::present(connection, &member.id)?;
            for (name, value) in &changes {
                apply(connection, record.id(), name, value, now)?;
            }
            let container = !record.is_external();
            Ok::<_, ApiError>(
                container && (changes.contains_key("runtime") || changes.contains_key("workspace_dir")),
            )
        })
        .await
        .or_text("failed to update workspace")?;
    app.events.tell(&id, "WORKSPACE_UPDATED", now, json!({}));
    match needs_restart {
        true => ok(&json!({ "status": "updated", "needs_restart": true })),
        false => ok(&json!({ "status": "updated" })),
    }
}

fn apply(connection: &Connection, id: &str, name: &str, value: &Value, now: i64) -> Result<(), ApiError> {
    let invalid = || ApiError::bad_request("invalid workspace fields");
    let text = || value.as_str().ok_or_else(invalid);
    let number = || value.as_f64().ok_or_else(invalid);
    match name {
        "name" => {
            let name = text()?;
            if name.is_empty() {
                return Err(invalid());
            }
            check_fields(Some(name), None, None)?;
            records::set(connection, id, "name", &name, now)
        }
        "role" => {
            let role = if value.is_null() { None } else { Some(text()?) };
            check_fields(None, role, None)?;
            records::set(connection, id, "role", &role, now)
        }
        "runtime" => {
            let runtime = text()?;
            check_fields(None, None, Some(runtime))?;
            records::set(connection, id, "runtime", &runtime, now)
        }
        "tier" => records::set(connection, id, "tier", &value.as_i64().ok_or_else(invalid)?, now),
        "x" => records::set(connection, id, "x", &number()?, now),
        "y" => records::set(connection, id, "y", &number()?, now),
        "collapsed" => records::set(connection, id, "collapsed", &value.as_bool().ok_or_else(invalid)?, now),
        "parent_id" => {
            let parent = if value.is_null() { None } else { Some(normalise(text()?)) };
            if let Some(parent) = &parent {
                let circle = parent == id || hierarchy::is_above(connection, id, parent)?;
                if circle || records::find(connection, parent)?.is_none_or(|parent| parent.is_removed()) {
                    return Err(ApiError::bad_request("invalid parent_id"));
                }
            }
            records::set(connection, id, "parent_id", &parent, now)
        }
        // Unknown members are ignored, everywhere.
        _ => Ok(()),
    }
}
