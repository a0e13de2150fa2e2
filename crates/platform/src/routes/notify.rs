//! `POST /workspaces/:id/notify`

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use molecule_protocol::activity::{A2A_RECEIVE, NOTIFY};
use molecule_protocol::{ActivityRow, FileContent, Json, NotifyRequest, Part};
use serde::Serialize;
use serde_json::json;

use crate::app::App;
use crate::auth::Member;
use crate::error::{ApiError, StoreText as _};
use crate::reply::{Answer, ok, parse};
use crate::{log, records};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces/{id}/notify", post(notify))
}

/// What the user reads, as the log echoes it.
#[derive(Serialize)]
struct Echo {
    result: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
}

/// Shows a text to the user, and echoes it into the workspace's own log.
async fn notify(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let request: NotifyRequest = parse(&body, "message is required")?;
    if request.message.is_empty() {
        return Err(ApiError::bad_request("message is required"));
    }
    for (at, attachment) in request.attachments.iter().enumerate() {
        if attachment.uri.is_empty() || attachment.name.is_empty() {
            return Err(ApiError::bad_request(format!("attachment[{at}]: uri and name are required")));
        }
    }
    let parts = request.attachments.into_iter().map(|attachment| {
        Part::file(FileContent {
            uri: Some(attachment.uri),
            bytes: None,
            name: Some(attachment.name),
            mime_type: attachment.mime_type,
            size: attachment.size,
        })
    });
    let echo = Echo { result: request.message, parts: parts.collect() };
    let now = app.now();
    let row = ActivityRow {
        method: Some(NOTIFY.to_owned()),
        summary: Some(log::summary(&echo.result)),
        response_body: Json::of(&echo).ok(),
        ..log::row(&member.id, A2A_RECEIVE, now)
    };
    let written = row.clone();
    let id = member.id;
    app.db
        .write(move |connection| {
            records::present(connection, &id)?;
            records::set(connection, &id, "last_outbound_at", &now, now)?;
            log::insert(connection, &written)
        })
        .await
        .or_text("failed to store message")?;
    app.events.tell_of_row(&row);
    if let Some(workspace) = &row.workspace_id {
        app.events.tell(workspace, "AGENT_MESSAGE", now, json!({ "id": row.id }));
    }
    ok(&json!({ "status": "sent" }))
}
