//! What a workspace may spend, and with which model: `/workspaces/:id/budget`, `GET /workspaces/:id/model`

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::auth::{Admin, Anyone, Member};
use crate::error::{ApiError, StoreText as _};
use crate::records::{self, Record};
use crate::reply::{Answer, ok, parse};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/budget", get(show).patch(set))
        .route("/workspaces/{id}/model", get(model))
}

async fn show(State(app): State<App>, member: Member) -> Answer {
    let record = app.db.read(move |connection| records::present(connection, &member.id)).await;
    ok(&budget(&record.or_text("query failed")?))
}

/// Cents a month; what is left may be less than nothing.
fn budget(record: &Record) -> Value {
    let left = record.budget_limit.map(|limit| limit.saturating_sub(record.monthly_spend));
    json!({
        "budget_limit": record.budget_limit,
        "monthly_spend": record.monthly_spend,
        "budget_remaining": left,
    })
}

/// Sets the limit; `null` takes it away.
async fn set(State(app): State<App>, _: Admin, anyone: Anyone, body: Bytes) -> Answer {
    let changes: Map<String, Value> = parse(&body, "invalid request body")?;
    let limit = match changes.get("budget_limit") {
        Some(Value::Null) => None,
        Some(limit) if limit.as_i64().is_some_and(|limit| limit >= 0) => limit.as_i64(),
        _ => return Err(ApiError::bad_request("budget_limit must be a number of cents, or null")),
    };
    let now = app.now();
    let record = app
        .db
        .write(move |connection| {
            records::present(connection, &anyone.id)?;
            records::set(connection, &anyone.id, "budget_limit", &limit, now)?;
            records::present(connection, &anyone.id)
        })
        .await
        .or_text("failed to update budget")?;
    ok(&budget(&record))
}

/// The model that was named when the workspace was made; empty if none was.
async fn model(State(app): State<App>, member: Member) -> Answer {
    let model: String = app
        .db
        .read(move |connection| {
            records::present(connection, &member.id)?;
            let sql = "SELECT model FROM workspace WHERE id = ?";
            Ok::<_, ApiError>(connection.query_row(sql, [&member.id], |row| row.get(0))?)
        })
        .await
        .or_text("query failed")?;
    ok(&json!({ "model": model }))
}
