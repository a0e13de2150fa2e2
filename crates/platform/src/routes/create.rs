//! `POST /workspaces`

use std::path::Path;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use molecule_protocol::create::{CreateRequest, CreateResponse, EXTERNAL};
use molecule_protocol::{BearerToken, DeliveryMode, Status, WorkspaceId};
use molecule_store::rusqlite::{Connection, params};
use serde_json::json;

use super::connection;
use crate::app::App;
use crate::auth::{Admin, normalise};
use crate::error::{ApiError, StoreText as _};
use crate::reply::{self, Answer, parse};
use crate::tokens;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workspaces", post(create))
}

async fn create(State(app): State<App>, headers: HeaderMap, _: Admin, body: Bytes) -> Answer {
    let request: CreateRequest = parse(&body, "invalid workspace payload")?;
    check(&request)?;
    let id = WorkspaceId::random().to_string();
    let external = request.external == Some(true) || request.runtime.as_deref() == Some(EXTERNAL);
    let url = request.url.clone().filter(|url| external && !url.is_empty());
    let status = match (external, &url) {
        (true, Some(_)) => Status::Online,
        (true, None) => Status::AwaitingAgent,
        (false, _) => Status::Provisioning,
    };
    // The first register of one that has a URL mints its token.
    let token = match external && url.is_none() {
        true => Some(tokens::random()?),
        false => None,
    };
    let row = NewWorkspace {
        id: id.clone(),
        external,
        url,
        status: status.clone(),
        token: token.clone(),
        now: app.now(),
    };
    let access = request.workspace_access.clone().unwrap_or_else(|| "none".to_owned());
    let wrote = app.db.write(move |connection| insert(connection, &request, &row)).await;
    wrote.or_text("failed to create workspace")?;
    app.events.tell(&id, "WORKSPACE_CREATED", app.now(), json!({ "status": status }));
    let connection = token.map(|token| connection::block(&app, &headers, &id, Some(token)));
    let workspace_access = (!external).then_some(access);
    let awareness_namespace = (!external).then(|| format!("workspace:{id}"));
    let response = CreateResponse { id, status, external, connection, awareness_namespace, workspace_access };
    Ok(reply::json(StatusCode::CREATED, &response))
}

struct NewWorkspace {
    id: String,
    external: bool,
    url: Option<String>,
    status: Status,
    token: Option<BearerToken>,
    now: i64,
}

fn insert(connection: &Connection, request: &CreateRequest, row: &NewWorkspace) -> Result<(), ApiError> {
    let runtime = if row.external { EXTERNAL } else { request.runtime.as_deref().unwrap_or("langgraph") };
    // One that has a URL and says nothing else is to be called there.
    let pushes = row.url.is_some().then(|| DeliveryMode::Push.as_str().to_owned());
    let place = request.canvas.unwrap_or_default();
    connection.execute(
        "INSERT INTO workspace (id, name, role, tier, status, url, parent_id, runtime, delivery_mode,
             max_concurrent_tasks, budget_limit, x, y, model, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?15, ?15)",
        params![
            row.id,
            request.name,
            request.role,
            request.tier.filter(|tier| *tier != 0).unwrap_or(3),
            row.status.as_str(),
            row.url.as_deref().unwrap_or_default(),
            request.parent_id.as_deref().map(normalise),
            runtime,
            request.delivery_mode.clone().or(pushes),
            request.max_concurrent_tasks.unwrap_or(1).max(1),
            request.budget_limit,
            place.x,
            place.y,
            request.model.as_deref().unwrap_or_default(),
            row.now,
        ],
    )?;
    for (key, value) in &request.secrets.0 {
        super::secrets::store(connection, &row.id, key, value, row.now)?;
    }
    let is_root = request.parent_id.is_none();
    super::memories::store_first(connection, &row.id, is_root, &request.initial_memories, row.now)?;
    match &row.token {
        Some(token) => tokens::keep(connection, &row.id, token, row.now),
        None => Ok(()),
    }
}

fn check(request: &CreateRequest) -> Result<(), ApiError> {
    if request.name.is_empty() {
        return Err(ApiError::bad_request("invalid workspace payload").with("detail", "name is required"));
    }
    check_fields(Some(&request.name), request.role.as_deref(), request.runtime.as_deref())?;
    if request.model.as_deref().is_some_and(|model| !is_short_line(model)) {
        return Err(ApiError::bad_request("invalid workspace fields"));
    }
    if request.template.as_deref().is_some_and(|template| !is_folder_name(template)) {
        return Err(ApiError::bad_request("invalid template"));
    }
    if request.workspace_dir.as_deref().is_some_and(|folder| !is_workspace_folder(Path::new(folder))) {
        return Err(ApiError::bad_request("invalid workspace directory"));
    }
    if request
        .workspace_access
        .as_deref()
        .is_some_and(|it| !["none", "read_only", "read_write"].contains(&it))
    {
        return Err(ApiError::bad_request("invalid workspace access"));
    }
    check_mode(request.delivery_mode.as_deref()).map(|_| ())
}

/// The rules of the fields that people type.
pub(super) fn check_fields(
    name: Option<&str>,
    role: Option<&str>,
    runtime: Option<&str>,
) -> Result<(), ApiError> {
    let is_plain = |text: &str, most: usize| {
        // Characters that would mean something in the YAML that containers are configured with.
        text.len() <= most && !text.contains(['\r', '\n', '{', '}', '[', ']', '|', '>', '*', '&', '!'])
    };
    let fine = name.is_none_or(|name| is_plain(name, 255))
        && role.is_none_or(|role| is_plain(role, 1000))
        && runtime.is_none_or(is_short_line);
    if fine { Ok(()) } else { Err(ApiError::bad_request("invalid workspace fields")) }
}

/// Reads a delivery mode, if one is given.
pub(super) fn check_mode(word: Option<&str>) -> Result<Option<DeliveryMode>, ApiError> {
    match word.map(DeliveryMode::from_word) {
        None => Ok(None),
        Some(Some(mode)) => Ok(Some(mode)),
        Some(None) => Err(ApiError::bad_request("delivery_mode must be 'push' or 'poll'")),
    }
}

fn is_short_line(text: &str) -> bool {
    text.len() <= 100 && !text.contains(['\r', '\n'])
}

fn is_folder_name(text: &str) -> bool {
    !text.contains(['/', '\\', '\0']) && !matches!(text, "." | "..")
}

fn is_workspace_folder(folder: &Path) -> bool {
    const SYSTEM: [&str; 9] = ["/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/sbin", "/sys", "/usr"];
    let climbs = folder.components().any(|part| part == std::path::Component::ParentDir);
    folder.is_absolute()
        && !climbs
        && folder != Path::new("/")
        && !SYSTEM.iter().any(|system| folder.starts_with(system))
}
