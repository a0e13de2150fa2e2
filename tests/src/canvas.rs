//! What people do on a platform: make workspaces, write to their agents, read the answers, pause, resume, delete. All
//! over HTTP, like anybody.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use uuid::Uuid;

/// How long a test waits for something that has to happen. Much longer than it takes; a test that fails takes as long.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at the platform.
const LOOK: Duration = Duration::from_millis(20);

/// A platform as its users see it.
#[derive(Debug, Clone)]
pub struct Canvas {
    url: String,
    http: reqwest::Client,
}

/// A workspace and its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The first token.
    pub token: String,
    /// The row that its log begins with.
    first_row: String,
}

impl Workspace {
    /// One of a platform that is no canvas's.
    pub fn elsewhere(id: impl Into<String>, token: impl Into<String>) -> Self {
        Self { id: id.into(), name: "elsewhere".to_owned(), token: token.into(), first_row: String::new() }
    }
}

impl Canvas {
    /// The platform at this URL.
    pub fn of(url: impl Into<String>) -> Self {
        Self::seen_at(None, url)
    }

    /// The same, where the platform sees its users at this address: it counts requests by address.
    pub fn seen_at(address: impl Into<Option<IpAddr>>, url: impl Into<String>) -> Self {
        // Nothing here speaks TLS; a provider of its own keeps the client from asking for one for the whole process.
        let tls = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .local_address(address.into());
        let http = http.build().expect("a client");
        Self { url: url.into(), http }
    }

    /// Where the platform is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request; the status and the body of its answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("the platform answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn must(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.ask(method.clone(), path, None, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Makes a workspace for an agent from outside.
    pub async fn create(&self, name: &str) -> Workspace {
        let created =
            self.must(Method::POST, "/workspaces", Some(&json!({ "name": name, "external": true }))).await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let token = text(&created["connection"]["auth_token"]);
        Workspace { token, ..self.found(&text(&created["id"]), name).await }
    }

    /// A workspace that somebody else has made, and whose token is not known. Its log begins now.
    pub async fn found(&self, id: &str, name: &str) -> Workspace {
        // Rows are read in order from a known one on.
        let row = json!({ "activity_type": "agent_log", "summary": "the beginning" });
        self.must(Method::POST, &format!("/workspaces/{id}/activity"), Some(&row)).await;
        let rows = self.must(Method::GET, &format!("/workspaces/{id}/activity?limit=1"), None).await;
        let first_row = rows[0]["id"].as_str().expect("an id").to_owned();
        Workspace { id: id.to_owned(), name: name.to_owned(), token: String::new(), first_row }
    }

    /// Writes to an agent as its user. Gives back the id of the message.
    pub async fn say(&self, to: &Workspace, text: &str) -> String {
        let id = Uuid::new_v4().to_string();
        let message = json!({
            "role": "user", "messageId": id, "kind": "message", "parts": [{ "kind": "text", "text": text }],
        });
        self.send(None, to, &message).await;
        id
    }

    /// Sends a message to an agent, as its user or as another workspace.
    pub async fn send(&self, from: Option<&Workspace>, to: &Workspace, message: &Value) {
        let body = json!({
            "jsonrpc": "2.0", "id": Uuid::new_v4().to_string(), "method": "message/send", "params": { "message": message },
        });
        let mut request = self.http.post(format!("{}/workspaces/{}/a2a", self.url, to.id)).json(&body);
        if let Some(from) = from {
            request = request.header("x-workspace-id", &from.id).bearer_auth(&from.token);
        }
        let answer = request.send().await.expect("the platform answers");
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or(Value::Null);
        assert_eq!(body["status"], "queued", "{status} {body}");
    }

    /// The log of a workspace, oldest first: what came in, and the echoes of what went to its user.
    pub async fn log(&self, of: &Workspace) -> Vec<Value> {
        const PAGE: usize = 500;
        let mut rows = Vec::new();
        let mut after = of.first_row.clone();
        loop {
            let path =
                format!("/workspaces/{}/activity?type=a2a_receive&limit={PAGE}&since_id={after}", of.id);
            let page = self.must(Method::GET, &path, None).await;
            let page = page.as_array().expect("rows").clone();
            let full = page.len() == PAGE;
            rows.extend(page);
            match rows.last() {
                Some(last) if full => after = last["id"].as_str().expect("an id").to_owned(),
                _ => return rows,
            }
        }
    }

    /// How the builds of an agent went, oldest first: `(status, summary, detail)`.
    pub async fn builds(&self, of: &Workspace) -> Vec<(String, String, String)> {
        let path = format!("/workspaces/{}/activity?type=agent_log&since_id={}", of.id, of.first_row);
        let rows = self.must(Method::GET, &path, None).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = rows.as_array().expect("rows").iter().filter(|row| row["method"] == "build");
        rows.map(|row| (text(&row["status"]), text(&row["summary"]), text(&row["error_detail"]))).collect()
    }

    /// What an agent has said to its user, in order.
    pub async fn answers(&self, of: &Workspace) -> Vec<String> {
        let rows = self.log(of).await;
        let echoes = rows.iter().filter(|row| row["method"] == "notify" && row["source_id"].is_null());
        echoes.map(|row| row["response_body"]["result"].as_str().expect("a text").to_owned()).collect()
    }

    /// What other workspaces have sent to an agent, in order: the messages, with who sent them under `from`.
    pub async fn peer_messages(&self, to: &Workspace) -> Vec<Value> {
        let rows = self.log(to).await;
        let from_peers = rows.into_iter().filter(|row| !row["source_id"].is_null());
        from_peers
            .map(|row| {
                let mut message = row["request_body"]["params"]["message"].clone();
                message["from"] = row["source_id"].clone();
                message
            })
            .collect()
    }

    /// What a workspace gets from a route of its own, with its token.
    pub async fn download(&self, of: &Workspace, route: &str) -> Vec<u8> {
        let url = format!("{}/workspaces/{}/{route}", self.url, of.id);
        let answer = self.http.get(url).bearer_auth(&of.token).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().await.expect("all of it").to_vec()
    }

    /// The status of the answer of a route of its own, with its token.
    pub async fn looks_for(&self, of: &Workspace, route: &str) -> u16 {
        let url = format!("{}/workspaces/{}/{route}", self.url, of.id);
        self.http.get(url).bearer_auth(&of.token).send().await.expect("an answer").status().as_u16()
    }

    /// Uploads a text file as a user does; its address.
    pub async fn upload(&self, to: &Workspace, name: &str, content: &str) -> String {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n{content}\r\n--x--\r\n"
        );
        let url = format!("{}/workspaces/{}/chat/uploads", self.url, to.id);
        let form = self.http.post(url).header("content-type", "multipart/form-data; boundary=x").body(body);
        let answer = form.send().await.expect("an answer");
        let said: Value = answer.json().await.expect("JSON");
        said["files"][0]["uri"].as_str().expect("an address").to_owned()
    }

    /// Waits until an agent has said so much to its user, and gives back all of it.
    pub async fn answered(&self, of: &Workspace, count: usize) -> Vec<String> {
        self.answered_within(of, count, PATIENCE).await
    }

    /// The same with a deadline of one's own.
    pub async fn answered_within(&self, of: &Workspace, count: usize, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        loop {
            let answers = self.answers(of).await;
            if answers.len() >= count {
                return answers;
            }
            assert!(Instant::now() < deadline, "{count} answers of {} were wanted: {answers:?}", of.name);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The record of a workspace, once it is as wanted.
    pub async fn record(&self, of: &Workspace, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let record = self.must(Method::GET, &format!("/workspaces/{}", of.id), None).await;
            if wanted(&record) {
                return record;
            }
            assert!(Instant::now() < deadline, "{} was to be {what}: {record}", of.name);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a workspace has this status.
    pub async fn status(&self, of: &Workspace, wanted: &str) {
        self.record(of, wanted, |record| record["status"] == wanted).await;
    }

    /// Pauses a workspace.
    pub async fn pause(&self, workspace: &Workspace) {
        self.must(Method::POST, &format!("/workspaces/{}/pause", workspace.id), None).await;
    }

    /// Lets it go on.
    pub async fn resume(&self, workspace: &Workspace) {
        self.must(Method::POST, &format!("/workspaces/{}/resume", workspace.id), None).await;
    }

    /// Deletes a workspace.
    pub async fn delete(&self, workspace: &Workspace) {
        self.must(Method::DELETE, &format!("/workspaces/{}?confirm=true", workspace.id), None).await;
    }

    /// Issues another token for a workspace.
    pub async fn issue_token(&self, workspace: &Workspace) -> String {
        let issued = self.must(Method::POST, &format!("/workspaces/{}/tokens", workspace.id), None).await;
        issued["auth_token"].as_str().expect("a token").to_owned()
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, workspace: &Workspace, token: &str) {
        let path = format!("/workspaces/{}/tokens", workspace.id);
        let listed = self.must(Method::GET, &path, None).await;
        let tokens = listed["tokens"].as_array().expect("tokens");
        let it =
            tokens.iter().find(|it| it["prefix"].as_str().is_some_and(|prefix| token.starts_with(prefix)));
        let id = it.expect("a live token")["id"].as_str().expect("an id");
        self.must(Method::DELETE, &format!("{path}/{id}"), None).await;
    }
}
