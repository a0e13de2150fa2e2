//! `POST /registry/register` and `POST /registry/update-card`

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use molecule_protocol::card::UpdateCardRequest;
use molecule_protocol::{
    ActivityRow, BearerToken, DeliveryMode, RegisterRequest, RegisterResponse, WorkspaceId,
};
use molecule_store::rusqlite::{Connection, params};
use serde_json::json;

use super::create::check_mode;
use crate::a2a::queue;
use crate::app::App;
use crate::auth::{Bootstrap, bootstrap, normalise};
use crate::clock::micros;
use crate::error::{ApiError, StoreText as _};
use crate::records::{self, Record};
use crate::reply::{Answer, ok, parse};
use crate::{agent_url, tokens};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/registry/register", post(register))
        .route("/registry/update-card", post(update_card))
}

/// Makes a workspace online, whatever it was; only one that was removed stays so.
///
/// The order of the checks is the platform's: body, mode, token, URL.
async fn register(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer {
    let mut request: RegisterRequest = parse(&body, "invalid request body")?;
    if request.id.is_empty() {
        return Err(ApiError::bad_request("invalid request body").with("detail", "id is required"));
    }
    let said = check_mode(request.delivery_mode.as_deref())?;
    request.id = normalise(&request.id);
    bootstrap(&app, &headers, &request.id).await?;
    let id = request.id.clone();
    let before =
        app.db.read(move |connection| records::find(connection, &id)).await.or_text("registration failed")?;
    let mode = said.unwrap_or_else(|| mode_of(before.as_ref()));
    if mode == DeliveryMode::Push {
        let url = request.url.as_deref().filter(|url| !url.is_empty());
        let judged = match url {
            None => Err("url is required in push mode".to_owned()),
            Some(url) => agent_url::may_register(&app.config, url).await,
        };
        judged.map_err(|why| ApiError::bad_request("invalid request body").with("detail", why))?;
    }
    if request.id.parse::<WorkspaceId>().is_err() {
        return Err(ApiError::internal("registration failed").with("detail", "id is not a UUID"));
    }
    let fresh = Fresh { token: tokens::random()?, inbound_secret: tokens::random()? };
    let (now, good_until) = (app.now(), app.now() + micros(app.config.liveness_ttl));
    let (id, shown) = (request.id.clone(), Bootstrap::shown(&headers));
    let registered = app
        .db
        .write(move |connection| {
            shown.judge(connection, &request.id)?;
            if records::find(connection, &request.id)?.is_some_and(|record| record.is_removed()) {
                return Ok(Registered::tombstone(mode, fresh));
            }
            upsert(connection, &request, mode, &fresh, now, good_until)
        })
        .await
        .or_text("registration failed")?;
    if !registered.is_removed {
        app.events.tell(&id, "WORKSPACE_ONLINE", now, json!({ "delivery_mode": mode }));
    }
    for row in &registered.handed_over {
        app.events.tell_of_row(row);
    }
    ok(&registered.response)
}

/// What came of a registration.
struct Registered {
    response: RegisterResponse,
    is_removed: bool,
    /// Messages that waited in the queue of an agent that polls from now on, and are in its log instead.
    handed_over: Vec<ActivityRow>,
}

impl Registered {
    /// Of a workspace that was removed: the platform's answer, with a token that is kept nowhere and thus never
    /// recognised.
    fn tombstone(mode: DeliveryMode, fresh: Fresh) -> Self {
        let response = RegisterResponse {
            status: "registered".to_owned(),
            auth_token: Some(fresh.token),
            delivery_mode: Some(mode),
            platform_inbound_secret: None,
        };
        Self { response, is_removed: true, handed_over: Vec::new() }
    }
}

fn mode_of(record: Option<&Record>) -> DeliveryMode {
    record.and_then(|record| record.shown.delivery_mode).unwrap_or(DeliveryMode::Push)
}

/// Secrets made beforehand, for a workspace that turns out to have none.
struct Fresh {
    token: BearerToken,
    inbound_secret: BearerToken,
}

fn upsert(
    connection: &Connection,
    request: &RegisterRequest,
    mode: DeliveryMode,
    fresh: &Fresh,
    now: i64,
    good_until: i64,
) -> Result<Registered, ApiError> {
    let url = request.url.as_deref().filter(|_| mode == DeliveryMode::Push).unwrap_or_default();
    // A URL that the platform itself gave to a container on this machine stays.
    connection.execute(
        "INSERT INTO workspace (id, name, tier, status, url, runtime, delivery_mode, agent_card, inbound_secret,
             last_heartbeat_at, liveness_until, created_at, updated_at)
         VALUES (?1, ?1, 1, 'online', ?2, 'langgraph', ?3, ?4, ?5, ?6, ?7, ?6, ?6)
         ON CONFLICT (id) DO UPDATE SET
             status = 'online',
             url = iif(url LIKE 'http://127.0.0.1%' AND excluded.url <> '', url, excluded.url),
             delivery_mode = excluded.delivery_mode,
             agent_card = excluded.agent_card,
             inbound_secret = coalesce(inbound_secret, excluded.inbound_secret),
             last_heartbeat_at = excluded.last_heartbeat_at,
             liveness_until = excluded.liveness_until,
             updated_at = excluded.updated_at",
        params![
            request.id,
            url,
            mode.as_str(),
            request.agent_card.get(),
            fresh.inbound_secret.expose(),
            now,
            good_until,
        ],
    )?;
    let record = records::find(connection, &request.id)?;
    let auth_token = match tokens::live(connection, &request.id)? {
        0 => {
            tokens::keep(connection, &request.id, &fresh.token, now)?;
            Some(fresh.token.clone())
        }
        _ => None,
    };
    let response = RegisterResponse {
        status: "registered".to_owned(),
        auth_token,
        delivery_mode: Some(mode),
        platform_inbound_secret: record
            .and_then(|it| it.inbound_secret)
            .and_then(|secret| secret.parse().ok()),
    };
    let handed_over = match mode {
        DeliveryMode::Poll => queue::hand_over(connection, &request.id, now)?,
        DeliveryMode::Push => Vec::new(),
    };
    Ok(Registered { response, is_removed: false, handed_over })
}

/// Replaces the card and nothing else. A workspace that is gone gets the same answer.
async fn update_card(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer {
    let request: UpdateCardRequest = parse(&body, "invalid request body")?;
    let id = normalise(&request.workspace_id);
    if id.is_empty() {
        return Err(ApiError::bad_request("invalid request body").with("detail", "workspace_id is required"));
    }
    bootstrap(&app, &headers, &id).await?;
    let now = app.now();
    let wrote = app
        .db
        .write(move |connection| {
            match records::find(connection, &id)?.is_some_and(|record| !record.is_removed()) {
                true => records::set(connection, &id, "agent_card", &request.agent_card.get(), now),
                false => Ok(()),
            }
        })
        .await;
    wrote.or_text("failed to update card")?;
    ok(&json!({ "status": "updated" }))
}
