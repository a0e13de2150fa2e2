//! What a person does on a platform: makes workspaces and writes to agents, over HTTP like anybody.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use molecule_host::WorkspaceId;
use serde_json::{Value, json};

/// A person at a platform. Cheap to clone.
#[derive(Clone)]
pub(crate) struct People {
    platform: Arc<str>,
    http: reqwest::Client,
}

/// A workspace for an agent from outside, and the token that it is given.
pub(crate) struct Workspace {
    pub(crate) id: WorkspaceId,
    pub(crate) token: String,
}

impl People {
    pub(crate) fn of(platform: &impl ToString) -> Result<Self> {
        // For this program's own client; the host brings what it needs.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { platform: platform.to_string().into(), http })
    }

    /// Makes a workspace.
    pub(crate) async fn create(&self, name: &str) -> Result<Workspace> {
        let made = self.post("/workspaces", &json!({ "name": name, "external": true })).await?;
        let id = made.pointer("/id").and_then(|id| id.as_str()).context("a workspace has an id")?.parse()?;
        let token = made
            .pointer("/connection/auth_token")
            .and_then(|token| token.as_str())
            .context("a workspace has a token")?;
        Ok(Workspace { id, token: token.to_owned() })
    }

    /// Writes to an agent; its answer is for the page, and its events for whoever listens.
    pub(crate) async fn say(&self, to: WorkspaceId, text: &str) -> Result<()> {
        let message = json!({ "role": "user", "parts": [{ "kind": "text", "text": text }] });
        let call = json!({ "jsonrpc": "2.0", "id": "1", "method": "message/send", "params": { "message": message } });
        self.post(&format!("/workspaces/{to}/a2a"), &call).await?;
        Ok(())
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.http.post(format!("{}{path}", self.platform)).json(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the platform answered {status} to POST {path}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}
