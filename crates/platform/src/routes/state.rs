//! `GET /workspaces/:id/state`

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use molecule_protocol::{StateResponse, Status};

use crate::app::App;
use crate::auth::Own;
use crate::error::StoreText as _;
use crate::records;
use crate::reply::{self, Answer};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces/{id}/state", get(state))
}

async fn state(State(app): State<App>, own: Own) -> Answer {
    let id = own.id.clone();
    let record =
        app.db.read(move |connection| records::find(connection, &id)).await.or_text("query failed")?;
    let status = record.map(|record| record.status().clone());
    let deleted = status.as_ref().is_none_or(|status| *status == Status::Removed);
    let paused = (!deleted).then(|| status == Some(Status::Paused));
    let code = if deleted { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok(reply::json(code, &StateResponse { workspace_id: own.id, status, paused, deleted }))
}
