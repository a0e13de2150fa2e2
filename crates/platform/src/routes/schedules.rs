//! Prompts that are sent when it is time: `/workspaces/:id/schedules`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, patch, post};
use molecule_protocol::timestamp;
use molecule_store::rusqlite::{self, Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::{Anyone, Member, discoverer, named, normalise};
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::reply::{self, Answer, ok, parse};
use crate::schedule::{self, Timetable};
use crate::{hierarchy, records};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/schedules", get(list).post(create))
        .route("/workspaces/{id}/schedules/health", get(health))
        .route("/workspaces/{id}/schedules/{schedule}", patch(change).delete(forget))
        .route("/workspaces/{id}/schedules/{schedule}/run", post(run))
        .route("/workspaces/{id}/schedules/{schedule}/history", get(history))
}

#[derive(Serialize)]
struct Schedule {
    id: String,
    workspace_id: String,
    name: String,
    cron_expr: String,
    timezone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    enabled: bool,
    next_run_at: Option<String>,
    last_run_at: Option<String>,
    last_status: Option<String>,
    last_error: Option<String>,
    run_count: i64,
    created_at: String,
    updated_at: String,
}

const WITH_RUNS: &str = "SELECT schedule.*, last.started_at AS last_run_at, last.status AS last_status,
         last.error AS last_error,
         (SELECT count(*) FROM schedule_run WHERE schedule_id = schedule.id) AS run_count
     FROM schedule LEFT JOIN schedule_run AS last
         ON last.seq = (SELECT max(seq) FROM schedule_run WHERE schedule_id = schedule.id)
     WHERE workspace_id = ?1";

impl Schedule {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let at = |name: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(name)?.map(written));
        Ok(Self {
            id: row.get("id")?,
            workspace_id: row.get("workspace_id")?,
            name: row.get("name")?,
            cron_expr: row.get("cron_expr")?,
            timezone: row.get("timezone")?,
            prompt: row.get("prompt")?,
            enabled: row.get("enabled")?,
            next_run_at: at("next_run_at")?,
            last_run_at: at("last_run_at")?,
            last_status: row.get("last_status")?,
            last_error: row.get("last_error")?,
            run_count: row.get("run_count")?,
            created_at: written(row.get("created_at")?),
            updated_at: written(row.get("updated_at")?),
        })
    }

    fn all(connection: &Connection, workspace: &str) -> Result<Vec<Self>, ApiError> {
        let mut statement =
            connection.prepare_cached(&format!("{WITH_RUNS} ORDER BY schedule.created_at, id"))?;
        let rows = statement.query_map([workspace], Self::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn find(connection: &Connection, workspace: &str, id: &str) -> Result<Self, ApiError> {
        let sql = format!("{WITH_RUNS} AND id = ?2");
        let found = connection.query_row(&sql, [workspace, id], Self::read).optional()?;
        found.ok_or_else(|| ApiError::not_found("schedule not found"))
    }
}

fn written(at: i64) -> String {
    timestamp::format(time(at))
}

async fn list(State(app): State<App>, member: Member) -> Answer {
    let all = app.db.read(move |connection| Schedule::all(connection, &member.id)).await;
    ok(&all.or_text("query failed")?)
}

/// What a schedule is made of, or changed to.
#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    cron_expr: Option<String>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
}

async fn create(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let wish: Wish = parse(&body, "invalid request body")?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (Some(cron_expr), Some(prompt)) = (given(wish.cron_expr), given(wish.prompt)) else {
        return Err(ApiError::bad_request("cron_expr and prompt are required"));
    };
    let timezone = given(wish.timezone).unwrap_or_else(|| "UTC".to_owned());
    let (now, id) = (app.now(), uuid::Uuid::new_v4().to_string());
    let enabled = wish.enabled.unwrap_or(true);
    let next = Timetable::read(&cron_expr, &timezone)?.after(now).filter(|_| enabled);
    let told = json!({ "id": id, "status": "created", "next_run_at": next.map(written) });
    app.db
        .write(move |connection| {
            records::present(connection, &member.id)?;
            let sql = "INSERT INTO schedule (id, workspace_id, name, cron_expr, timezone, prompt, enabled, next_run_at,
                           created_at, updated_at)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?9, ?9)";
            let name = wish.name.unwrap_or_default();
            let row = params![id, member.id, name, cron_expr, timezone, prompt, enabled, next, now];
            Ok::<_, ApiError>(connection.execute(sql, row)?)
        })
        .await
        .or_text("failed to create schedule")?;
    Ok(reply::json(StatusCode::CREATED, &told))
}

/// Changes what the body names. Its next turn is reckoned from now.
async fn change(
    State(app): State<App>,
    member: Member,
    Path((_, id)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let wish: Wish = parse(&body, "invalid request body")?;
    let now = app.now();
    let next = app
        .db
        .write(move |connection| {
            let old = Schedule::find(connection, &member.id, &id)?;
            let cron_expr = wish.cron_expr.unwrap_or(old.cron_expr);
            let timezone = wish.timezone.unwrap_or(old.timezone);
            let enabled = wish.enabled.unwrap_or(old.enabled);
            let next = Timetable::read(&cron_expr, &timezone)?.after(now).filter(|_| enabled);
            let prompt = wish.prompt.filter(|prompt| !prompt.is_empty()).or(old.prompt);
            let name = wish.name.unwrap_or(old.name);
            connection.execute(
                "UPDATE schedule SET name = ?, cron_expr = ?, timezone = ?, prompt = ?, enabled = ?, next_run_at = ?,
                     updated_at = ? WHERE id = ?",
                params![name, cron_expr, timezone, prompt, enabled, next, now, id],
            )?;
            Ok::<_, ApiError>(next)
        })
        .await
        .or_text("failed to update schedule")?;
    ok(&json!({ "status": "updated", "next_run_at": next.map(written) }))
}

async fn forget(State(app): State<App>, member: Member, Path((_, id)): Path<(String, String)>) -> Answer {
    let gone = app
        .db
        .write(move |connection| {
            let sql = "DELETE FROM schedule WHERE id = ? AND workspace_id = ?";
            Ok::<_, ApiError>(connection.execute(sql, [id, member.id])?)
        })
        .await
        .or_text("failed to delete schedule")?;
    match gone {
        0 => Err(ApiError::not_found("schedule not found")),
        _ => ok(&json!({ "status": "deleted" })),
    }
}

/// Fires now, whatever the timetable says; also one that is not enabled.
async fn run(State(app): State<App>, member: Member, Path((_, id)): Path<(String, String)>) -> Answer {
    let now = app.now();
    let (firing, prompt) = app
        .db
        .write(move |connection| {
            records::present(connection, &member.id)?;
            let prompt = Schedule::find(connection, &member.id, &id)?.prompt.unwrap_or_default();
            let firing = schedule::begin(connection, &id, &member.id, &prompt, now)?;
            Ok::<_, ApiError>((firing, prompt))
        })
        .await
        .or_text("failed to run schedule")?;
    schedule::send(&app, firing);
    ok(&json!({ "status": "fired", "prompt": prompt }))
}

/// The last 20 runs, newest first.
async fn history(State(app): State<App>, member: Member, Path((_, id)): Path<(String, String)>) -> Answer {
    let runs: Vec<Value> = app
        .db
        .read(move |connection| {
            Schedule::find(connection, &member.id, &id)?;
            let sql = "SELECT * FROM schedule_run WHERE schedule_id = ? ORDER BY seq DESC LIMIT 20";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([id], |row| {
                Ok(json!({
                    "status": row.get::<_, String>("status")?,
                    "error_detail": row.get::<_, Option<String>>("error")?,
                    "duration_ms": row.get::<_, Option<i64>>("duration_ms")?,
                    "created_at": written(row.get("started_at")?),
                }))
            })?;
            Ok::<_, ApiError>(rows.collect::<Result<_, _>>()?)
        })
        .await
        .or_text("query failed")?;
    ok(&runs)
}

/// Whether another's schedules fire, for whoever may talk to it; not what they say.
async fn health(State(app): State<App>, headers: HeaderMap, target: Anyone) -> Answer {
    let caller = named(&headers);
    if caller.is_empty() {
        return Err(ApiError::bad_request("X-Workspace-ID header is required"));
    }
    let caller = normalise(caller);
    discoverer(&app, &headers, &caller).await?;
    let mut all = app
        .db
        .read(move |connection| {
            if !hierarchy::may_talk(connection, &caller, &target.id)? {
                return Err(ApiError::forbidden("not authorized to read this workspace's schedules"));
            }
            records::present(connection, &target.id)?;
            Schedule::all(connection, &target.id)
        })
        .await
        .or_text("query failed")?;
    all.iter_mut().for_each(|schedule| schedule.prompt = None);
    ok(&all)
}
