//! `POST /workspaces/:id/delegate` and `/workspaces/:id/delegations`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use molecule_protocol::delegation::{
    DelegateRequest, DelegateResponse, DelegationRow, RecordDelegationRequest, UpdateDelegationRequest,
};
use molecule_protocol::{ActivityRow, WorkspaceId};
use molecule_store::rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

use crate::app::App;
use crate::auth::Member;
use crate::delegation::{self, DELEGATE, DELEGATE_RESULT, DELEGATION, Delegation};
use crate::error::{ApiError, StoreText as _};
use crate::log::{self, Delegated};
use crate::records;
use crate::reply::{self, Answer, ok, parse};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/delegate", post(delegate))
        .route("/workspaces/{id}/delegations", get(list))
        .route("/workspaces/{id}/delegations/record", post(record))
        .route("/workspaces/{id}/delegations/{delegation_id}/update", post(update))
}

/// Gives work to another workspace. Whether that worked out is asked for later.
async fn delegate(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let request: DelegateRequest = parse(&body, "invalid delegation request")?;
    if request.target_id.is_empty() || request.task.is_empty() {
        return Err(ApiError::bad_request("invalid delegation request"));
    }
    let delegation = Delegation {
        id: uuid::Uuid::new_v4().to_string(),
        source: member.id,
        target: target(&request.target_id)?,
        task: request.task,
    };
    if delegation.target == delegation.source {
        return Err(ApiError::bad_request("self-delegation not permitted"));
    }
    let key = request.idempotency_key.filter(|key| !key.is_empty());
    let row = delegation::asked(&delegation, "pending", app.now());
    let (asked, written) = (delegation.clone(), row.clone());
    let known = app
        .db
        .write(move |connection| {
            records::present(connection, &asked.source)?;
            if let Some(key) = &key
                && let Some(found) = delegation::find_by_key(connection, &asked.source, key)?
            {
                return Ok(Some(found));
            }
            let delegated =
                Delegated { delegation_id: Some(asked.id), idempotency_key: key, by_platform: true };
            log::insert_delegated(connection, &written, &delegated)?;
            Ok::<_, ApiError>(None)
        })
        .await
        .or_text("failed to store delegation")?;
    if let Some(found) = known {
        return ok(&DelegateResponse {
            delegation_id: found.id,
            status: found.status,
            target_id: found.target,
            idempotent_hit: true,
            warning: None,
        });
    }
    app.events.tell_of_row(&row);
    let response = DelegateResponse {
        delegation_id: delegation.id.clone(),
        status: "delegated".to_owned(),
        target_id: delegation.target.clone(),
        idempotent_hit: false,
        warning: None,
    };
    delegation::dispatch(&app, delegation);
    Ok(reply::json(StatusCode::ACCEPTED, &response))
}

fn target(id: &str) -> Result<String, ApiError> {
    match id.parse::<WorkspaceId>() {
        Ok(id) => Ok(id.to_string()),
        Err(_) => Err(ApiError::bad_request("target_id must be a valid UUID")),
    }
}

async fn list(State(app): State<App>, member: Member) -> Answer {
    let rows = app.db.read(move |connection| rows(connection, &member.id)).await.or_text("query failed")?;
    ok(&rows)
}

fn rows(connection: &Connection, workspace: &str) -> Result<Vec<DelegationRow>, ApiError> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM activity WHERE workspace_id = ? AND activity_type = ? ORDER BY seq DESC LIMIT 50",
    )?;
    let rows = statement
        .query_map([workspace, DELEGATION], |row| {
            let delegation_id = row.get("delegation_id")?;
            Ok(listed(log::read(row)?, delegation_id))
        })?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

fn listed(row: ActivityRow, delegation_id: Option<String>) -> DelegationRow {
    let is_result = row.method.as_deref() == Some(DELEGATE_RESULT);
    let text = row.response_body.filter(|_| is_result).and_then(|body| body.at(&["text"])?.as_text());
    DelegationRow {
        id: row.id,
        kind: DELEGATION.to_owned(),
        source_id: row.source_id,
        target_id: row.target_id,
        summary: row.summary,
        status: row.status.unwrap_or_default(),
        created_at: row.created_at,
        delegation_id,
        error: row.error_detail,
        response_preview: text.map(|text| preview(&text)),
    }
}

/// The first 300 bytes, at most.
fn preview(text: &str) -> String {
    const SHOWN: usize = 300;
    match text.len() <= SHOWN {
        true => text.to_owned(),
        false => format!("{}...", text.get(..text.floor_char_boundary(SHOWN)).unwrap_or_default()),
    }
}

/// Logs a delegation that the workspace sends by itself.
async fn record(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let request: RecordDelegationRequest = parse(&body, "invalid request body")?;
    if [&request.target_id, &request.task, &request.delegation_id].iter().any(|text| text.is_empty()) {
        return Err(ApiError::bad_request("invalid request body"));
    }
    let delegation = Delegation {
        id: request.delegation_id,
        source: member.id,
        target: target(&request.target_id)?,
        task: request.task,
    };
    let row = delegation::asked(&delegation, "dispatched", app.now());
    let (written, id) = (row.clone(), delegation.id.clone());
    app.db
        .write(move |connection| {
            records::present(connection, &delegation.source)?;
            let delegated = Delegated { delegation_id: Some(delegation.id), ..Delegated::default() };
            log::insert_delegated(connection, &written, &delegated)
        })
        .await
        .or_text("failed to store delegation")?;
    app.events.tell_of_row(&row);
    Ok(reply::json(StatusCode::ACCEPTED, &json!({ "delegation_id": id, "status": "recorded" })))
}

/// Logs how a delegation ended that the workspace sent by itself. One that nobody recorded is no error.
async fn update(
    State(app): State<App>,
    member: Member,
    Path((_, delegation_id)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let request: UpdateDelegationRequest = parse(&body, "invalid request body")?;
    let result = match request.status.as_str() {
        "completed" => delegation::Ending::Completed { text: request.response_preview.unwrap_or_default() },
        "failed" => delegation::Ending::Failed { error: request.error.unwrap_or_default() },
        _ => return Err(ApiError::bad_request("status must be 'completed' or 'failed'")),
    };
    let (workspace, id) = (member.id, delegation_id.clone());
    let recorded = app
        .db
        .read(move |connection| {
            let sql =
                "SELECT target_id FROM activity WHERE workspace_id = ? AND delegation_id = ? AND method = ?";
            let target: Option<String> =
                connection.query_row(sql, [&workspace, &id, DELEGATE], |row| row.get(0)).optional()?;
            let task = String::new();
            Ok::<_, ApiError>(target.map(|target| Delegation { id, source: workspace, target, task }))
        })
        .await
        .or_text("query failed")?;
    if let Some(delegation) = recorded {
        delegation::end(&app, &delegation, result, None).await.or_text("failed to update delegation")?;
    }
    ok(&json!({ "status": request.status, "delegation_id": delegation_id }))
}
