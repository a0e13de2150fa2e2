//! `DELETE /workspaces/:id`

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::delete;
use molecule_protocol::WorkspaceId;
use molecule_store::rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::{Admin, Anyone};
use crate::error::{ApiError, StoreText as _};
use crate::events::WORKSPACE_REMOVED;
use crate::reply::{self, Answer};
use crate::{hierarchy, records, tokens};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces/{id}", delete(remove))
}

#[derive(Deserialize)]
struct How {
    #[serde(default)]
    confirm: String,
    #[serde(default)]
    purge: String,
}

/// Removes a workspace with all below it: a tombstone stays, tokens end. With `purge` nothing stays.
async fn remove(State(app): State<App>, _: Admin, anyone: Anyone, Query(how): Query<How>) -> Answer {
    if anyone.id.parse::<WorkspaceId>().is_err() {
        return Err(ApiError::bad_request("invalid workspace ID"));
    }
    let (id, now, purge) = (anyone.id, app.now(), how.purge == "true");
    let confirmed = how.confirm == "true";
    let outcome = app
        .db
        .write(move |connection| {
            let below = hierarchy::below(connection, &id)?;
            let children = children(connection, &id)?;
            if !children.is_empty() && !confirmed {
                return Ok(Outcome::Unconfirmed(children));
            }
            let gone = |id: &String| match purge {
                true => forget(connection, id),
                false => bury(connection, id, now),
            };
            let mut went = Vec::new();
            for id in below.iter().chain([&id]) {
                if gone(id)? {
                    went.push(id.clone());
                }
            }
            let below = went.iter().filter(|it| **it != id).count();
            Ok::<_, ApiError>(Outcome::Removed { went, below })
        })
        .await
        .or_text(if purge { "purge failed" } else { "failed to remove workspace" })?;
    Ok(outcome.told(&app, purge))
}

enum Outcome {
    /// Children, which would go with it.
    Unconfirmed(Vec<Value>),
    /// The ids that went, and how many of them stood below the one that was named. What was gone already did not go.
    Removed { went: Vec<String>, below: usize },
}

impl Outcome {
    fn told(self, app: &App, purge: bool) -> Response {
        let status = if purge { "purged" } else { "removed" };
        match self {
            Self::Unconfirmed(children) => {
                let body = json!({
                    "status": "confirmation_required",
                    "message": "the workspaces below it go, too; repeat with ?confirm=true",
                    "children_count": children.len(),
                    "children": children,
                });
                reply::json(StatusCode::CONFLICT, &body)
            }
            Self::Removed { went, below } => {
                for id in &went {
                    app.events.tell(id, WORKSPACE_REMOVED, app.now(), json!({ "status": status }));
                }
                reply::json(StatusCode::OK, &json!({ "status": status, "cascade_deleted": below }))
            }
        }
    }
}

fn children(connection: &Connection, id: &str) -> Result<Vec<Value>, ApiError> {
    let sql = "SELECT id, name FROM workspace WHERE parent_id = ? AND status <> 'removed' ORDER BY name, id";
    let mut statement = connection.prepare(sql)?;
    let children = statement
        .query_map([id], |row| {
            Ok(json!({ "id": row.get::<_, String>(0)?, "name": row.get::<_, String>(1)? }))
        })?
        .collect::<Result<_, _>>()?;
    Ok(children)
}

/// Leaves a tombstone; false where there was nothing to bury.
fn bury(connection: &Connection, id: &str, now: i64) -> Result<bool, ApiError> {
    if records::find(connection, id)?.is_none_or(|record| record.is_removed()) {
        return Ok(false);
    }
    tokens::revoke_all(connection, id, now)?;
    connection.execute("UPDATE schedule SET enabled = 0, next_run_at = NULL WHERE workspace_id = ?", [id])?;
    connection.execute(
        "UPDATE workspace SET status = 'removed', url = '', liveness_until = NULL, removed_at = ?1, updated_at = ?1
         WHERE id = ?2",
        params![now, id],
    )?;
    Ok(true)
}

/// Leaves nothing; false where there was nothing.
fn forget(connection: &Connection, id: &str) -> Result<bool, ApiError> {
    // Tokens, activity and queue go with the row.
    let gone = connection.execute("DELETE FROM workspace WHERE id = ?", [id])?;
    connection.execute("DELETE FROM secret WHERE workspace_id = ?", [id])?;
    Ok(gone > 0)
}
