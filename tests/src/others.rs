//! Platforms of another kind than the local one, as far as a host meets them: the older one (profile S), which knows no
//! poll mode and no cursors, and one that was written after what the Python SDK expects (K-shaped).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::canvas::{PATIENCE, Workspace};
use crate::scripted::{Received, Reply, Scripted};

/// Which platform it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Registers only what has a URL; its log is read newest first, and knows no conditions.
    S,
    /// Says nothing of delivery modes; its rows have `type` and `data`; a text to the user leaves no echo.
    K,
}

/// A platform of another kind, with one workspace, and what was sent to it.
pub struct Other {
    /// The workspace.
    pub workspace: Workspace,
    server: Scripted,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    kept: Mutex<Kept>,
    news: Notify,
}

#[derive(Default)]
struct Kept {
    rows: Vec<Value>,
    notified: Vec<String>,
    to_peers: Vec<(String, Value)>,
    registrations: Vec<Value>,
    heartbeats: usize,
}

impl Other {
    /// Starts one. With a token every request must bring it; without, none is asked for.
    pub async fn start(kind: Kind, token: Option<&str>) -> Self {
        let id = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11";
        let workspace = Workspace::elsewhere(id, token.unwrap_or_default());
        let log = Arc::<Log>::default();
        let (own, kept) = (workspace.clone(), log.clone());
        let server = Scripted::answering(move |request| {
            let reply = kept.answer(kind, &own, request);
            kept.news.notify_waiters();
            reply
        })
        .await;
        Self { workspace, server, log }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// A message for the workspace, of the user or of a peer.
    pub fn say(&self, kind: Kind, from: Option<&str>, text: &str) {
        let mut kept = self.log.kept.lock().expect("no panic");
        let id = format!("00000000-0000-4000-8000-{:012}", kept.rows.len() + 1);
        let at = format!("2026-04-27T11:36:15.{:06}Z", kept.rows.len() + 1);
        let message = json!({ "messageId": format!("m-{id}"), "role": "user", "parts": [{ "kind": "text", "text": text }] });
        kept.rows.push(match kind {
            Kind::S => json!({
                "id": id, "activity_type": "a2a_receive", "method": "message/send", "source_id": from, "status": "error",
                "created_at": at, "request_body": { "params": { "message": message } },
            }),
            Kind::K => json!({
                "id": id, "type": "a2a_receive", "source_id": from,
                "data": { "text": text, "source": if from.is_some() { "peer_agent" } else { "canvas_user" } },
            }),
        });
    }

    /// Waits until the user has been told so much; all of it.
    pub async fn notified(&self, count: usize) -> Vec<String> {
        self.until(|kept| (kept.notified.len() >= count).then(|| kept.notified.clone())).await
    }

    /// Waits until peers have been told so much: to whom, and the message.
    pub async fn told_to_peers(&self, count: usize) -> Vec<(String, Value)> {
        self.until(|kept| (kept.to_peers.len() >= count).then(|| kept.to_peers.clone())).await
    }

    /// Waits for so many more heartbeats.
    pub async fn beats(&self, count: usize) {
        let before = self.log.kept.lock().expect("no panic").heartbeats;
        self.until(|kept| (kept.heartbeats >= before + count).then_some(())).await;
    }

    /// The registrations so far.
    pub fn registrations(&self) -> Vec<Value> {
        self.log.kept.lock().expect("no panic").registrations.clone()
    }

    async fn until<T>(&self, found: impl Fn(&Kept) -> Option<T>) -> T {
        let look = async {
            loop {
                let news = self.log.news.notified();
                if let Some(found) = found(&self.log.kept.lock().expect("no panic")) {
                    return found;
                }
                news.await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("it never came")
    }
}

impl Log {
    fn answer(&self, kind: Kind, own: &Workspace, request: &Received) -> Reply {
        let mut kept = self.kept.lock().expect("no panic");
        let body = || serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let asked = |name: &str| url::form_urlencoded::parse(query.as_bytes()).find(|(it, _)| it == name);
        let authorized = own.token.is_empty()
            || request.header("authorization") == Some(format!("Bearer {}", own.token).as_str());
        let own_route = path.strip_prefix(&format!("/workspaces/{}/", own.id));
        match (request.method.as_str(), path, own_route) {
            ("GET", "/health", _) => Reply::json(200, r#"{"status":"ok"}"#),
            _ if !authorized => Reply::json(401, r#"{"error":"missing workspace auth token"}"#),
            ("POST", "/registry/register", _) => {
                let said = body();
                kept.registrations.push(said.clone());
                match kind {
                    Kind::S if said["url"].as_str().is_none_or(str::is_empty) => {
                        Reply::json(400, r#"{"error":"invalid request body"}"#)
                    }
                    _ => Reply::json(200, r#"{"status":"registered"}"#),
                }
            }
            ("POST", "/registry/heartbeat", _) => {
                kept.heartbeats += 1;
                Reply::json(200, r#"{"status":"ok"}"#)
            }
            ("GET", _, Some("state")) => Reply::json(
                200,
                &json!({ "workspace_id": own.id, "status": "online", "paused": false, "deleted": false })
                    .to_string(),
            ),
            ("GET", _, Some("secrets/values")) => Reply::json(200, "{}"),
            ("GET", _, Some("activity")) => {
                let limit = asked("limit").and_then(|(_, it)| it.parse().ok()).unwrap_or(100);
                let rows: Vec<&Value> = match (kind, asked("since_id")) {
                    (Kind::S, _) => kept.rows.iter().rev().take(limit).collect(),
                    (Kind::K, None) => kept.rows.iter().take(limit).collect(),
                    (Kind::K, Some((_, id))) => match kept.rows.iter().position(|row| row["id"] == *id) {
                        Some(at) => kept.rows.iter().skip(at + 1).take(limit).collect(),
                        None => return Reply::empty(410),
                    },
                };
                Reply::json(200, &serde_json::to_string(&rows).expect("JSON"))
            }
            ("POST", _, Some("notify")) => {
                let text = body()["message"].as_str().unwrap_or_default().to_owned();
                if kind == Kind::S {
                    let id = format!("echo-{}", kept.rows.len());
                    let at = format!("2026-04-27T11:36:15.{:06}Z", kept.rows.len() + 1);
                    kept.rows.push(json!({
                        "id": id, "activity_type": "a2a_receive", "method": "notify", "source_id": null, "created_at": at,
                        "response_body": { "result": text },
                    }));
                }
                kept.notified.push(text);
                Reply::json(200, r#"{"status":"sent"}"#)
            }
            ("POST", path, None) if path.ends_with("/a2a") => {
                let peer = path.trim_start_matches("/workspaces/").trim_end_matches("/a2a").to_owned();
                kept.to_peers.push((peer, body()["params"]["message"].clone()));
                Reply::json(
                    200,
                    r#"{"jsonrpc":"2.0","id":"1","result":{"parts":[{"kind":"text","text":"ok"}]}}"#,
                )
            }
            _ => Reply::typed(404, "text/plain", "404 page not found"),
        }
    }
}
