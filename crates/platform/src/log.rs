//! The activity log in the database.

use std::time::Duration;

use molecule_protocol::{ActivityRow, ActivitySource, Json};
use molecule_store::rusqlite::types::Value;
use molecule_store::rusqlite::{self, Connection, OptionalExtension as _, Row, params, params_from_iter};

use crate::clock::{micros, time};
use crate::error::ApiError;
use crate::records::json;

/// A row about to be written by `workspace`'s log, with an id of its own.
pub(crate) fn row(workspace: &str, activity_type: &str, now: i64) -> ActivityRow {
    ActivityRow {
        id: uuid::Uuid::new_v4().to_string(),
        workspace_id: Some(workspace.to_owned()),
        activity_type: Some(activity_type.to_owned()),
        status: Some("ok".to_owned()),
        created_at: Some(time(now)),
        ..ActivityRow::default()
    }
}

/// One line for people: the beginning of a text.
pub(crate) fn summary(text: &str) -> String {
    text.chars().take(200).collect()
}

/// What a row of a delegation has beside the rest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delegated {
    pub(crate) delegation_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// The platform itself dispatches it.
    pub(crate) by_platform: bool,
}

/// Writes a row.
pub(crate) fn insert(connection: &Connection, row: &ActivityRow) -> Result<(), ApiError> {
    insert_delegated(connection, row, &Delegated::default())
}

/// Writes a row of a delegation.
///
/// Rows are ordered by `seq` and chosen by `created_at`, so the two must agree: a row whose turn to be written came late, or
/// that a clock set back stamped, is no older than the one before it.
pub(crate) fn insert_delegated(
    connection: &Connection,
    row: &ActivityRow,
    delegated: &Delegated,
) -> Result<(), ApiError> {
    let text = |value: &Option<Json>| value.as_ref().map(|json| json.get().to_owned());
    connection
        .prepare_cached(
            "INSERT INTO activity (id, workspace_id, activity_type, source_id, target_id, method, summary, duration_ms,
                 status, error_detail, created_at, request_body, response_body, tool_trace, delegation_id,
                 idempotency_key, by_platform)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                 max(?11, coalesce((SELECT created_at FROM activity WHERE workspace_id = ?2 ORDER BY seq DESC LIMIT 1), ?11)),
                 ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            row.id,
            row.workspace_id,
            row.activity_type,
            row.source_id,
            row.target_id,
            row.method,
            row.summary,
            row.duration_ms,
            row.status.as_deref().unwrap_or("ok"),
            row.error_detail,
            row.created_at.map(|at| at.as_microsecond()),
            text(&row.request_body),
            text(&row.response_body),
            text(&row.tool_trace),
            delegated.delegation_id,
            delegated.idempotency_key,
            delegated.by_platform,
        ])?;
    Ok(())
}

/// Reads a row.
pub(crate) fn read(row: &Row<'_>) -> Result<ActivityRow, rusqlite::Error> {
    let body = |name: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(name)?.map(json));
    Ok(ActivityRow {
        id: row.get("id")?,
        workspace_id: row.get("workspace_id")?,
        activity_type: row.get("activity_type")?,
        source_id: row.get("source_id")?,
        target_id: row.get("target_id")?,
        method: row.get("method")?,
        summary: row.get("summary")?,
        duration_ms: row.get("duration_ms")?,
        status: row.get("status")?,
        error_detail: row.get("error_detail")?,
        created_at: Some(time(row.get("created_at")?)),
        request_body: body("request_body")?,
        response_body: body("response_body")?,
        tool_trace: body("tool_trace")?,
        ..ActivityRow::default()
    })
}

/// Which rows are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) activity_type: Option<String>,
    pub(crate) source: Option<ActivitySource>,
    pub(crate) limit: u32,
    pub(crate) since_id: Option<String>,
    pub(crate) since_secs: Option<u64>,
    pub(crate) peer_id: Option<String>,
    /// Microseconds.
    pub(crate) before: Option<i64>,
}

/// Rows of a workspace: after a cursor oldest first, otherwise newest first. `None` if the cursor is no row of its.
pub(crate) fn list(
    connection: &Connection,
    workspace: &str,
    query: &Query,
    now: i64,
) -> Result<Option<Vec<ActivityRow>>, ApiError> {
    let Some((sql, values)) = select(connection, workspace, query, now)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), read)?.collect::<Result<_, _>>()?;
    Ok(Some(rows))
}

/// The statement for a query and its values. A time is turned into a place first, as times never go back along a log: so
/// that rows before it are not looked at one by one.
fn select(
    connection: &Connection,
    workspace: &str,
    query: &Query,
    now: i64,
) -> Result<Option<(String, Vec<Value>)>, ApiError> {
    let mut conditions = vec!["workspace_id = ?".to_owned()];
    let mut values = vec![Value::from(workspace.to_owned())];
    let mut and = |condition: &str, bound: Vec<Value>| {
        conditions.push(condition.to_owned());
        values.extend(bound);
    };
    if let Some(activity_type) = &query.activity_type {
        and("activity_type = ?", vec![activity_type.clone().into()]);
    }
    match query.source {
        Some(ActivitySource::Canvas) => and("source_id IS NULL", vec![]),
        Some(ActivitySource::Agent) => and("source_id IS NOT NULL", vec![]),
        None => {}
    }
    if let Some(cursor) = &query.since_id {
        let sql = "SELECT seq FROM activity WHERE id = ? AND workspace_id = ?";
        let seq =
            connection.query_row(sql, [cursor.as_str(), workspace], |row| row.get::<_, i64>(0)).optional()?;
        let Some(seq) = seq else { return Ok(None) };
        and("seq > ?", vec![seq.into()]);
    }
    if let Some(seconds) = query.since_secs {
        let since = now.saturating_sub(micros(Duration::from_secs(seconds)));
        and(
            "seq > coalesce((SELECT seq FROM activity WHERE workspace_id = ? AND created_at < ?
                 ORDER BY created_at DESC, seq DESC LIMIT 1), 0)",
            vec![workspace.to_owned().into(), since.into()],
        );
    }
    if let Some(peer) = &query.peer_id {
        and("(source_id = ? OR target_id = ?)", vec![peer.clone().into(), peer.clone().into()]);
    }
    if let Some(before) = query.before {
        and(
            "seq <= coalesce((SELECT seq FROM activity WHERE workspace_id = ? AND created_at < ?
                 ORDER BY created_at DESC, seq DESC LIMIT 1), 0)",
            vec![workspace.to_owned().into(), before.into()],
        );
    }
    let order = if query.since_id.is_some() { "ASC" } else { "DESC" };
    let conditions = conditions.join(" AND ");
    let sql = format!("SELECT * FROM activity WHERE {conditions} ORDER BY seq {order} LIMIT {}", query.limit);
    Ok(Some((sql, values)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::SCHEMA;

    #[test]
    fn a_row_is_never_older_than_the_one_before_it() {
        // Otherwise a reader that goes back page by page with before_ts misses a row.
        let connection = Connection::open_in_memory().unwrap();
        SCHEMA.migrations.iter().for_each(|step| connection.execute_batch(step).unwrap());
        for id in ["a", "b"] {
            let sql = "INSERT INTO workspace (id, name, tier, status, runtime, created_at, updated_at)
                       VALUES (?1, ?1, 1, 'online', 'external', 0, 0)";
            connection.execute(sql, [id]).unwrap();
        }
        for (workspace, now) in [("a", 20), ("b", 5), ("a", 10), ("a", 30)] {
            insert(&connection, &row(workspace, "agent_log", now)).unwrap();
        }
        let times = |workspace| {
            let rows = list(&connection, workspace, &Query { limit: 10, ..Query::default() }, 0).unwrap();
            let rows = rows.unwrap();
            rows.iter().map(|row| row.created_at.unwrap().as_microsecond()).collect::<Vec<_>>()
        };
        assert_eq!((times("a"), times("b")), (vec![30, 20, 20], vec![5]));
    }

    #[test]
    fn what_a_host_asks_for_is_found_without_walking_the_log() {
        let connection = Connection::open_in_memory().unwrap();
        SCHEMA.migrations.iter().for_each(|step| connection.execute_batch(step).unwrap());
        let messages = Query { activity_type: Some("a2a_receive".into()), limit: 100, ..Query::default() };
        for (query, bound) in [
            (messages.clone(), "workspace_id=? AND activity_type=?"),
            (Query { since_secs: Some(600), ..messages.clone() }, "activity_type=? AND seq>?"),
            (Query { before: Some(1), ..messages.clone() }, "activity_type=? AND seq<?"),
            (Query { since_secs: Some(600), limit: 100, ..Query::default() }, "workspace_id=? AND seq>?"),
        ] {
            let (sql, values) = select(&connection, "w", &query, 0).unwrap().unwrap();
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>("detail"));
            let steps: Vec<_> = steps.unwrap().collect::<Result<_, _>>().unwrap();
            assert!(steps.iter().any(|step| step.contains(bound)), "{bound} in {steps:?}");
            let walks = |step: &String| step.starts_with("SCAN") && !step.starts_with("SCAN CONSTANT");
            assert!(!steps.iter().any(|step| walks(step) || step.contains("TEMP B-TREE")), "{steps:?}");
        }
    }
}
