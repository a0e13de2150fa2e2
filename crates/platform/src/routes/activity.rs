//! `GET` and `POST /workspaces/:id/activity`

use std::collections::HashMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use molecule_protocol::activity::{ActivityReport, ActivitySource, MAX_LIMIT};
use molecule_protocol::{ActivityRow, WorkspaceId, timestamp};
use serde_json::json;

use crate::app::App;
use crate::auth::{Member, normalise};
use crate::error::{ApiError, StoreText as _};
use crate::reply::{Answer, ok, parse};
use crate::{log, records};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces/{id}/activity", get(list).post(report))
}

async fn list(
    State(app): State<App>,
    member: Member,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let query = read_query(&query)?;
    let now = app.now();
    let rows = app.db.read(move |connection| log::list(connection, &member.id, &query, now)).await;
    match rows.or_text("query failed")? {
        Some(rows) => ok(&rows),
        None => Err(ApiError::new(StatusCode::GONE, "cursor not found")
            .with("hint", "the row of since_id is gone, or in another log; start over with since_secs")),
    }
}

fn read_query(query: &HashMap<String, String>) -> Result<log::Query, ApiError> {
    let given = |name: &str| query.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let source = match given("source") {
        None => None,
        Some("canvas") => Some(ActivitySource::Canvas),
        Some("agent") => Some(ActivitySource::Agent),
        Some(_) => return Err(ApiError::bad_request("source must be 'canvas' or 'agent'")),
    };
    let limit =
        given("limit").and_then(|text| text.parse::<u64>().ok()).filter(|limit| *limit > 0).unwrap_or(100);
    let since_secs = match given("since_secs").map(str::parse::<u64>) {
        None => None,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return Err(ApiError::bad_request("since_secs must be a number of seconds")),
    };
    let peer_id = match given("peer_id").map(str::parse::<WorkspaceId>) {
        None => None,
        Some(Ok(peer)) => Some(peer.to_string()),
        Some(Err(_)) => return Err(ApiError::bad_request("peer_id must be a valid UUID")),
    };
    let before = match given("before_ts").map(timestamp::parse) {
        None => None,
        Some(Some(time)) => Some(time.as_microsecond()),
        Some(None) => return Err(ApiError::bad_request("before_ts must be an RFC 3339 time")),
    };
    Ok(log::Query {
        activity_type: given("type").map(str::to_owned),
        source,
        limit: u32::try_from(limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT),
        since_id: given("since_id").map(str::to_owned),
        since_secs,
        peer_id,
        before,
    })
}

async fn report(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let report: ActivityReport = parse(&body, "invalid request body")?;
    if !ActivityReport::TYPES.contains(&report.activity_type.as_str()) {
        let types = ActivityReport::TYPES.join(", ");
        return Err(ApiError::bad_request(format!("activity_type must be one of: {types}")));
    }
    let source = report.source_id.as_deref().filter(|it| !it.is_empty()).map(normalise);
    if source.is_some_and(|source| source != member.id) {
        return Err(ApiError::forbidden("source_id must match authenticated workspace"));
    }
    let id = member.id;
    let target = report.target_id.filter(|it| !it.is_empty()).map(|it| normalise(&it));
    // The platform loses such a row without a word. So that its hosts cannot rely on more, so does this one.
    if target.as_ref().is_some_and(|it| it.parse::<WorkspaceId>().is_err()) {
        return ok(&json!({ "status": "logged" }));
    }
    let row = ActivityRow {
        source_id: Some(id.clone()),
        target_id: target,
        method: report.method,
        summary: report.summary,
        duration_ms: report.duration_ms.map(i64::from),
        status: report.status.filter(|it| !it.is_empty()).or_else(|| Some("ok".to_owned())),
        error_detail: report.error_detail,
        request_body: report.request_body.or(report.metadata),
        response_body: report.response_body,
        ..log::row(&id, &report.activity_type, app.now())
    };
    let written = row.clone();
    let wrote = app
        .db
        .write(move |connection| {
            records::present(connection, &id)?;
            log::insert(connection, &written)
        })
        .await;
    match wrote {
        Ok(()) => app.events.tell_of_row(&row),
        // A report is not worth an error to an agent: that is how the platform sees it.
        Err(error) if error.is_of_storage() => error.log(),
        Err(error) => return Err(error),
    }
    ok(&json!({ "status": "logged" }))
}
