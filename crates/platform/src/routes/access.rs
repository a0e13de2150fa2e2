//! Who is there and who may talk to whom: `GET /registry/:id/peers`, `GET /registry/discover/:id`,
//! `POST /registry/check-access`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use molecule_protocol::discovery::{CheckAccessRequest, CheckAccessResponse, DiscoverResponse, Peer};
use molecule_protocol::{Status, Workspace};
use serde::Deserialize;

use crate::app::App;
use crate::auth::{Anyone, Discoverer, discoverer, named, normalise};
use crate::error::{ApiError, StoreText as _};
use crate::reply::{Answer, ok, parse};
use crate::{agent_url, hierarchy, records};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/registry/{id}/peers", get(peers))
        .route("/registry/discover/{id}", get(discover))
        .route("/registry/check-access", post(check_access))
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

async fn peers(State(app): State<App>, discoverer: Discoverer, Query(search): Query<Search>) -> Answer {
    let peers = app
        .db
        .read(move |connection| {
            let ids = hierarchy::peers(connection, &discoverer.id)?.ok_or_else(ApiError::no_workspace)?;
            let mut peers = Vec::with_capacity(ids.len());
            for id in ids {
                peers.extend(records::find(connection, &id)?.and_then(|record| peer(record.shown)));
            }
            Ok::<_, ApiError>(peers)
        })
        .await
        .or_text("lookup failed")?;
    let wanted = search.q.to_lowercase();
    let matches = |text: &str| text.to_lowercase().contains(&wanted);
    let found = peers.iter().filter(|peer| matches(&peer.name) || peer.role.as_deref().is_some_and(matches));
    ok(&found.collect::<Vec<_>>())
}

fn peer(shown: Workspace) -> Option<Peer> {
    Some(Peer {
        id: shown.id.parse().ok()?,
        name: shown.name,
        role: shown.role.filter(|role| !role.is_empty()),
        tier: shown.tier,
        status: shown.status,
        url: shown.url,
        parent_id: shown.parent_id,
        active_tasks: shown.active_tasks,
        agent_card: shown.agent_card.filter(|card| !card.is_null()),
    })
}

async fn discover(State(app): State<App>, headers: HeaderMap, target: Anyone) -> Answer {
    let caller = named(&headers);
    if caller.is_empty() {
        return Err(ApiError::bad_request("X-Workspace-ID header is required"));
    }
    let caller = normalise(caller);
    discoverer(&app, &headers, &caller).await?;
    let record = app
        .db
        .read(move |connection| {
            if !hierarchy::may_talk(connection, &caller, &target.id)? {
                return Err(ApiError::forbidden("not authorized to discover this workspace"));
            }
            records::find(connection, &target.id)?.ok_or_else(ApiError::no_workspace)
        })
        .await
        .or_text("lookup failed")?;
    match record.status() {
        Status::Online | Status::Degraded => {
            let Workspace { id, url, name, .. } = record.shown;
            if !url.is_empty()
                && let Err(why) = agent_url::may_call(&app.config, &url).await
            {
                let refusal = "workspace URL failed safety check";
                return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, refusal).with("detail", why));
            }
            ok(&DiscoverResponse { id, url, name })
        }
        other => Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace not available")
            .with("status", other.as_str())),
    }
}

async fn check_access(State(app): State<App>, body: Bytes) -> Answer {
    let CheckAccessRequest { caller_id, target_id } = parse(&body, "invalid request body")?;
    if caller_id.is_empty() || target_id.is_empty() {
        return Err(ApiError::bad_request("invalid request body"));
    }
    let (caller, target) = (normalise(&caller_id), normalise(&target_id));
    let allowed = app.db.read(move |connection| hierarchy::may_talk(connection, &caller, &target)).await?;
    ok(&CheckAccessResponse { allowed })
}
