//! `GET /ws`

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use molecule_protocol::timestamp;
use serde_json::json;
use tokio::sync::broadcast;

use crate::app::App;
use crate::auth::{Admin, discoverer, named, normalise};
use crate::clock::time;
use crate::error::ApiError;
use crate::events::{Event, TOKENS_REVOKED, WORKSPACE_REMOVED};
use crate::{hierarchy, records};

/// The most bytes of what a listener says; all of it is ignored.
const SAID_LIMIT: usize = 4 * 1024;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/ws", get(open))
}

/// What happens, as it happens: to a workspace and all that it may talk to, where `X-Workspace-ID` names one; to everybody
/// for the operator. No replay: who was away asks the log.
async fn open(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let listener = listener(&app, &parts.headers).await?;
    if listener.is_none() {
        Admin::from_request_parts(&mut parts, &app).await?;
    }
    // Before the answer, so that nothing is missed once it is there.
    let events = app.events.listen();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
        Ok(upgrade) => upgrade.max_message_size(SAID_LIMIT).max_frame_size(SAID_LIMIT),
        Err(rejection) => return Ok(rejection.into_response()),
    };
    Ok(upgrade.on_upgrade(move |socket| tell(app, socket, events, listener)))
}

/// The workspace that listens, once it is clear that it is one and may.
async fn listener(app: &App, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let named = named(headers);
    if named.is_empty() {
        return Ok(None);
    }
    let workspace = normalise(named);
    discoverer(app, headers, &workspace).await?;
    let asked = workspace.clone();
    app.db.read(move |connection| records::present(connection, &asked)).await?;
    Ok(Some(workspace))
}

/// Tells a listener until it goes, the platform ends, its tokens are revoked, it is removed, or it is too slow to hear of
/// that.
async fn tell(
    app: App,
    mut socket: WebSocket,
    mut events: broadcast::Receiver<std::sync::Arc<Event>>,
    listener: Option<String>,
) {
    let mut stopping = app.stopping.clone();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let Ok(event) = event else { break };
        if !concerns(&app, listener.as_deref(), &event).await {
            continue;
        }
        let frame = json!({
            "event": event.kind,
            "workspace_id": event.workspace,
            "timestamp": timestamp::format(time(event.timestamp.saturating_mul(1000))),
            "payload": event.data,
        });
        if socket.send(Message::Text(frame.to_string().into())).await.is_err() {
            return;
        }
        let own = listener.as_ref() == Some(&event.workspace);
        if own && matches!(event.kind, TOKENS_REVOKED | WORKSPACE_REMOVED) {
            break;
        }
    }
    let farewell = CloseFrame { code: close_code::AWAY, reason: "".into() };
    // Whoever is gone needs none.
    let _ = socket.send(Message::Close(Some(farewell))).await;
}

async fn concerns(app: &App, listener: Option<&str>, event: &Event) -> bool {
    let Some(listener) = listener.filter(|listener| *listener != event.workspace) else { return true };
    let (listener, other) = (listener.to_owned(), event.workspace.clone());
    let allowed = app.db.read(move |connection| hierarchy::may_talk(connection, &listener, &other)).await;
    allowed.unwrap_or_else(|error| {
        error.log();
        false
    })
}
