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
            let mut ids = below;
            ids.push(id);
            match purge {
                true => forget(connection, &ids)?,
                false => bury(connection, &ids, now)?,
            }
            Ok::<_, ApiError>(Outcome::Removed(ids))
        })
        .await
        .or_text(if purge { "purge failed" } else { "failed to remove workspace" })?;
    Ok(outcome.told(&app, purge))
}

enum Outcome {
    /// Children, which would go with it.
    Unconfirmed(Vec<Value>),
    /// The ids that went.
    Removed(Vec<String>),
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
            Self::Removed(ids) => {
                for id in &ids {
                    app.events.tell(id, "WORKSPACE_REMOVED", app.now(), json!({ "status": status }));
                }
                reply::json(StatusCode::OK, &json!({ "status": status, "cascade_deleted": ids.len() - 1 }))
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

fn bury(connection: &Connection, ids: &[String], now: i64) -> Result<(), ApiError> {
    for id in ids {
        if records::find(connection, id)?.is_some_and(|record| !record.is_removed()) {
            tokens::revoke_all(connection, id, now)?;
            connection.execute(
                "UPDATE workspace SET status = 'removed', url = '', liveness_until = NULL, removed_at = ?1, updated_at = ?1
                 WHERE id = ?2",
                params![now, id],
            )?;
        }
    }
    Ok(())
}

fn forget(connection: &Connection, ids: &[String]) -> Result<(), ApiError> {
    for id in ids {
        // Tokens, activity and queue go with the row.
        connection.execute("DELETE FROM workspace WHERE id = ?", [id])?;
        connection.execute("DELETE FROM secret WHERE workspace_id = ?", [id])?;
    }
    Ok(())
}
