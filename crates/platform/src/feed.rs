//! What the page shows: the whole picture once, then what changes in it, over all workspaces.
//!
//! Events only say that something has changed. What has is read from the database, so that a listener never hears of
//! anything but how things stand, and however fast they change it is told as often as it can take. Rows are read from a
//! cursor on and reach it in order, each once, whatever it missed of the events.

use std::collections::BTreeSet;
use std::time::Duration;

use molecule_protocol::ActivityRow;
use molecule_store::rusqlite::{self, Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::app::App;
use crate::error::ApiError;
use crate::events::Event;
use crate::log;

/// Rows of a kind in the first picture, and rows in a change.
const MOST_ROWS: u16 = 200;
/// Bytes of a body; a row with a longer one comes without and says so.
const MOST_BYTES: i64 = 32 * 1024;
/// Changes within this time are one.
const GATHERED: Duration = Duration::from_millis(50);

/// How things stand, or what has changed.
#[derive(Debug, Serialize)]
pub(crate) struct Picture {
    /// True if there are no workspaces but these.
    whole: bool,
    /// When it was taken, in milliseconds since the Unix epoch.
    now: i64,
    workspaces: Vec<Shown>,
    /// Ids of workspaces that are no more.
    gone: Vec<String>,
    /// New rows, oldest first.
    rows: Vec<Passed>,
}

/// A workspace, as far as the page shows it. Times are milliseconds since the Unix epoch.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    name: String,
    status: String,
    parent_id: Option<String>,
    current_task: String,
    active_tasks: i64,
    sample_error: String,
    last_heartbeat_at: Option<i64>,
}

/// A row of some workspace's log.
#[derive(Debug, Serialize)]
struct Passed {
    #[serde(flatten)]
    row: ActivityRow,
    /// A body was too long to come with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

/// A listener on its way through what happens.
pub(crate) struct Follower {
    app: App,
    events: broadcast::Receiver<std::sync::Arc<Event>>,
    /// The last row it has; `None` before the first picture.
    seen: Option<i64>,
    /// There may be more rows than fitted.
    behind: bool,
}

impl Follower {
    /// One that has seen nothing yet.
    pub(crate) fn new(app: App) -> Self {
        Self { events: app.events.listen(), app, seen: None, behind: false }
    }

    /// What it has not seen, as soon as there is something. `None` when the platform ends, or cannot read its storage.
    pub(crate) async fn next(&mut self) -> Option<Picture> {
        loop {
            let changed = match (self.seen, self.behind) {
                (None, _) => Changed::All,
                (Some(_), true) => Changed::default(),
                (Some(_), false) => self.changed().await?,
            };
            match self.look(changed).await {
                Ok(picture) if picture.is_empty() => {}
                Ok(picture) => return Some(picture),
                Err(error) => {
                    tracing::warn!(error = error.text(), "the page's stream ends");
                    return None;
                }
            }
        }
    }

    /// Which workspaces have changed, once something has. `None` when the platform ends.
    async fn changed(&mut self) -> Option<Changed> {
        let mut changed = Changed::default();
        let mut stopping = self.app.stopping.clone();
        tokio::select! {
            event = self.events.recv() => match event {
                Ok(event) => changed.note(&event),
                Err(RecvError::Lagged(_)) => changed = Changed::All,
                Err(RecvError::Closed) => return None,
            },
            _ = stopping.wait_for(|stop| *stop) => return None,
        }
        tokio::time::sleep(GATHERED).await;
        loop {
            match self.events.try_recv() {
                Ok(event) => changed.note(&event),
                Err(TryRecvError::Lagged(_)) => changed = Changed::All,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(changed),
            }
        }
    }

    async fn look(&mut self, changed: Changed) -> Result<Picture, ApiError> {
        let (seen, now) = (self.seen, self.app.now() / 1000);
        let (picture, last) = self
            .app
            .db
            .read(move |connection| {
                let (whole, workspaces, gone) = workspaces(connection, changed)?;
                let (rows, last) = match seen {
                    None => (recent(connection)?, newest(connection)?),
                    Some(seen) => after(connection, seen)?,
                };
                Ok::<_, ApiError>((Picture { whole, now, workspaces, gone, rows }, last))
            })
            .await?;
        self.behind = seen.is_some() && picture.rows.len() == usize::from(MOST_ROWS);
        self.seen = Some(last);
        Ok(picture)
    }
}

impl Picture {
    fn is_empty(&self) -> bool {
        !self.whole && self.workspaces.is_empty() && self.gone.is_empty() && self.rows.is_empty()
    }
}

/// The workspaces that have changed, or may have.
enum Changed {
    All,
    Some(BTreeSet<String>),
}

impl Default for Changed {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Changed {
    fn note(&mut self, event: &Event) {
        // A row changes nothing in its workspace that is shown.
        let is_row = ["ACTIVITY_LOGGED", "AGENT_MESSAGE"].contains(&event.kind);
        if let Self::Some(ids) = self
            && !is_row
        {
            ids.insert(event.workspace.clone());
        }
    }
}

/// What an agent says of itself may be as long as a request.
const WORKSPACE: &str = "SELECT id, name, status, parent_id, substr(current_task, 1, 200) AS current_task, active_tasks, \
                         substr(sample_error, 1, 2000) AS sample_error, last_heartbeat_at / 1000 AS heard \
                         FROM workspace WHERE status <> 'removed'";

type Workspaces = (bool, Vec<Shown>, Vec<String>);

fn workspaces(connection: &Connection, changed: Changed) -> Result<Workspaces, ApiError> {
    let ids = match changed {
        Changed::All => {
            let mut statement = connection.prepare_cached(WORKSPACE)?;
            let all = statement.query_map([], Shown::read)?.collect::<Result<_, _>>()?;
            return Ok((true, all, Vec::new()));
        }
        Changed::Some(ids) => ids,
    };
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    let mut statement = connection.prepare_cached(&format!("{WORKSPACE} AND id = ?"))?;
    for id in ids {
        match statement.query_row([&id], Shown::read).optional()? {
            Some(workspace) => there.push(workspace),
            None => gone.push(id),
        }
    }
    Ok((false, there, gone))
}

impl Shown {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            status: row.get("status")?,
            parent_id: row.get("parent_id")?,
            current_task: row.get("current_task")?,
            active_tasks: row.get("active_tasks")?,
            sample_error: row.get("sample_error")?,
            last_heartbeat_at: row.get("heard")?,
        })
    }
}

fn newest(connection: &Connection) -> Result<i64, ApiError> {
    Ok(connection.query_row("SELECT coalesce(max(seq), 0) FROM activity", [], |row| row.get(0))?)
}

/// The rows after one, oldest first, and the last one's place.
fn after(connection: &Connection, seen: i64) -> Result<(Vec<Passed>, i64), ApiError> {
    let rows = rows(connection, "WHERE seq > ?3 ORDER BY seq", seen)?;
    let last = rows.last().map_or(seen, |(seq, _)| *seq);
    Ok((rows.into_iter().map(|(_, row)| row).collect(), last))
}

/// The last messages between agents, the last effects that were judged, and the builds that have failed where none has
/// worked since; oldest first.
fn recent(connection: &Connection) -> Result<Vec<Passed>, ApiError> {
    // The conditions are the indexes', to the letter; left to itself SQLite walks the whole log backwards.
    let between = "INDEXED BY activity_between
         WHERE activity_type = 'a2a_receive' AND source_id IS NOT NULL AND seq > ?3 ORDER BY seq DESC";
    let judged = "INDEXED BY activity_judged
         WHERE activity_type = 'agent_log' AND method = 'gate' AND seq > ?3 ORDER BY seq DESC";
    let failed = "WHERE status = 'error' AND seq > ?3 AND seq IN (
             SELECT max(seq) FROM activity INDEXED BY activity_build
             WHERE activity_type = 'agent_log' AND method = 'build' GROUP BY workspace_id)
         ORDER BY seq DESC";
    let mut found = rows(connection, between, 0)?;
    found.extend(rows(connection, judged, 0)?);
    found.extend(rows(connection, failed, 0)?);
    found.sort_unstable_by_key(|(seq, _)| *seq);
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

fn rows(connection: &Connection, which: &str, seen: i64) -> Result<Vec<(i64, Passed)>, ApiError> {
    let sql = format!(
        "SELECT seq, id, workspace_id, activity_type, source_id, target_id, substr(method, 1, 200) AS method,
             substr(summary, 1, 2000) AS summary, duration_ms, substr(status, 1, 200) AS status,
             substr(error_detail, 1, 8000) AS error_detail, created_at, NULL AS tool_trace,
             iif(octet_length(request_body) > ?1, NULL, request_body) AS request_body,
             iif(octet_length(response_body) > ?1, NULL, response_body) AS response_body,
             max(ifnull(octet_length(request_body), 0), ifnull(octet_length(response_body), 0)) > ?1 AS cut
         FROM activity {which} LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params![MOST_BYTES, MOST_ROWS, seen], |row| {
            let passed = Passed { row: log::read(row)?, cut: row.get("cut")? };
            Ok((row.get("seq")?, passed))
        })?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}
