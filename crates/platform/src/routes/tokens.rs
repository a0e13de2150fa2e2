//! The tokens of a workspace: `/workspaces/:id/tokens`, `GET /admin/workspaces/:id/test-token`

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get};
use molecule_protocol::tokens::{MintedToken, TokenList, TokenRow};
use molecule_store::rusqlite::params;
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::auth::{Anyone, Member, shows_admin_token};
use crate::clock::time;
use crate::config::Environment;
use crate::error::{ApiError, StoreText as _};
use crate::events::TOKENS_REVOKED;
use crate::reply::{self, Answer, ok};
use crate::tokens::LIVE;
use crate::{records, tokens};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/tokens", get(list).post(mint))
        .route("/workspaces/{id}/tokens/{token}", delete(revoke))
        .route("/admin/workspaces/{id}/test-token", get(test_token))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    limit: Option<String>,
    #[serde(default)]
    offset: Option<String>,
}

async fn list(State(app): State<App>, member: Member, Query(page): Query<Page>) -> Answer {
    let limit =
        page.limit.and_then(|it| it.parse::<i64>().ok()).filter(|it| (1..=200).contains(it)).unwrap_or(50);
    let offset = page.offset.and_then(|it| it.parse::<i64>().ok()).unwrap_or_default().max(0);
    let mut tokens: Vec<TokenRow> = app
        .db
        .read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT token.id, prefix, token.created_at, last_used_at FROM {LIVE} AND workspace_id = ?
                 ORDER BY token.created_at DESC, token.rowid DESC LIMIT ? OFFSET ?"
            ))?;
            let rows = statement.query_map(params![member.id, limit, offset], |row| {
                Ok(TokenRow {
                    id: row.get(0)?,
                    prefix: row.get(1)?,
                    created_at: time(row.get(2)?),
                    last_used_at: row.get::<_, Option<i64>>(3)?.map(time),
                })
            })?;
            Ok::<_, ApiError>(rows.collect::<Result<_, _>>()?)
        })
        .await
        .or_text("query failed")?;
    for token in &mut tokens {
        token.last_used_at = app.token_uses.of(&token.id).map(time).or(token.last_used_at);
    }
    ok(&TokenList { count: tokens.len(), tokens })
}

async fn mint(State(app): State<App>, member: Member) -> Answer {
    let (id, now, token) = (member.id.clone(), app.now(), tokens::random()?);
    let minted = token.clone();
    app.db
        .write(move |connection| {
            records::present(connection, &id)?;
            if tokens::live(connection, &id)? >= tokens::MOST_LIVE {
                // Without Retry-After: waiting does not help.
                let refusal = format!("maximum {} active tokens per workspace", tokens::MOST_LIVE);
                return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, refusal));
            }
            tokens::keep(connection, &id, &minted, now)
        })
        .await
        .or_text("failed to create token")?;
    let message = Some("keep this token now; it is not shown again".to_owned());
    let body = MintedToken { auth_token: Some(token), workspace_id: member.id, message };
    Ok(reply::json(StatusCode::CREATED, &body))
}

async fn revoke(State(app): State<App>, member: Member, Path((_, token)): Path<(String, String)>) -> Answer {
    if token.parse::<uuid::Uuid>().is_err() {
        return Err(
            ApiError::internal("failed to revoke token").with("detail", "the token's id is not a UUID")
        );
    }
    let (id, now) = (member.id.clone(), app.now());
    let revoked = app
        .db
        .write(move |connection| {
            let sql =
                "UPDATE token SET revoked_at = ? WHERE id = ? AND workspace_id = ? AND revoked_at IS NULL";
            Ok::<_, ApiError>(connection.execute(sql, params![now, token.to_lowercase(), id])?)
        })
        .await
        .or_text("failed to revoke token")?;
    match revoked {
        0 => Err(ApiError::not_found("token not found or already revoked")),
        _ => {
            app.events.tell(&member.id, TOKENS_REVOKED, now, json!({}));
            ok(&json!({ "status": "revoked" }))
        }
    }
}

/// A token for the asking, where that is allowed. The route has a rule of its own: it must work before anything else.
async fn test_token(State(app): State<App>, headers: HeaderMap, anyone: Anyone) -> Answer {
    let config = &app.config;
    if config.environment == Environment::Production && !config.test_tokens {
        return Err(ApiError::not_found("not found"));
    }
    if config.admin_token.is_some() && !shows_admin_token(&app, &headers) {
        return Err(ApiError::unauthorized("admin auth required"));
    }
    let (id, now, token) = (anyone.id.clone(), app.now(), tokens::random()?);
    let minted = token.clone();
    app.db
        .write(move |connection| {
            records::present(connection, &id)?;
            tokens::keep(connection, &id, &minted, now)
        })
        .await
        .or_text("failed to create token")?;
    ok(&MintedToken { auth_token: Some(token), workspace_id: anyone.id, message: None })
}
