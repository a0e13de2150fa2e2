//! Who may do what: the gates in front of the routes.
//!
//! A gate is an extractor where the path says who is meant: a handler gets the id in its path only from the gate it names
//! in its signature, so that the signature says what is demanded. Where a header or the body says it, the gate is a
//! function, which the handler calls first.
//!
//! | gate | demands |
//! | --- | --- |
//! | [`Anyone`] | nothing |
//! | [`Member`] | a token of the workspace in the path, or the admin's; in open development none, but never a wrong one |
//! | [`Own`] | the same, and once the workspace has tokens one of its own |
//! | [`Discoverer`], [`discoverer`] | once the calling workspace has tokens, one of them; nothing in open development |
//! | [`caller`] | of a named caller other than the target, once it has tokens, one of them; else nothing, but never a wrong one |
//! | [`Reader`] | anybody's token; in open development none, but never a wrong one |
//! | [`Admin`] | the admin's token; without one set, any workspace's, or nothing while there is none; nothing in open development |
//! | [`bootstrap`] | once the workspace in the body has tokens, one of them |
//!
//! A token of the organisation passes [`Member`], [`Reader`] and [`Admin`] as the admin's does, and is nobody's elsewhere; as
//! a [`caller`] that is not named it is the user.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use molecule_protocol::{WORKSPACE_ID_HEADER, WorkspaceId};
use molecule_store::rusqlite::Connection;

use crate::app::App;
use crate::error::ApiError;
use crate::tokens::{self, Known};

const MISSING: &str = "missing workspace auth token";
const INVALID: &str = "invalid workspace auth token";
const CALLER_MISSING: &str = "missing caller auth token";
const CALLER_INVALID: &str = "invalid caller auth token";

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
    /// The workspace itself asks: a token of its own was shown.
    pub(crate) itself: bool,
}

impl FromRequestParts<App> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (id, written) = path_id(parts, app).await?;
        let itself = match Shown::of(app, &parts.headers).await? {
            Shown::Admin | Shown::Organisation => false,
            Shown::Workspace(known) if known.workspace == id => true,
            Shown::Nothing if app.config.is_open() => false,
            Shown::Nothing => return Err(ApiError::unauthorized(MISSING)),
            Shown::Workspace(_) | Shown::Nonsense => return Err(ApiError::unauthorized(INVALID)),
        };
        Ok(Self { id, written, itself })
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
        let Member { id, written, .. } = Member::from_request_parts(parts, app).await?;
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
        if !set && !app.db.read(tokens::any_live).await.map_err(ApiError::at_gate)? {
            return Ok(Self);
        }
        match Shown::of(app, &parts.headers).await? {
            Shown::Admin | Shown::Organisation => Ok(Self),
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

/// What a request showed to [`bootstrap`], for a route whose write makes the first token: of two first registers that
/// pass the gate at once, one comes too late.
pub(crate) struct Bootstrap(Option<[u8; 32]>);

impl Bootstrap {
    pub(crate) fn shown(headers: &HeaderMap) -> Self {
        Self(bearer(headers).map(tokens::hash))
    }

    /// The gate once more, within the write.
    pub(crate) fn judge(&self, connection: &Connection, workspace: &str) -> Result<(), ApiError> {
        if tokens::live(connection, workspace)? == 0 {
            return Ok(());
        }
        let Some(hash) = self.0 else { return Err(ApiError::unauthorized(MISSING)) };
        match tokens::recognise(connection, hash)? {
            Some(known) if known.workspace == workspace => Ok(()),
            _ => Err(ApiError::unauthorized(INVALID)),
        }
    }
}

/// Whoever asks where a queued message stands: its sender, its target or the operator. Whether it is one of them is seen
/// from the message.
pub(crate) enum Reader {
    /// The operator; in open development anybody.
    Operator,
    /// A workspace.
    Workspace(String),
}

impl FromRequestParts<App> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Shown::of(app, &parts.headers).await? {
            Shown::Admin | Shown::Organisation => Ok(Self::Operator),
            Shown::Workspace(known) => Ok(Self::Workspace(known.workspace)),
            Shown::Nothing if app.config.is_open() => Ok(Self::Operator),
            Shown::Nothing => Err(ApiError::unauthorized(CALLER_MISSING)),
            Shown::Nonsense => Err(ApiError::unauthorized(CALLER_INVALID)),
        }
    }
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

/// Says who sends a message to `target`, and checks that it is; but whoever names the target itself is believed, as the
/// platform does.
///
/// Where the header that names the caller is missing, its token does. A token that is nobody's is refused even then:
/// otherwise a workspace whose token was revoked would speak as the user.
pub(crate) async fn caller(app: &App, headers: &HeaderMap, target: &str) -> Result<Caller, ApiError> {
    let named = named(headers);
    if ["webhook:", "system:", "test:", "channel:"].iter().any(|prefix| named.starts_with(prefix)) {
        return Err(ApiError::forbidden("invalid caller ID"));
    }
    if named.is_empty() {
        return match Shown::of(app, headers).await? {
            Shown::Nothing | Shown::Admin | Shown::Organisation => Ok(Caller::User),
            Shown::Workspace(known) => Ok(Caller::Workspace(known.workspace)),
            Shown::Nonsense => Err(ApiError::unauthorized(CALLER_INVALID)),
        };
    }
    let named = normalise(named);
    if named != target {
        own_token(app, headers, &named, CALLER_MISSING, CALLER_INVALID).await?;
    }
    Ok(Caller::Workspace(named))
}

/// Whom a request names as its caller; empty if nobody.
pub(crate) fn named(headers: &HeaderMap) -> &str {
    headers.get(WORKSPACE_ID_HEADER).and_then(|it| it.to_str().ok()).unwrap_or_default().trim()
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
    let live =
        app.db.read(move |connection| tokens::live(connection, &id)).await.map_err(ApiError::at_gate)?;
    if live == 0 {
        return Ok(());
    }
    match Shown::of(app, headers).await? {
        Shown::Workspace(known) if known.workspace == workspace => Ok(()),
        Shown::Nothing => Err(ApiError::unauthorized(missing)),
        Shown::Workspace(_) | Shown::Admin | Shown::Organisation | Shown::Nonsense => {
            Err(ApiError::unauthorized(invalid))
        }
    }
}

/// What credentials a request shows.
enum Shown {
    Nothing,
    Admin,
    /// A token of the whole organisation.
    Organisation,
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
        let known = app.db.read(move |connection| {
            Ok::<_, ApiError>(match tokens::recognise(connection, hash)? {
                Some(known) => Self::Workspace(known),
                None if tokens::is_of_organisation(connection, hash)? => Self::Organisation,
                None => Self::Nonsense,
            })
        });
        let shown = known.await.map_err(ApiError::at_gate)?;
        if let Self::Workspace(known) = &shown {
            app.token_uses.note(known, app.now());
        }
        Ok(shown)
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
