//! Who may do what: the gates in front of the routes.
//!
//! A gate is an extractor. A handler gets the id in its path only from the gate it names in its signature, so that
//! the signature says what is demanded, and a route cannot forget it.
//!
//! | gate | demands |
//! | --- | --- |
//! | [`Anyone`] | nothing |
//! | [`Member`] | a token of the workspace in the path, or the admin's; in open development none, but never a wrong one |
//! | [`Own`] | the same, and once the workspace has tokens one of its own |
//! | [`Discoverer`] | once the calling workspace has tokens, one of them; nothing in open development |
//! | [`Admin`] | the admin's token; without one set, any workspace's, or nothing while there is none; nothing in open development |
//! | [`bootstrap`] | once the workspace in the body has tokens, one of them |

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use molecule_protocol::{WORKSPACE_ID_HEADER, WorkspaceId};

use crate::app::App;
use crate::error::ApiError;
use crate::tokens::{self, Known};

const MISSING: &str = "missing workspace auth token";
const INVALID: &str = "invalid workspace auth token";

/// Everybody passes.
pub(crate) struct Anyone {
    pub(crate) id: String,
}

impl FromRequestParts<App> for Anyone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self { id: path_id(parts, app).await?.0 })
    }
}

/// A workspace, or its operator.
pub(crate) struct Member {
    /// The id in the path, lower-case if it is one.
    pub(crate) id: String,
    /// The id as it was written.
    pub(crate) written: String,
}

impl FromRequestParts<App> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (id, written) = path_id(parts, app).await?;
        let shown = Shown::of(app, &parts.headers).await.map_err(unavailable)?;
        match shown {
            Shown::Admin => {}
            Shown::Workspace(known) if known.workspace == id => {}
            Shown::Nothing if app.config.is_open() => {}
            Shown::Nothing => return Err(ApiError::unauthorized(MISSING)),
            Shown::Workspace(_) | Shown::Nonsense => return Err(ApiError::unauthorized(INVALID)),
        }
        Ok(Self { id, written })
    }
}

/// A workspace itself.
pub(crate) struct Own {
    pub(crate) id: String,
    pub(crate) written: String,
}

impl FromRequestParts<App> for Own {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Member { id, written } = Member::from_request_parts(parts, app).await?;
        own_token(app, &parts.headers, &id, MISSING, INVALID).await?;
        Ok(Self { id, written })
    }
}

/// A workspace that looks for others: the one in the path of `/registry/:id/peers`.
pub(crate) struct Discoverer {
    pub(crate) id: String,
}

impl FromRequestParts<App> for Discoverer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (id, _) = path_id(parts, app).await?;
        discoverer(app, &parts.headers, &id).await?;
        Ok(Self { id })
    }
}

/// The gate of [`Discoverer`] for a caller that a header names.
pub(crate) async fn discoverer(app: &App, headers: &HeaderMap, caller: &str) -> Result<(), ApiError> {
    match app.config.is_open() {
        true => Ok(()),
        false => own_token(app, headers, caller, MISSING, INVALID).await,
    }
}

/// The operator of the platform.
pub(crate) struct Admin;

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if app.config.is_open() {
            return Ok(Self);
        }
        let set = app.config.admin_token.is_some();
        if !set && !app.db.read(tokens::any_live).await? {
            return Ok(Self);
        }
        match Shown::of(app, &parts.headers).await? {
            Shown::Admin => Ok(Self),
            Shown::Workspace(_) if !set => Ok(Self),
            Shown::Nothing => Err(ApiError::unauthorized("admin auth required")),
            Shown::Workspace(_) | Shown::Nonsense => Err(ApiError::unauthorized("invalid admin auth token")),
        }
    }
}

/// The gate of register, heartbeat and update-card, whose workspace is named in the body.
pub(crate) async fn bootstrap(app: &App, headers: &HeaderMap, workspace: &str) -> Result<(), ApiError> {
    own_token(app, headers, workspace, MISSING, INVALID).await
}

/// Who sends a message through the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The user: no identity at all, or the operator's.
    User,
    /// A workspace.
    Workspace(String),
}

impl Caller {
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::User => None,
            Self::Workspace(id) => Some(id),
        }
    }
}

/// Says who sends a message to `target`, and checks that it is.
///
/// Where the header that names the caller is missing, its token does. A token that is nobody's is refused even then:
/// otherwise a workspace whose token was revoked would speak as the user.
pub(crate) async fn caller(app: &App, headers: &HeaderMap, target: &str) -> Result<Caller, ApiError> {
    let (missing, invalid) = ("missing caller auth token", "invalid caller auth token");
    let named = headers.get(WORKSPACE_ID_HEADER).and_then(|it| it.to_str().ok()).unwrap_or_default().trim();
    if ["webhook:", "system:", "test:", "channel:"].iter().any(|prefix| named.starts_with(prefix)) {
        return Err(ApiError::forbidden("invalid caller ID"));
    }
    if named.is_empty() {
        return match Shown::of(app, headers).await? {
            Shown::Nothing | Shown::Admin => Ok(Caller::User),
            Shown::Workspace(known) => Ok(Caller::Workspace(known.workspace)),
            Shown::Nonsense => Err(ApiError::unauthorized(invalid)),
        };
    }
    let named = normalise(named);
    if named != target {
        own_token(app, headers, &named, missing, invalid).await?;
    }
    Ok(Caller::Workspace(named))
}

/// Passes if `workspace` has no live token, or if one of them is shown.
async fn own_token(
    app: &App,
    headers: &HeaderMap,
    workspace: &str,
    missing: &str,
    invalid: &str,
) -> Result<(), ApiError> {
    let id = workspace.to_owned();
    if app.db.read(move |connection| tokens::live(connection, &id)).await.map_err(unavailable)? == 0 {
        return Ok(());
    }
    match Shown::of(app, headers).await.map_err(unavailable)? {
        Shown::Workspace(known) if known.workspace == workspace => Ok(()),
        Shown::Nothing => Err(ApiError::unauthorized(missing)),
        Shown::Workspace(_) | Shown::Admin | Shown::Nonsense => Err(ApiError::unauthorized(invalid)),
    }
}

/// What credentials a request shows.
enum Shown {
    Nothing,
    Admin,
    Workspace(Known),
    /// A token that is nobody's, or revoked.
    Nonsense,
}

impl Shown {
    async fn of(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(token) = bearer(headers) else { return Ok(Self::Nothing) };
        let hash = tokens::hash(token);
        // Hashes are compared, so that the time it takes tells nothing about the token.
        if app.config.admin_token.as_ref().is_some_and(|admin| tokens::hash(admin.expose()) == hash) {
            return Ok(Self::Admin);
        }
        match app.db.read(move |connection| tokens::recognise(connection, hash)).await? {
            Some(known) => {
                app.token_uses.note(&known, app.now());
                Ok(Self::Workspace(known))
            }
            None => Ok(Self::Nonsense),
        }
    }
}

/// The admin's token, if that is what a request shows. For the one route with a rule of its own.
pub(crate) fn shows_admin_token(app: &App, headers: &HeaderMap) -> bool {
    let shown = bearer(headers).map(tokens::hash);
    app.config.admin_token.as_ref().is_some_and(|admin| shown == Some(tokens::hash(admin.expose())))
}

/// The bearer token: the scheme and its one space to the letter, the rest trimmed.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?.trim();
    (!token.is_empty()).then_some(token)
}

/// The id in the path, lower-case if it is one, and as it was written.
async fn path_id(parts: &mut Parts, app: &App) -> Result<(String, String), ApiError> {
    let path = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
    let Path(mut path) = path.map_err(|_| ApiError::bad_request("invalid workspace ID"))?;
    let written = path.remove("id").unwrap_or_default();
    Ok((normalise(&written), written))
}

/// An id in the one form that the database holds.
pub(crate) fn normalise(id: &str) -> String {
    id.parse::<WorkspaceId>().map_or_else(|_| id.to_owned(), |id| id.to_string())
}

/// The storage cannot say who is who: nobody passes.
fn unavailable(error: ApiError) -> ApiError {
    match error.status() {
        StatusCode::INTERNAL_SERVER_ERROR => {
            let refusal =
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the platform cannot check tokens now");
            refusal.with("code", "platform_unavailable")
        }
        _ => error,
    }
}
