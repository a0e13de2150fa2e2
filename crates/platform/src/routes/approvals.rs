//! What an agent asks a person for: `/workspaces/:id/approvals`, `GET /approvals/pending`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use molecule_protocol::{Json, timestamp};
use molecule_store::rusqlite::{self, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::auth::{Admin, Member};
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::records;
use crate::reply::{self, Answer, ok, parse};

/// Nobody has decided for so long: denied, as soon as somebody looks. Microseconds.
const PATIENCE: i64 = 10 * 60 * 1_000_000;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/approvals", get(list).post(ask))
        .route("/workspaces/{id}/approvals/{approval}/decide", post(decide))
        .route("/approvals/pending", get(pending))
}

#[derive(Serialize)]
struct Approval {
    id: String,
    workspace_id: String,
    task_id: Option<String>,
    action: String,
    reason: Option<String>,
    context: Option<Json>,
    status: String,
    decided_by: Option<String>,
    decided_at: Option<String>,
    created_at: String,
}

impl Approval {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let written = |at: i64| timestamp::format(time(at));
        Ok(Self {
            id: row.get("id")?,
            workspace_id: row.get("workspace_id")?,
            task_id: row.get("task_id")?,
            action: row.get("action")?,
            reason: row.get("reason")?,
            context: row.get::<_, Option<String>>("context")?.map(records::json),
            status: row.get("status")?,
            decided_by: row.get("decided_by")?,
            decided_at: row.get::<_, Option<i64>>("decided_at")?.map(written),
            created_at: written(row.get("created_at")?),
        })
    }
}

#[derive(Deserialize)]
struct Ask {
    #[serde(default)]
    action: String,
    #[serde(default)]
    task_id: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    context: Option<Json>,
}

async fn ask(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let ask: Ask = parse(&body, "invalid request body")?;
    if ask.action.is_empty() {
        return Err(ApiError::bad_request("invalid request body").with("detail", "action is required"));
    }
    let (workspace, id, now) = (member.id.clone(), uuid::Uuid::new_v4().to_string(), app.now());
    let told = json!({ "approval_id": id, "status": "pending" });
    app.db
        .write(move |connection| {
            records::present(connection, &member.id)?;
            let context = ask.context.as_ref().map(Json::get);
            let sql = "INSERT INTO approval (id, workspace_id, task_id, action, reason, context, status, created_at)
                       VALUES (?, ?, ?, ?, ?, ?, 'pending', ?)";
            let row = params![id, member.id, ask.task_id, ask.action, ask.reason, context, now];
            Ok::<_, ApiError>(connection.execute(sql, row)?)
        })
        .await
        .or_text("failed to create approval")?;
    app.events.tell(&workspace, "APPROVAL_REQUESTED", now, told.clone());
    Ok(reply::json(StatusCode::CREATED, &told))
}

/// The last 50, newest first.
async fn list(State(app): State<App>, member: Member) -> Answer {
    let approvals: Vec<_> = app
        .db
        .read(move |connection| {
            let sql = "SELECT * FROM approval WHERE workspace_id = ? ORDER BY seq DESC LIMIT 50";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([member.id], Approval::read)?;
            Ok::<_, ApiError>(rows.collect::<Result<_, _>>()?)
        })
        .await
        .or_text("query failed")?;
    ok(&approvals)
}

#[derive(Deserialize)]
struct Decide {
    #[serde(default)]
    decision: String,
    #[serde(default)]
    decided_by: Option<String>,
}

/// Decides. The platform lets the workspace's own token do that; no host hands this to its agent.
async fn decide(
    State(app): State<App>,
    member: Member,
    Path((_, approval)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let Decide { decision, decided_by } = parse(&body, "invalid request body")?;
    if !["approved", "denied"].contains(&decision.as_str()) {
        return Err(ApiError::bad_request("decision must be 'approved' or 'denied'"));
    }
    let told = json!({ "status": decision, "approval_id": approval });
    let (workspace, now) = (member.id.clone(), app.now());
    let decided = app
        .db
        .write(move |connection| {
            let sql = "UPDATE approval SET status = ?, decided_by = ?, decided_at = ?
                       WHERE id = ? AND workspace_id = ? AND status = 'pending'";
            let row = params![decision, decided_by, now, approval, member.id];
            Ok::<_, ApiError>(connection.execute(sql, row)?)
        })
        .await
        .or_text("failed to decide approval")?;
    if decided == 0 {
        return Err(ApiError::not_found("approval not found or already decided"));
    }
    app.events.tell(&workspace, DECIDED, now, told.clone());
    ok(&told)
}

const DECIDED: &str = "APPROVAL_DECIDED";

/// What waits for a person, over all workspaces, oldest first. What has waited too long is denied before.
async fn pending(State(app): State<App>, _: Admin) -> Answer {
    let now = app.now();
    let (denied, waiting) = app
        .db
        .write(move |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE approval SET status = 'denied', decided_by = 'timeout', decided_at = ?1
                 WHERE status = 'pending' AND created_at < ?2 RETURNING *",
            )?;
            let denied = statement.query_map([now, now.saturating_sub(PATIENCE)], Approval::read)?;
            let denied = denied.collect::<Result<Vec<_>, _>>()?;
            let mut statement = connection.prepare_cached(
                "SELECT approval.* FROM approval JOIN workspace ON workspace.id = workspace_id
                 WHERE approval.status = 'pending' AND workspace.status <> 'removed' ORDER BY seq LIMIT 500",
            )?;
            let waiting = statement.query_map([], Approval::read)?.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, ApiError>((denied, waiting))
        })
        .await
        .or_text("query failed")?;
    for approval in denied {
        let told = json!({ "status": approval.status, "approval_id": approval.id });
        app.events.tell(&approval.workspace_id, DECIDED, now, told);
    }
    ok(&waiting)
}
