//! `GET /workspaces/:id/session-search`

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use molecule_protocol::{Json, timestamp};
use molecule_store::rusqlite::{self, Row, params};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::Member;
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::records;
use crate::reply::{Answer, ok};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces/{id}/session-search", get(search))
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    limit: Option<String>,
}

#[derive(Serialize)]
struct Found {
    kind: String,
    id: String,
    workspace_id: String,
    label: String,
    content: String,
    method: Option<String>,
    status: Option<String>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<Json>,
}

impl Found {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let body =
            |name: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(name)?.map(records::json));
        Ok(Self {
            kind: row.get("kind")?,
            id: row.get("id")?,
            workspace_id: row.get("workspace_id")?,
            label: row.get("label")?,
            content: row.get("content")?,
            method: row.get("method")?,
            status: row.get("status")?,
            created_at: timestamp::format(time(row.get("created_at")?)),
            request_body: body("request_body")?,
            response_body: body("response_body")?,
        })
    }
}

/// What the workspace did, was told and remembers in which a text occurs, newest first.
async fn search(State(app): State<App>, member: Member, Query(search): Query<Search>) -> Answer {
    let limit = search.limit.and_then(|it| it.parse::<u32>().ok()).filter(|it| *it > 0);
    let found: Vec<_> = app
        .db
        .read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM (
                     SELECT 'activity' AS kind, id, workspace_id, activity_type AS label, ifnull(summary, '') AS content,
                         method, status, created_at, request_body, response_body, seq
                     FROM activity
                     WHERE workspace_id = ?1 AND instr(lower(concat_ws(char(10), summary, request_body, response_body)),
                         lower(?2)) > 0
                     UNION ALL
                     SELECT 'memory', id, workspace_id, scope, content, NULL, NULL, created_at, NULL, NULL, seq
                     FROM recollection WHERE workspace_id = ?1 AND instr(lower(content), lower(?2)) > 0
                 ) ORDER BY created_at DESC, seq DESC LIMIT ?3",
            )?;
            let limit = limit.unwrap_or(50).min(200);
            let rows = statement.query_map(params![member.id, search.q, limit], Found::read)?;
            Ok::<_, ApiError>(rows.collect::<Result<_, _>>()?)
        })
        .await
        .or_text("search failed")?;
    ok(&found)
}
