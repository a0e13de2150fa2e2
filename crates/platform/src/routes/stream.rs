//! `GET /workspaces/:id/events/stream`

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event as Frame, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::stream::{self, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::auth::Member;
use crate::error::ApiError;
use crate::events::{TOKENS_REVOKED, WORKSPACE_REMOVED};
use crate::records;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces/{id}/events/stream", get(events))
}

/// What happens to a workspace, as it happens. No replay: who was away asks the log.
///
/// It ends when a token of the workspace is revoked, whoever opened it (who holds another opens it again), when the
/// workspace is removed, and where its reader is too slow to hear of that.
async fn events(State(app): State<App>, member: Member) -> Result<Response, ApiError> {
    let id = member.id;
    // Before the check, so that nothing between the two is missed.
    let (listener, stopping) = (app.events.listen_to(&id), app.stopping.clone());
    let checked = id.clone();
    app.db.read(move |connection| records::present(connection, &checked)).await?;
    let first = stream::once(async { Ok::<_, Infallible>(Frame::default().comment("ping")) });
    let rest = stream::unfold(Some((listener, stopping)), |open| async move {
        let (mut listener, mut stopping) = open?;
        let event = tokio::select! {
            event = listener.recv() => event,
            _ = stopping.wait_for(|stop| *stop) => return None,
        };
        match event {
            Ok(event) => {
                let frame = Frame::default().json_data(&*event).unwrap_or_default();
                let is_last = matches!(event.kind, TOKENS_REVOKED | WORKSPACE_REMOVED);
                Some((Ok(frame), (!is_last).then_some((listener, stopping))))
            }
            Err(RecvError::Lagged(_) | RecvError::Closed) => None,
        }
    });
    Ok(Sse::new(first.chain(rest)).into_response())
}
