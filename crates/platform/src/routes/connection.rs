//! How a host connects: the connection block, `GET …/external/connection` and `POST …/external/rotate`.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use molecule_protocol::BearerToken;
use molecule_protocol::create::Connection;
use serde_json::json;

use crate::app::App;
use crate::auth::Member;
use crate::error::ApiError;
use crate::events::TOKENS_REVOKED;
use crate::records::{self, Record};
use crate::reply::{Answer, ok};
use crate::tokens;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/external/connection", get(show))
        .route("/workspaces/{id}/external/rotate", post(rotate))
}

async fn show(State(app): State<App>, member: Member, headers: HeaderMap) -> Answer {
    let id = member.id.clone();
    app.db.read(move |connection| external(connection, &id)).await?;
    ok(&block(&app, &headers, &member.id, None))
}

/// Cuts off everybody who holds a token.
async fn rotate(State(app): State<App>, member: Member, headers: HeaderMap) -> Answer {
    let (id, token, now) = (member.id.clone(), tokens::random()?, app.now());
    let minted = token.clone();
    app.db
        .write(move |connection| {
            external(connection, &id)?;
            tokens::revoke_all(connection, &id, now)?;
            tokens::keep(connection, &id, &minted, now)
        })
        .await?;
    app.events.tell(&member.id, TOKENS_REVOKED, now, json!({}));
    ok(&block(&app, &headers, &member.id, Some(token)))
}

fn external(connection: &molecule_store::rusqlite::Connection, id: &str) -> Result<Record, ApiError> {
    let record = records::present(connection, id)?;
    match record.is_external() {
        true => Ok(record),
        false => Err(ApiError::bad_request("workspace is not external")),
    }
}

/// What a host needs to connect.
pub(super) fn block(app: &App, headers: &HeaderMap, id: &str, token: Option<BearerToken>) -> Connection {
    let platform_url = platform_url(app, headers);
    Connection {
        registry_endpoint: format!("{platform_url}/registry/register"),
        heartbeat_endpoint: format!("{platform_url}/registry/heartbeat"),
        curl_register_template: format!(
            "curl -X POST {platform_url}/registry/register \\\n  \
             -H \"Authorization: Bearer $MOLECULE_WORKSPACE_TOKEN\" \\\n  \
             -d '{{\"id\":\"{id}\",\"agent_card\":{{\"name\":\"my-agent\"}},\"delivery_mode\":\"poll\"}}'\n"
        ),
        python_snippet: python(&platform_url, id),
        workspace_id: id.to_owned(),
        platform_url,
        auth_token: token,
    }
}

/// This platform as the client addresses it, proxies before it included.
fn platform_url(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = &app.config.external_url {
        return url.to_string();
    }
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let host = text("x-forwarded-host").or_else(|| text(header::HOST.as_str())).unwrap_or("localhost");
    format!("{scheme}://{host}")
}

/// A program that registers and stays online, with nothing but Python's own library.
fn python(platform_url: &str, id: &str) -> String {
    format!(
        r#"import json, os, time, urllib.request

def post(path, body):
    request = urllib.request.Request("{platform_url}" + path, json.dumps(body).encode(), {{
        "Authorization": "Bearer " + os.environ["MOLECULE_WORKSPACE_TOKEN"],
        "Content-Type": "application/json",
    }})
    return json.load(urllib.request.urlopen(request, timeout=10))

print(post("/registry/register", {{"id": "{id}", "agent_card": {{"name": "my-agent"}}, "delivery_mode": "poll"}}))
while True:
    post("/registry/heartbeat", {{"workspace_id": "{id}"}})
    time.sleep(30)
"#
    )
}
