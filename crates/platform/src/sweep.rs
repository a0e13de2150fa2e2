//! What time alone changes.

use molecule_protocol::Status;
use molecule_store::StoreError;
use molecule_store::rusqlite::{Connection, Rows, params};

use crate::app::App;
use crate::clock::micros;
use crate::config::Config;
use crate::schedule;

/// Looks once at what has gone stale, drops what is too old, and fires what is due.
pub(crate) async fn sweep(app: &App) -> Result<(), StoreError> {
    app.events.tidy();
    let (config, now, uses) = (app.config.clone(), app.now(), app.token_uses.take());
    let lost = app
        .db
        .write(move |connection| {
            for (token, at) in uses {
                connection.execute("UPDATE token SET last_used_at = ? WHERE id = ?", params![at, token])?;
            }
            let mut lost = stale(connection, &config, now)?;
            lost.extend(expired(connection, now)?);
            lost.extend(never_came_up(connection, &config, now)?);
            forget(connection, &config, now)?;
            Ok::<_, StoreError>(lost)
        })
        .await?;
    for (workspace, status) in lost {
        tracing::info!(%workspace, %status, "no sign of life");
        app.events.tell(&workspace, "WORKSPACE_STATUS", app.now(), serde_json::json!({ "status": status }));
    }
    schedule::fire_due(app).await
}

type Lost = Vec<(String, Status)>;

/// Agents from outside that have sent no heartbeat for too long.
fn stale(connection: &Connection, config: &Config, now: i64) -> Result<Lost, StoreError> {
    let since = now.saturating_sub(micros(config.stale_after));
    let mut statement = connection.prepare_cached(
        "UPDATE workspace SET status = 'awaiting_agent', updated_at = ?
         WHERE status IN ('online', 'degraded') AND runtime = 'external'
             AND coalesce(last_heartbeat_at, updated_at) < ?
         RETURNING id, status",
    )?;
    collect(statement.query(params![now, since])?)
}

/// Workspaces whose registration is good no longer.
fn expired(connection: &Connection, now: i64) -> Result<Lost, StoreError> {
    let mut statement = connection.prepare_cached(
        "UPDATE workspace
         SET status = iif(runtime = 'external', 'awaiting_agent', 'offline'), liveness_until = NULL, updated_at = ?1
         WHERE liveness_until <= ?1 AND status NOT IN ('removed', 'paused', 'hibernated', 'awaiting_agent', 'offline')
         RETURNING id, status",
    )?;
    collect(statement.query([now])?)
}

/// Containers that have not reported in time. Agents from outside may take as long as they like.
fn never_came_up(connection: &Connection, config: &Config, now: i64) -> Result<Lost, StoreError> {
    let since = now.saturating_sub(micros(config.provision_timeout));
    let mut statement = connection.prepare_cached(
        "UPDATE workspace SET status = 'failed', updated_at = ?
         WHERE status = 'provisioning' AND runtime <> 'external' AND updated_at < ?
         RETURNING id, status",
    )?;
    collect(statement.query(params![now, since])?)
}

/// Rows beyond the retention, and what was kept for a time that is over.
fn forget(connection: &Connection, config: &Config, now: i64) -> Result<(), StoreError> {
    let since = now.saturating_sub(micros(config.retention));
    connection.execute("DELETE FROM activity WHERE created_at < ?", [since])?;
    connection.execute("DELETE FROM queue WHERE updated_at < ?", [since])?;
    connection.execute("DELETE FROM schedule_run WHERE started_at < ?", [since])?;
    connection.execute("DELETE FROM upload WHERE created_at < ?", [since])?;
    connection.execute("DELETE FROM memory WHERE expires_at <= ?", [now])?;
    Ok(())
}

fn collect(mut rows: Rows<'_>) -> Result<Lost, StoreError> {
    let mut lost = Vec::new();
    while let Some(row) = rows.next()? {
        lost.push((row.get(0)?, Status::from_word(&row.get::<_, String>(1)?)));
    }
    Ok(lost)
}
