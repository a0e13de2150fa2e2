//! What an agent remembers in words, for itself or for others: `/workspaces/:id/memories`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use molecule_protocol::create::FirstMemory;
use molecule_protocol::timestamp;
use molecule_store::rusqlite::{self, Connection, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::auth::Member;
use crate::clock::time;
use crate::error::{ApiError, StoreText as _};
use crate::records;
use crate::reply::{self, Answer, ok, parse};

/// The most rows of an answer.
const MOST: u32 = 50;
/// The most bytes of a namespace.
const NAMESPACE_LIMIT: usize = 50;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{id}/memories", get(list).post(commit))
        .route("/workspaces/{id}/memories/{memory}", delete(forget))
}

/// For whom a memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Its workspace.
    Local,
    /// The workspaces beside it, and the one above.
    Team,
    /// Everybody. Only a root may write it.
    Global,
}

impl Scope {
    fn read(word: &str) -> Result<Self, ApiError> {
        match word {
            "LOCAL" => Ok(Self::Local),
            "TEAM" => Ok(Self::Team),
            "GLOBAL" => Ok(Self::Global),
            _ => Err(ApiError::bad_request("scope must be LOCAL, TEAM, or GLOBAL")),
        }
    }
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    content: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    namespace: String,
}

async fn commit(State(app): State<App>, member: Member, body: Bytes) -> Answer {
    let Commit { content, scope, mut namespace } = parse(&body, "invalid request body")?;
    if content.is_empty() || scope.is_empty() {
        let refusal = ApiError::bad_request("invalid request body");
        return Err(refusal.with("detail", "content and scope are required"));
    }
    let judged = Scope::read(&scope)?;
    if namespace.is_empty() {
        namespace.push_str("general");
    }
    if namespace.len() > NAMESPACE_LIMIT {
        return Err(ApiError::bad_request("namespace must be <= 50 characters"));
    }
    let (now, id) = (app.now(), uuid::Uuid::new_v4().to_string());
    let told = json!({ "id": id, "scope": scope, "namespace": namespace });
    app.db
        .write(move |connection| {
            let record = records::present(connection, &member.id)?;
            if judged == Scope::Global && record.shown.parent_id.is_some() {
                return Err(ApiError::forbidden("only root workspaces can write GLOBAL memories"));
            }
            store(connection, &id, &member.id, &content, &scope, &namespace, now)
        })
        .await
        .or_text("failed to store memory")?;
    Ok(reply::json(StatusCode::CREATED, &told))
}

/// Keeps what a workspace is made with. What cannot be kept is left out, without a word: so it is on the platform.
pub(super) fn store_first(
    connection: &Connection,
    workspace: &str,
    is_root: bool,
    memories: &[FirstMemory],
    now: i64,
) -> Result<(), ApiError> {
    for FirstMemory { content, scope } in memories {
        let may = Scope::read(scope).is_ok_and(|scope| scope != Scope::Global || is_root);
        if may && !content.is_empty() {
            let id = uuid::Uuid::new_v4().to_string();
            store(connection, &id, workspace, content, scope, "general", now)?;
        }
    }
    Ok(())
}

fn store(
    connection: &Connection,
    id: &str,
    workspace: &str,
    content: &str,
    scope: &str,
    namespace: &str,
    now: i64,
) -> Result<(), ApiError> {
    let sql = "INSERT INTO recollection (id, workspace_id, content, scope, namespace, created_at)
               VALUES (?, ?, ?, ?, ?, ?)";
    connection.execute(sql, params![id, workspace, without_secrets(content), scope, namespace, now])?;
    Ok(())
}

/// The text with what looks like a credential taken out. Others read it, and it is kept in clear.
fn without_secrets(text: &str) -> String {
    const BEGINNINGS: [&str; 9] =
        ["sk-", "sk_", "ghp_", "gho_", "ghs_", "github_pat_", "xoxb-", "xoxp-", "AKIA"];
    let is_secret = |word: &str| {
        let word = word.trim_matches(|it: char| !it.is_ascii_alphanumeric());
        word.len() >= 16 && BEGINNINGS.iter().any(|beginning| word.starts_with(beginning))
    };
    let pieces = text.split_inclusive(|it: char| it.is_whitespace() || matches!(it, '=' | ':' | ',' | '"'));
    let cleaned = pieces.map(|piece| match is_secret(piece) {
        true => piece.replace(piece.trim_matches(|it: char| !it.is_ascii_alphanumeric()), "[REDACTED]"),
        false => piece.to_owned(),
    });
    cleaned.collect()
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    scope: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    limit: Option<String>,
}

#[derive(Serialize)]
struct Memory {
    id: String,
    workspace_id: String,
    content: String,
    scope: String,
    namespace: String,
    created_at: String,
}

impl Memory {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: row.get("id")?,
            workspace_id: row.get("workspace_id")?,
            content: row.get("content")?,
            scope: row.get("scope")?,
            namespace: row.get("namespace")?,
            created_at: timestamp::format(time(row.get("created_at")?)),
        })
    }

    /// As `reader` is given it: what is everybody's says whose it is, so that it is not taken for the reader's own.
    fn for_reader(mut self, reader: &str) -> Self {
        if self.scope == "GLOBAL" && self.workspace_id != reader {
            let Self { id, workspace_id, content, .. } = &self;
            self.content = format!("[MEMORY id={id} scope=GLOBAL from={workspace_id}]: {content}");
        }
        self
    }
}

/// Newest first. Without a scope, all of the workspace's own.
async fn list(State(app): State<App>, member: Member, Query(search): Query<Search>) -> Answer {
    let limit = search.limit.and_then(|it| it.parse::<u32>().ok()).filter(|it| *it > 0);
    let whose = match search.scope.as_str() {
        "" => "workspace_id = ?1",
        word => match Scope::read(word)? {
            Scope::Local => "scope = 'LOCAL' AND workspace_id = ?1",
            Scope::Team => {
                // For a root its team is what it is above of: all roots are siblings, but no team.
                "scope = 'TEAM' AND workspace_id IN (
                     SELECT id FROM workspace WHERE status <> 'removed' AND (
                         id = ?1 OR parent_id = ?1
                         OR parent_id = (SELECT parent_id FROM workspace WHERE id = ?1)
                         OR id = (SELECT parent_id FROM workspace WHERE id = ?1)))"
            }
            Scope::Global => "scope = 'GLOBAL' AND ?1 = ?1",
        },
    };
    let reader = member.id.clone();
    let found: Vec<_> = app
        .db
        .read(move |connection| {
            let sql = format!(
                "SELECT * FROM recollection WHERE {whose} AND (?2 = '' OR instr(lower(content), lower(?2)) > 0)
                     AND (?3 = '' OR namespace = ?3) ORDER BY seq DESC LIMIT ?4"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let limit = limit.unwrap_or(MOST).min(MOST);
            let rows =
                statement.query_map(params![member.id, search.q, search.namespace, limit], Memory::read)?;
            Ok::<_, ApiError>(rows.collect::<Result<Vec<_>, _>>()?)
        })
        .await
        .or_text("query failed")?;
    ok(&found.into_iter().map(|memory| memory.for_reader(&reader)).collect::<Vec<_>>())
}

async fn forget(State(app): State<App>, member: Member, Path((_, memory)): Path<(String, String)>) -> Answer {
    let gone = app
        .db
        .write(move |connection| {
            let sql = "DELETE FROM recollection WHERE id = ? AND workspace_id = ?";
            Ok::<_, ApiError>(connection.execute(sql, [memory, member.id])?)
        })
        .await
        .or_text("failed to delete memory")?;
    match gone {
        0 => Err(ApiError::not_found("memory not found")),
        _ => ok(&json!({ "status": "deleted" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_credential_is_taken_out_and_the_rest_stays() {
        for (text, cleaned) in [
            ("the key is sk-abcdefghijklmnop, keep it", "the key is [REDACTED], keep it"),
            ("TOKEN=ghp_0123456789abcdef\n", "TOKEN=[REDACTED]\n"),
            ("{\"k\":\"AKIA0123456789ABCDEF\"}", "{\"k\":\"[REDACTED]\"}"),
            ("sk-short and a ski-resort-in-the-alps", "sk-short and a ski-resort-in-the-alps"),
            ("äöü  two blanks\n", "äöü  two blanks\n"),
        ] {
            assert_eq!(without_secrets(text), cleaned, "{text}");
        }
    }
}
