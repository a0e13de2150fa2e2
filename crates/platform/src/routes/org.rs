//! Tokens of the organisation: `/org/tokens`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use molecule_protocol::timestamp;
use molecule_store::rusqlite::params;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Admin;
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::reply::{self, Answer, ok, parse};
use crate::tokens;

/// The most tokens made in an hour.
const MOST_AN_HOUR: i64 = 10;
/// Microseconds.
const HOUR: i64 = 3_600_000_000;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/org/tokens", get(list).post(mint)).route("/org/tokens/{token}", delete(revoke))
}

async fn list(State(app): State<App>, _: Admin) -> Answer {
    let tokens: Vec<Value> = app
        .db
        .read(|connection| {
            let sql = "SELECT id, name, prefix, created_at FROM org_token WHERE revoked_at IS NULL
                       ORDER BY created_at DESC, rowid DESC";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(json!({
                    "id": row.get::<_, String>(0)?,
                    "name": row.get::<_, Option<String>>(1)?,
                    "prefix": row.get::<_, String>(2)?,
                    "created_at": timestamp::format(time(row.get(3)?)),
                }))
            })?;
            Ok::<_, ApiError>(rows.collect::<Result<_, _>>()?)
        })
        .await
        .or_text("query failed")?;
    ok(&json!({ "count": tokens.len(), "tokens": tokens }))
}

#[derive(Deserialize, Default)]
struct Mint {
    #[serde(default)]
    name: Option<String>,
}

async fn mint(State(app): State<App>, _: Admin, body: Bytes) -> Answer {
    let Mint { name } = if body.is_empty() { Mint::default() } else { parse(&body, "invalid request body")? };
    let (token, now, id) = (tokens::random()?, app.now(), uuid::Uuid::new_v4().to_string());
    let (hash, prefix) = (tokens::hash(token.expose()), token.prefix().to_owned());
    let made = json!({
        "id": id,
        "prefix": prefix,
        "name": name,
        "auth_token": token.expose(),
        "warning": "keep this token now; it is not shown again, and it opens every workspace",
    });
    app.db
        .write(move |connection| {
            let sql = "SELECT count(*), min(created_at) FROM org_token WHERE created_at > ?";
            let (made, first): (i64, Option<i64>) =
                connection.query_row(sql, [now - HOUR], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if made >= MOST_AN_HOUR {
                let left = first.unwrap_or(now) + HOUR - now;
                let refusal = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded");
                return Err(refusal.retry_after(u64::try_from(left / 1_000_000).unwrap_or_default().max(1)));
            }
            let sql = "INSERT INTO org_token (id, name, hash, prefix, created_at) VALUES (?, ?, ?, ?, ?)";
            connection.execute(sql, params![id, name, hash, prefix, now])?;
            Ok(())
        })
        .await
        .or_text("failed to create token")?;
    Ok(reply::json(StatusCode::CREATED, &made))
}

async fn revoke(State(app): State<App>, _: Admin, Path(token): Path<String>) -> Answer {
    let now = app.now();
    let revoked = app
        .db
        .write(move |connection| {
            let sql = "UPDATE org_token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL";
            Ok::<_, ApiError>(connection.execute(sql, params![now, token])?)
        })
        .await
        .or_text("failed to revoke token")?;
    match revoked {
        0 => Err(ApiError::not_found("token not found or already revoked")),
        _ => ok(&json!({ "status": "revoked" })),
    }
}
