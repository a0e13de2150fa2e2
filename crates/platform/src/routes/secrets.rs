//! Secrets: those of a workspace below `/workspaces/:id/secrets`, those of all below `/settings/secrets`.
//!
//! They are kept in clear in the database, whose file only its owner may read: this is a developer's platform.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::{delete, get};
use molecule_protocol::WorkspaceId;
use molecule_protocol::secrets::StoreSecretRequest;
use molecule_protocol::timestamp;
use molecule_store::rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::{Admin, Member, Own};
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::records;
use crate::reply::{Answer, ok, parse};

/// Whose secrets are everybody's.
const GLOBAL: &str = "";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/secrets/values", get(values))
        .route("/workspaces/{id}/secrets", get(list).post(save).put(save))
        .route("/workspaces/{id}/secrets/{key}", delete(remove))
        .route("/settings/secrets", get(list_global).post(save_global).put(save_global))
        .route("/settings/secrets/{key}", delete(remove_global))
}

/// All values a workspace may use: everybody's, overlaid by its own.
async fn values(State(app): State<App>, own: Own) -> Answer {
    strict(&own.written)?;
    let values = app
        .db
        .read(move |connection| {
            let mut values = BTreeMap::new();
            for owner in [GLOBAL, &own.id] {
                let mut statement =
                    connection.prepare_cached("SELECT key, value FROM secret WHERE workspace_id = ?")?;
                let mut rows = statement.query([owner])?;
                while let Some(row) = rows.next()? {
                    values.insert(row.get::<_, String>(0)?, row.get::<_, String>(1)?);
                }
            }
            Ok::<_, ApiError>(values)
        })
        .await
        .or_text("query failed")?;
    ok(&values)
}

async fn list(State(app): State<App>, member: Member) -> Answer {
    strict(&member.written)?;
    let rows = app
        .db
        .read(move |connection| {
            let own = rows(connection, &member.id, "workspace")?;
            let is_overlaid = |row: &Value| own.iter().any(|it| it.get("key") == row.get("key"));
            let global = rows(connection, GLOBAL, "global")?;
            let visible: Vec<_> = global.into_iter().filter(|row| !is_overlaid(row)).collect();
            Ok::<_, ApiError>(own.into_iter().chain(visible).collect::<Vec<_>>())
        })
        .await
        .or_text("query failed")?;
    ok(&rows)
}

async fn list_global(State(app): State<App>, _: Admin) -> Answer {
    ok(&app.db.read(|connection| rows(connection, GLOBAL, "global")).await.or_text("query failed")?)
}

async fn save(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    strict(&member.written)?;
    put(&app, member.id, &body).await
}

async fn save_global(State(app): State<App>, _: Admin, body: Bytes) -> Answer {
    put(&app, GLOBAL.to_owned(), &body).await
}

async fn remove(State(app): State<App>, member: Member, Path((_, key)): Path<(String, String)>) -> Answer {
    strict(&member.written)?;
    drop_key(&app, member.id, key).await
}

async fn remove_global(State(app): State<App>, _: Admin, Path(key): Path<String>) -> Answer {
    drop_key(&app, GLOBAL.to_owned(), key).await
}

/// Only here an id must be written in lower case.
fn strict(written: &str) -> Result<(), ApiError> {
    match written.parse::<WorkspaceId>() {
        Ok(id) if id.to_string() == written => Ok(()),
        _ => Err(ApiError::bad_request("invalid workspace ID")),
    }
}

async fn put(app: &App, owner: String, body: &[u8]) -> Answer {
    let StoreSecretRequest { key, value } = parse(body, "invalid request body")?;
    if key.is_empty() || value.is_empty() {
        return Err(
            ApiError::bad_request("invalid request body").with("detail", "key and value are required")
        );
    }
    let (name, now) = (key.clone(), app.now());
    let wrote = app
        .db
        .write(move |connection| {
            if owner != GLOBAL {
                records::present(connection, &owner)?;
            }
            store(connection, &owner, &key, &value, now)
        })
        .await;
    wrote.or_text(&format!("failed to save secret: {name}"))?;
    ok(&json!({ "status": "saved", "key": name }))
}

async fn drop_key(app: &App, owner: String, key: String) -> Answer {
    let name = key.clone();
    let gone = app
        .db
        .write(move |connection| {
            let sql = "DELETE FROM secret WHERE workspace_id = ? AND key = ?";
            Ok::<_, ApiError>(connection.execute(sql, params![owner, key])?)
        })
        .await
        .or_text("failed to delete secret")?;
    match gone {
        0 => Err(ApiError::not_found("secret not found")),
        _ => ok(&json!({ "status": "deleted", "key": name })),
    }
}

/// Keeps a secret.
pub(super) fn store(
    connection: &Connection,
    owner: &str,
    key: &str,
    value: &str,
    now: i64,
) -> Result<(), ApiError> {
    connection.execute(
        "INSERT INTO secret (workspace_id, key, value, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT (workspace_id, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        params![owner, key, value, now],
    )?;
    Ok(())
}

/// Names without values.
fn rows(connection: &Connection, owner: &str, scope: &str) -> Result<Vec<Value>, ApiError> {
    let sql =
        "SELECT key, value <> '', created_at, updated_at FROM secret WHERE workspace_id = ? ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map([owner], |row| {
            Ok(json!({
                "key": row.get::<_, String>(0)?,
                "has_value": row.get::<_, bool>(1)?,
                "scope": scope,
                "created_at": timestamp::format(time(row.get(2)?)),
                "updated_at": timestamp::format(time(row.get(3)?)),
            }))
        })?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}
