//! Workspaces in the database.

use molecule_protocol::{DeliveryMode, Json, RuntimeMetadata, Status, Workspace, create};
use molecule_store::rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use crate::clock::time;
use crate::error::ApiError;

/// A workspace, with what is not shown to everybody.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// What is shown to everybody.
    pub(crate) shown: Workspace,
    /// Cents a month.
    pub(crate) budget_limit: Option<i64>,
    pub(crate) monthly_spend: i64,
    pub(crate) metadata: Option<RuntimeMetadata>,
    pub(crate) current_task: String,
    pub(crate) inbound_secret: Option<String>,
    pub(crate) removed_at: Option<i64>,
}

const COLUMNS: &str = "id, name, role, tier, status, url, parent_id, active_tasks, max_concurrent_tasks, error_rate,
    uptime_seconds, runtime, delivery_mode, x, y, collapsed, agent_card, last_outbound_at, budget_limit, monthly_spend,
    runtime_metadata, current_task, inbound_secret, removed_at";

impl Record {
    fn read(row: &Row<'_>) -> Result<Self, molecule_store::rusqlite::Error> {
        let said: Option<String> = row.get("delivery_mode")?;
        let runtime: String = row.get("runtime")?;
        let metadata: Option<String> = row.get("runtime_metadata")?;
        Ok(Self {
            shown: Workspace {
                id: row.get("id")?,
                name: row.get("name")?,
                role: row.get("role")?,
                tier: row.get("tier")?,
                status: Status::from_word(&row.get::<_, String>("status")?),
                url: row.get("url")?,
                parent_id: row.get("parent_id")?,
                active_tasks: row.get("active_tasks")?,
                max_concurrent_tasks: row.get("max_concurrent_tasks")?,
                last_error_rate: row.get("error_rate")?,
                uptime_seconds: row.get("uptime_seconds")?,
                delivery_mode: Some(resolve_mode(None, said.as_deref(), &runtime)),
                runtime,
                x: row.get("x")?,
                y: row.get("y")?,
                collapsed: row.get("collapsed")?,
                agent_card: row.get::<_, Option<String>>("agent_card")?.map(json),
                last_outbound_at: row.get::<_, Option<i64>>("last_outbound_at")?.map(time),
            },
            budget_limit: row.get("budget_limit")?,
            monthly_spend: row.get("monthly_spend")?,
            metadata: metadata.and_then(|text| serde_json::from_str(&text).ok()),
            current_task: row.get("current_task")?,
            inbound_secret: row.get("inbound_secret")?,
            removed_at: row.get("removed_at")?,
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.shown.id
    }

    pub(crate) fn status(&self) -> &Status {
        &self.shown.status
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.shown.status == Status::Removed
    }

    pub(crate) fn is_external(&self) -> bool {
        self.shown.runtime == create::EXTERNAL
    }

    pub(crate) fn polls(&self) -> bool {
        self.shown.delivery_mode == Some(DeliveryMode::Poll)
    }

    pub(crate) fn can(&self, capability: &str) -> bool {
        self.metadata.as_ref().and_then(|it| it.capabilities.get(capability).copied()).unwrap_or_default()
    }
}

/// The mode of a workspace: what it says now, else what it said before, else poll for one from outside, else push.
pub(crate) fn resolve_mode(now: Option<DeliveryMode>, before: Option<&str>, runtime: &str) -> DeliveryMode {
    let otherwise = if runtime == create::EXTERNAL { DeliveryMode::Poll } else { DeliveryMode::Push };
    now.or_else(|| before.and_then(DeliveryMode::from_word)).unwrap_or(otherwise)
}

/// JSON from the database, which only ever holds what was JSON.
pub(crate) fn json(text: String) -> Json {
    Json::from_text(text).unwrap_or_else(|_| Json::null())
}

/// One workspace, removed or not.
pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<Record>, ApiError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM workspace WHERE id = ?"))?;
    Ok(statement.query_row([id], Record::read).optional()?)
}

/// One workspace that is there.
///
/// # Errors
/// 404 where it is not, or was removed.
pub(crate) fn present(connection: &Connection, id: &str) -> Result<Record, ApiError> {
    find(connection, id)?.filter(|record| !record.is_removed()).ok_or_else(ApiError::no_workspace)
}

/// All that are there, oldest first.
pub(crate) fn all(connection: &Connection) -> Result<Vec<Record>, ApiError> {
    let sql = format!("SELECT {COLUMNS} FROM workspace WHERE status <> 'removed' ORDER BY created_at, id");
    let mut statement = connection.prepare_cached(&sql)?;
    let records = statement.query_map([], Record::read)?.collect::<Result<_, _>>()?;
    Ok(records)
}

/// Sets one column.
pub(crate) fn set(
    connection: &Connection,
    id: &str,
    column: &'static str,
    value: &dyn ToSql,
    now: i64,
) -> Result<(), ApiError> {
    let sql = format!("UPDATE workspace SET {column} = ?, updated_at = ? WHERE id = ?");
    connection.prepare_cached(&sql)?.execute(params![value, now, id])?;
    Ok(())
}
