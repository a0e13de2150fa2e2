//! `POST /workspaces/:id/a2a`, `GET /workspaces/:id/a2a/queue/:queue_id`

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use molecule_protocol::timestamp;
use serde_json::json;

use crate::a2a::{Outcome, deliver, queue};
use crate::app::App;
use crate::auth::{Anyone, Reader, caller};
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::reply::{self, Answer, ok};

/// The most bytes of a message.
const MESSAGE_LIMIT: usize = 1024 * 1024;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/a2a", post(send))
        .route("/workspaces/{id}/a2a/queue/{queue_id}", get(queued))
}

/// Sends a message to the workspace in the path, as the user or as another workspace.
async fn send(State(app): State<App>, headers: HeaderMap, target: Anyone, body: Body) -> Answer {
    let caller = caller(&app, &headers, &target.id).await?;
    // The platform cuts a longer body off, which leaves no JSON; the outcome is the same.
    let body = axum::body::to_bytes(body, MESSAGE_LIMIT).await.map_err(|_| {
        ApiError::bad_request("invalid JSON").with("detail", "a message may have at most 1 MiB")
    })?;
    // On a task of its own: a caller that hangs up does not take the message back.
    let sent = tokio::spawn(async move { deliver(&app, &caller, &target.id, &body).await }).await;
    match sent.map_err(|_| ApiError::internal("the platform lost the message on its way"))?? {
        Outcome::Answered { status, body } => {
            // Untouched, and never a page whatever the agent calls it.
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        }
        Outcome::QueuedPoll { method } => {
            ok(&json!({ "status": "queued", "delivery_mode": "poll", "method": method }))
        }
        Outcome::QueuedBusy { queue_id, depth } => {
            let message = "the agent is busy; the message waits for it";
            let body =
                json!({ "queued": true, "queue_id": queue_id, "queue_depth": depth, "message": message });
            Ok(reply::json(StatusCode::ACCEPTED, &body))
        }
    }
}

/// Where a queued message stands. Only its sender, its target and the operator may know that it exists.
async fn queued(
    State(app): State<App>,
    reader: Reader,
    target: Anyone,
    Path((_, queue_id)): Path<(String, String)>,
) -> Answer {
    let (id, shown, now) = (target.id.clone(), queue_id.clone(), app.now());
    let entry = app.db.read(move |connection| queue::find(connection, &id, &queue_id, now)).await;
    let entry = entry.or_text("query failed")?.filter(|entry| match &reader {
        Reader::Operator => true,
        Reader::Workspace(reader) => *reader == target.id || entry.source.as_ref() == Some(reader),
    });
    let entry = entry.ok_or_else(|| ApiError::not_found("queue entry not found"))?;
    ok(&json!({
        "queue_id": shown,
        "status": entry.status,
        "attempts": entry.attempts,
        "error": entry.error,
        "expires_at": entry.expires_at.map(|at| timestamp::format(time(at))),
        "created_at": timestamp::format(time(entry.created_at)),
        "updated_at": timestamp::format(time(entry.updated_at)),
    }))
}
