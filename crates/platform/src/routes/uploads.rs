//! Files for an agent: `POST /workspaces/:id/chat/uploads`, `GET …/chat/download`, and for one that polls
//! `GET …/pending-uploads/:file_id/content` and `POST …/pending-uploads/:file_id/ack`.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use molecule_protocol::activity::{A2A_RECEIVE, CHAT_UPLOAD_RECEIVE};
use molecule_protocol::{ActivityRow, ErrorBody, Json};
use molecule_store::rusqlite::{OptionalExtension as _, params};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Member;
use crate::error::{ApiError, StoreText as _};
use crate::records::Record;
use crate::reply::{Answer, ok};
use crate::{agent_url, log, records};

/// The most bytes of a form.
const FORM_LIMIT: usize = 50 * 1024 * 1024;
/// The most bytes of a file.
const FILE_LIMIT: usize = 25 * 1024 * 1024;
/// The most bytes of what an agent says to a form.
const ANSWER_LIMIT: usize = 1024 * 1024;
/// A form that has not come whole after so long is given up, as is an agent that has not taken one.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/chat/uploads", post(upload).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .route("/workspaces/{id}/chat/download", get(download))
        .route("/workspaces/{id}/pending-uploads/{file_id}/content", get(content))
        .route("/workspaces/{id}/pending-uploads/{file_id}/ack", post(acknowledge))
}

/// Takes files: keeps them for an agent that polls, hands the form on to one that is pushed to.
async fn upload(State(app): State<App>, member: Member, request: Request) -> Answer {
    let Member { id, itself, .. } = member;
    let asked = id.clone();
    let record = app.db.read(move |connection| records::present(connection, &asked)).await?;
    if !record.is_external() {
        return Err(no_container());
    }
    let full = |_| ApiError::internal("failed to parse multipart form");
    let _place = app.forms.acquire().await.map_err(full)?;
    if !record.polls() {
        return hand_on(&app, &record, request).await;
    }
    let files = in_time(read_form(request)).await?;
    let now = app.now();
    let rows: Vec<_> = files.iter().map(|file| file.row(&id, itself, now)).collect();
    let shown: Vec<_> = files.iter().map(|file| file.shown(&id)).collect();
    let written = rows.clone();
    app.db
        .write(move |connection| {
            records::present(connection, &id)?;
            let sql = "INSERT INTO upload (id, workspace_id, name, mime_type, content, created_at)
                       VALUES (?, ?, ?, ?, ?, ?)";
            for file in &files {
                let content: &[u8] = &file.content;
                connection.execute(sql, params![file.id, id, file.name, file.mime_type, content, now])?;
            }
            written.iter().try_for_each(|row| log::insert(connection, row))
        })
        .await
        .or_text("failed to store upload")?;
    rows.iter().for_each(|row| app.events.tell_of_row(row));
    ok(&json!({ "files": shown }))
}

/// A file out of a form.
struct File {
    id: String,
    name: String,
    mime_type: String,
    content: Vec<u8>,
}

impl File {
    fn uri(&self, workspace: &str) -> String {
        format!("platform-pending:{workspace}/{}", self.id)
    }

    /// What the uploader is told.
    fn shown(&self, workspace: &str) -> Value {
        json!({
            "uri": self.uri(workspace),
            "name": self.name,
            "mimeType": self.mime_type,
            "size": self.content.len(),
        })
    }

    /// What the agent is told. A file that it uploaded itself has a sender, so that it is not taken for the user's.
    fn row(&self, workspace: &str, itself: bool, now: i64) -> ActivityRow {
        let mut body = self.shown(workspace);
        if let Some(members) = body.as_object_mut() {
            members.insert("file_id".to_owned(), self.id.clone().into());
        }
        ActivityRow {
            source_id: itself.then(|| workspace.to_owned()),
            target_id: Some(workspace.to_owned()),
            method: Some(CHAT_UPLOAD_RECEIVE.to_owned()),
            summary: Some(log::summary(&self.name)),
            request_body: Some(Json::from(body)),
            ..log::row(workspace, A2A_RECEIVE, now)
        }
    }
}

/// Gives up a form that does not come: it holds up others.
async fn in_time<T>(form: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let late = |_| {
        let detail = format!("it did not come within {} s", PATIENCE.as_secs());
        ApiError::bad_request("failed to parse multipart form").with("detail", detail)
    };
    tokio::time::timeout(PATIENCE, form).await.map_err(late)?
}

async fn read_form(request: Request) -> Result<Vec<File>, ApiError> {
    let refusal =
        |detail: String| ApiError::bad_request("failed to parse multipart form").with("detail", detail);
    let malformed = |error: MultipartError| refusal(error.body_text());
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|rejection| refusal(rejection.body_text()))?;
    let mut files = Vec::new();
    while let Some(mut field) = form.next_field().await.map_err(malformed)? {
        if field.name() != Some("files") {
            continue;
        }
        let name = plain_name(field.file_name().unwrap_or_default());
        let mime_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let mut content = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(malformed)? {
            if content.len() + chunk.len() > FILE_LIMIT {
                let refusal = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "file exceeds the size limit");
                return Err(refusal.with("name", name).with("limit", FILE_LIMIT));
            }
            content.extend_from_slice(&chunk);
        }
        files.push(File { id: uuid::Uuid::new_v4().to_string(), name, mime_type, content });
    }
    match files.is_empty() {
        true => Err(ApiError::bad_request("expected at least one 'files' field")),
        false => Ok(files),
    }
}

/// The last part of a name, on whatever system it was a path.
fn plain_name(path: &str) -> String {
    let name: String =
        path.rsplit(['/', '\\']).next().unwrap_or_default().chars().filter(|it| !it.is_control()).collect();
    if matches!(name.as_str(), "" | "." | "..") { "file".to_owned() } else { name }
}

/// Hands a form on to the agent, with the secret by which it knows the platform.
async fn hand_on(app: &App, record: &Record, request: Request) -> Answer {
    let url = &record.shown.url;
    let refuse = |status, text: &str| ApiError::new(status, text);
    if url.is_empty() {
        let refusal = refuse(StatusCode::SERVICE_UNAVAILABLE, "workspace has no URL");
        return Err(refusal.with("status", record.status().as_str()));
    }
    let unroutable = |why: String| {
        refuse(StatusCode::BAD_GATEWAY, "workspace URL is not publicly routable").with("detail", why)
    };
    agent_url::may_call(&app.config, url).await.map_err(unroutable)?;
    let origin = url::Url::parse(url).map_err(|error| unroutable(error.to_string()))?.origin();
    let (parts, body) = request.into_parts();
    let form = in_time(async {
        axum::body::to_bytes(body, FORM_LIMIT).await.map_err(|error| {
            ApiError::bad_request("failed to parse multipart form").with("detail", error.to_string())
        })
    });
    let form = form.await?;
    let address = format!("{}/internal/chat/uploads/ingest", origin.ascii_serialization());
    let mut call = app.http.post(address).timeout(PATIENCE).body(form);
    if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
        call = call.header(header::CONTENT_TYPE, kind);
    }
    if let Some(secret) = &record.inbound_secret {
        call = call.bearer_auth(secret);
    }
    let unreached = |error: reqwest::Error| {
        refuse(StatusCode::BAD_GATEWAY, "failed to reach workspace agent")
            .with("detail", error.without_url().to_string())
    };
    let mut answer = call.send().await.map_err(unreached)?;
    let (status, mut said) = (answer.status(), Vec::new());
    while let Some(chunk) = answer.chunk().await.map_err(unreached)? {
        if said.len() + chunk.len() > ANSWER_LIMIT {
            return Err(refuse(StatusCode::BAD_GATEWAY, "failed to read agent response"));
        }
        said.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let own = ErrorBody::read(&said).map(|body| body.error);
        // Its 401 is about the platform's secret: passed on, it would look like one about the caller's token.
        let passed = if status == StatusCode::PAYLOAD_TOO_LARGE { status } else { StatusCode::BAD_GATEWAY };
        let refusal = refuse(passed, own.as_deref().unwrap_or("the agent refused the upload"));
        return Err(refusal.with("agent_status", status.as_u16()));
    }
    // Whatever the agent calls it: never a page.
    match Json::object_in(&said) {
        Some(body) => ok(&body),
        None => Err(refuse(StatusCode::BAD_GATEWAY, "failed to read agent response")),
    }
}

async fn download(State(app): State<App>, member: Member) -> Answer {
    app.db.read(move |connection| records::present(connection, &member.id)).await?;
    Err(no_container())
}

fn no_container() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace container not running")
}

/// The bytes of a file that waits for the agent.
async fn content(
    State(app): State<App>,
    member: Member,
    Path((_, file_id)): Path<(String, String)>,
) -> Answer {
    let file = file(&file_id)?;
    let found: Option<(String, Vec<u8>)> = app
        .db
        .read(move |connection| {
            let sql = "SELECT mime_type, content FROM upload
                       WHERE id = ? AND workspace_id = ? AND content IS NOT NULL";
            let row = connection.query_row(sql, [file, member.id], |row| Ok((row.get(0)?, row.get(1)?)));
            Ok::<_, ApiError>(row.optional()?)
        })
        .await
        .or_text("query failed")?;
    let (mime_type, content) = found.ok_or_else(no_file)?;
    let mut response = Response::new(Body::from(content));
    let kind = HeaderValue::from_str(&mime_type);
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    // A stranger's file, from the origin of the page: a browser must not show it.
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}

/// Forgets a file that the agent has. Again is no error: the first answer may have been lost.
async fn acknowledge(
    State(app): State<App>,
    member: Member,
    Path((_, file_id)): Path<(String, String)>,
) -> Answer {
    let file = file(&file_id)?;
    let known = app
        .db
        .write(move |connection| {
            let sql = "UPDATE upload SET content = NULL WHERE id = ? AND workspace_id = ?";
            Ok::<_, ApiError>(connection.execute(sql, [file, member.id])?)
        })
        .await
        .or_text("failed to acknowledge upload")?;
    match known {
        0 => Err(no_file()),
        _ => ok(&json!({ "status": "acked" })),
    }
}

fn file(id: &str) -> Result<String, ApiError> {
    match id.parse::<uuid::Uuid>() {
        Ok(id) => Ok(id.to_string()),
        Err(_) => Err(ApiError::bad_request("invalid file ID")),
    }
}

/// For a file that is nowhere, acknowledged, or another workspace's.
fn no_file() -> ApiError {
    ApiError::not_found("file not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_folders_in_it() {
        for (path, name) in [
            ("a.txt", "a.txt"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\b", "b"),
            ("..", "file"),
            ("", "file"),
            ("x/", "file"),
            ("a\nb", "ab"),
        ] {
            assert_eq!(plain_name(path), name, "{path:?}");
        }
    }
}
