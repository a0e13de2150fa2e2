//! What an agent keeps under keys of its own: `/workspaces/:id/memory`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use molecule_protocol::{Json, timestamp};
use molecule_store::rusqlite::{self, Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::auth::Member;
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::records;
use crate::reply::{Answer, ok, parse};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/memory", get(list).post(put))
        .route("/workspaces/{id}/memory/{key}", get(show).delete(forget))
}

#[derive(Serialize)]
struct Entry {
    key: String,
    value: Json,
    version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    updated_at: String,
}

impl Entry {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let written = |at: i64| timestamp::format(time(at));
        Ok(Self {
            key: row.get("key")?,
            value: records::json(row.get("value")?),
            version: row.get("version")?,
            expires_at: row.get::<_, Option<i64>>("expires_at")?.map(written),
            updated_at: written(row.get("updated_at")?),
        })
    }
}

/// An entry is there until its time is over; the sweep drops it later.
const THERE: &str = "workspace_id = ?1 AND (expires_at IS NULL OR expires_at > ?2)";

async fn list(State(app): State<App>, member: Member) -> Answer {
    let now = app.now();
    let entries: Vec<_> = app
        .db
        .read(move |connection| {
            let sql = format!("SELECT * FROM memory WHERE {THERE} ORDER BY key");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![member.id, now], Entry::read)?;
            Ok::<_, ApiError>(rows.collect::<Result<_, _>>()?)
        })
        .await
        .or_text("query failed")?;
    ok(&entries)
}

async fn show(State(app): State<App>, member: Member, Path((_, key)): Path<(String, String)>) -> Answer {
    let now = app.now();
    let entry = app
        .db
        .read(move |connection| {
            let sql = format!("SELECT * FROM memory WHERE {THERE} AND key = ?3");
            let row = connection.query_row(&sql, params![member.id, now, key], Entry::read);
            Ok::<_, ApiError>(row.optional()?)
        })
        .await
        .or_text("query failed")?;
    ok(&entry.ok_or_else(|| ApiError::not_found("key not found"))?)
}

#[derive(Deserialize)]
struct Put {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: Option<Json>,
    /// None, or none that is over at once: for ever.
    #[serde(default)]
    ttl_seconds: Option<i64>,
    /// The version that the writer knows; 0 for "there is none".
    #[serde(default)]
    if_match_version: Option<i64>,
}

async fn put(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let put: Put = parse(&body, "invalid request body")?;
    if put.key.is_empty() {
        return Err(ApiError::bad_request("key is required"));
    }
    let (key, now) = (put.key.clone(), app.now());
    let version = app
        .db
        .write(move |connection| {
            records::present(connection, &member.id)?;
            write(connection, &member.id, &put, now)
        })
        .await
        .or_text("failed to set memory")?;
    ok(&json!({ "status": "ok", "key": key, "version": version }))
}

/// Writes an entry, if it is of the version that is expected; gives its new version back.
fn write(connection: &Connection, workspace: &str, put: &Put, now: i64) -> Result<i64, ApiError> {
    let sql = format!("SELECT version FROM memory WHERE {THERE} AND key = ?3");
    let current: Option<i64> =
        connection.query_row(&sql, params![workspace, now, put.key], |row| row.get(0)).optional()?;
    let current = current.unwrap_or_default();
    if let Some(expected) = put.if_match_version.filter(|expected| *expected != current) {
        return Err(ApiError::new(StatusCode::CONFLICT, "version mismatch")
            .with("expected_version", expected)
            .with("current_version", current));
    }
    let expires = put.ttl_seconds.filter(|seconds| *seconds > 0);
    let expires = expires.map(|seconds| now.saturating_add(seconds.saturating_mul(1_000_000)));
    let value = put.value.as_ref().map_or("null", Json::get);
    connection.execute(
        "INSERT OR REPLACE INTO memory (workspace_id, key, value, version, expires_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?)",
        params![workspace, put.key, value, current.saturating_add(1), expires, now],
    )?;
    Ok(current.saturating_add(1))
}

async fn forget(State(app): State<App>, member: Member, Path((_, key)): Path<(String, String)>) -> Answer {
    app.db
        .write(move |connection| {
            let sql = "DELETE FROM memory WHERE workspace_id = ? AND key = ?";
            Ok::<_, ApiError>(connection.execute(sql, [member.id, key])?)
        })
        .await
        .or_text("failed to delete memory")?;
    ok(&json!({ "status": "deleted" }))
}
