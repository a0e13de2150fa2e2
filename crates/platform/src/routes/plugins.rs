//! Plugins: their archives, for agents outside, and lists. Nothing is installed here, as no workspace has a container.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio_util::io::ReaderStream;

use crate::app::App;
use crate::auth::{Member, Own};
use crate::error::{ApiError, StoreText as _};
use crate::plugins::{About, Failure, Source, Staged, is_name, pack};
use crate::records;
use crate::reply::{Answer, ok, parse};

/// The most bytes that say what to install.
const INSTALL_LIMIT: usize = 64 * 1024;

/// The most bytes of a `plugin.yaml` whose sum is asked for.
const MAX_YAML: u64 = 1024 * 1024;

pub(super) fn routes() -> Router<App> {
    let install = get(installed).post(install).layer(DefaultBodyLimit::max(INSTALL_LIMIT));
    Router::new()
        .route("/plugins", get(list))
        .route("/plugins/sources", get(sources))
        .route("/workspaces/{id}/plugins", install)
        .route("/workspaces/{id}/plugins/available", get(available))
        .route("/workspaces/{id}/plugins/compatibility", get(compatibility))
        .route("/workspaces/{id}/plugins/{name}", delete(uninstall))
        .route("/workspaces/{id}/plugins/{name}/download", get(download))
}

#[derive(Deserialize)]
struct Wanted {
    source: Option<String>,
}

async fn download(
    State(app): State<App>,
    _: Own,
    Path((_, name)): Path<(String, String)>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Answer {
    check_name(&name)?;
    let Query(wanted) = wanted.map_err(|_| ApiError::bad_request("invalid plugin source"))?;
    let source = match wanted.source.filter(|source| !source.is_empty()) {
        Some(source) => Source::parse(&source)?,
        None => Source::Local(name.clone()),
    };
    let requested = name.clone();
    let packed = app.plugins.fetch(source.clone(), move |staged| {
        if staged.name != requested {
            return Err(Failure::OtherName { resolved: staged.name, requested });
        }
        let archive = pack(&staged)?;
        let length = archive.metadata().map_err(Failure::CannotPack)?.len();
        Ok((archive, length))
    });
    let (archive, length) = packed.await.map_err(|failure| failure.refusal(&source))?;
    let headers = headers(&name, &source, length).ok_or_else(|| {
        Failure::Defect("the name of the plugin fits no header".to_owned()).refusal(&source)
    })?;
    let body = Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(archive), 64 * 1024));
    Ok((headers, body).into_response())
}

fn headers(name: &str, source: &Source, length: u64) -> Option<HeaderMap> {
    let attachment = format!("attachment; filename=\"{name}.tar.gz\"");
    let values = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/gzip")),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(attachment).ok()?),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        (HeaderName::from_static("x-plugin-name"), HeaderValue::try_from(name).ok()?),
        // The name of a ref may be of any script.
        (
            HeaderName::from_static("x-plugin-source"),
            HeaderValue::from_bytes(source.to_string().as_bytes()).ok()?,
        ),
    ];
    Some(values.into_iter().collect())
}

#[derive(Deserialize)]
struct Install {
    source: String,
    #[serde(default)]
    sha256: String,
}

/// Checks everything, and then there is no container to install into.
async fn install(State(app): State<App>, _: Member, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body.map_err(|rejection| ApiError::new(rejection.status(), "request body too large"))?;
    let Install { source, sha256 } = parse(&body, "invalid request body")?;
    if source.is_empty() {
        return Err(ApiError::bad_request("invalid request body").with("detail", "source is required"));
    }
    let source = Source::parse(&source)?;
    let checked = app.plugins.fetch(source.clone(), move |staged| check_yaml(&staged, &sha256)).await;
    checked.map_err(|failure| failure.refusal(&source))?;
    Err(no_container())
}

/// Passes without a sum, or if it is that of the bytes of `plugin.yaml`.
fn check_yaml(staged: &Staged, sha256: &str) -> Result<(), Failure> {
    if sha256.is_empty() {
        return Ok(());
    }
    let Some(yaml) = staged.small_file("plugin.yaml", MAX_YAML)? else {
        return Err(Failure::NotIntact("there is no plugin.yaml to have that sha256".to_owned()));
    };
    let actual = crate::plugins::hex(&Sha256::digest(&yaml));
    match actual.eq_ignore_ascii_case(sha256) {
        true => Ok(()),
        false => Err(Failure::NotIntact(format!("plugin.yaml has the sha256 {actual}"))),
    }
}

async fn uninstall(_: Member, Path((_, name)): Path<(String, String)>) -> Answer {
    check_name(&name)?;
    Err(no_container())
}

async fn installed(_: Member) -> Answer {
    ok(&json!([]))
}

async fn sources() -> Answer {
    ok(&json!({ "schemes": Source::SCHEMES }))
}

#[derive(Deserialize)]
struct Runtime {
    #[serde(default)]
    runtime: String,
}

async fn list(State(app): State<App>, Query(Runtime { runtime }): Query<Runtime>) -> Answer {
    let mut plugins = app.plugins.about_all().await;
    plugins.retain(|about| runtime.is_empty() || about.runs_on(&runtime));
    ok(&plugins)
}

/// All there are, each with a word on whether it runs in this workspace.
async fn available(State(app): State<App>, member: Member) -> Answer {
    let record =
        app.db.read(move |connection| records::find(connection, &member.id)).await.or_text("query failed")?;
    let runtime = record.ok_or_else(ApiError::no_workspace)?.shown.runtime;
    let plugins = app.plugins.about_all().await;
    ok(&plugins.into_iter().map(|about| about.judged_for(&runtime)).collect::<Vec<About>>())
}

/// Whether what is installed would run on another runtime. Nothing is installed, so all of it would.
async fn compatibility(_: Member, Query(Runtime { runtime }): Query<Runtime>) -> Answer {
    if runtime.is_empty() {
        return Err(ApiError::bad_request("runtime query parameter is required"));
    }
    ok(&json!({ "target_runtime": runtime, "compatible": [], "incompatible": [], "all_compatible": true }))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if is_name(name) { Ok(()) } else { Err(ApiError::bad_request("invalid plugin name")) }
}

fn no_container() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace container not running")
}
