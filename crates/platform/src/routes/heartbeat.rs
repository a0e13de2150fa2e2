//! `POST /registry/heartbeat`

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use molecule_protocol::{HeartbeatRequest, HeartbeatResponse, Status, WorkspaceId};
use molecule_store::rusqlite::{Connection, params};
use serde_json::json;

use crate::a2a::queue;
use crate::app::App;
use crate::auth::{bootstrap, normalise};
use crate::beat;
use crate::clock::micros;
use crate::error::{ApiError, StoreText as _};
use crate::records::{self, Record};
use crate::reply::{Answer, ok, parse};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/registry/heartbeat", post(heartbeat))
}

/// The most cents that are believed.
const MOST_SPENT: i64 = 1_000_000_000_000;

/// Says 200 also for a workspace that is gone: a heartbeat proves nothing.
async fn heartbeat(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer {
    let mut beat: HeartbeatRequest = parse(&body, "invalid request body")?;
    if beat.workspace_id.is_empty() {
        return Err(ApiError::bad_request("invalid request body").with("detail", "workspace_id is required"));
    }
    beat.workspace_id = normalise(&beat.workspace_id);
    let id = beat.workspace_id.clone();
    bootstrap(&app, &headers, &id).await?;
    check(&beat)?;
    let (now, good_until) = (app.now(), app.now() + micros(app.config.liveness_ttl));
    let wrote = app.db.write(move |connection| take(connection, &beat, now, good_until)).await;
    let Some(taken) = wrote.or_text("failed to update")? else {
        return ok(&HeartbeatResponse { status: "ok".to_owned(), platform_inbound_secret: None });
    };
    tell(&app, &taken, now);
    if taken.has_room {
        queue::drain_one(&app, &id);
    }
    let secret = taken.before.inbound_secret.and_then(|secret| secret.parse().ok());
    ok(&HeartbeatResponse { status: "ok".to_owned(), platform_inbound_secret: secret })
}

/// What the platform's database refuses: ids that are none, integers beyond 32 bits, U+0000.
fn check(beat: &HeartbeatRequest) -> Result<(), ApiError> {
    let refuse = |why: &str| Err(ApiError::internal("failed to update").with("detail", why));
    if beat.workspace_id.parse::<WorkspaceId>().is_err() {
        return refuse("workspace_id is not a UUID");
    }
    if [beat.active_tasks, beat.uptime_seconds].iter().any(|number| i32::try_from(*number).is_err()) {
        return refuse("active_tasks and uptime_seconds must fit 32 bits");
    }
    if [&beat.sample_error, &beat.current_task, &beat.runtime_state].iter().any(|text| text.contains('\0')) {
        return refuse("a text holds U+0000");
    }
    Ok(())
}

struct Taken {
    before: Record,
    status: Status,
    task: String,
    has_room: bool,
}

/// `None` if there is nothing to update.
fn take(
    connection: &Connection,
    beat: &HeartbeatRequest,
    now: i64,
    good_until: i64,
) -> Result<Option<Taken>, ApiError> {
    let Some(before) = records::find(connection, &beat.workspace_id)?.filter(|record| !record.is_removed())
    else {
        return Ok(None);
    };
    let status = beat::after(before.status(), beat);
    let metadata = beat.runtime_metadata.as_ref().and_then(|it| serde_json::to_string(it).ok());
    let spend = beat.monthly_spend.clamp(0, MOST_SPENT);
    connection
        .prepare_cached(
            "UPDATE workspace SET status = ?2, error_rate = ?3, sample_error = ?4, active_tasks = ?5, uptime_seconds = ?6,
                 current_task = ?7, monthly_spend = iif(?8 = 0, monthly_spend, ?8), runtime_state = ?9,
                 runtime_metadata = ?10, last_heartbeat_at = ?11, updated_at = ?11,
                 -- Extended, never made: only register does that.
                 liveness_until = iif(liveness_until IS NULL, NULL, ?12)
             WHERE id = ?1",
        )?
        .execute(params![
            beat.workspace_id,
            status.as_str(),
            beat.error_rate,
            beat.sample_error,
            beat.active_tasks,
            beat.uptime_seconds,
            beat.current_task,
            spend,
            beat.runtime_state,
            metadata,
            now,
            good_until,
        ])?;
    let has_room = beat.active_tasks < before.shown.max_concurrent_tasks;
    Ok(Some(Taken { before, status, task: beat.current_task.clone(), has_room }))
}

fn tell(app: &App, taken: &Taken, now: i64) {
    let id = taken.before.id();
    app.events.tell(id, "WORKSPACE_HEARTBEAT", now, json!({ "status": taken.status }));
    if taken.task != taken.before.current_task {
        app.events.tell(id, "TASK_UPDATED", now, json!({ "current_task": taken.task }));
    }
    if taken.status != *taken.before.status() {
        app.events.tell(id, "WORKSPACE_STATUS", now, json!({ "status": taken.status }));
    }
}
