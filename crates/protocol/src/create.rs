//! `POST /workspaces` and what it answers: how an operator makes a workspace.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json::null_is_default;
use crate::token::{self, BearerToken};
use crate::workspace::Status;

/// The runtime of a workspace that runs outside the platform.
pub const EXTERNAL: &str = "external";

/// A workspace to be made. Not safe to repeat: names are not unique.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateRequest {
    /// Its name: 1 to 255 bytes without line ends and none of `{ } [ ] | > * & !`.
    pub name: String,
    /// What it is for; up to 1000 bytes of the same kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// 1 to 4; 0 is 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<i64>,
    /// A model's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// [`EXTERNAL`] for one that runs outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// True for one that runs outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<bool>,
    /// Where it is reached already, for one that runs outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `push` or `poll`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_mode: Option<String>,
    /// An absolute folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_dir: Option<String>,
    /// `none`, `read_only` or `read_write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_access: Option<String>,
    /// A template's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Its parent; `None` for a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Cents it may spend a month; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_limit: Option<i64>,
    /// Its secrets.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "FirstSecrets::is_empty")]
    pub secrets: FirstSecrets,
    /// What it remembers from the beginning.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub initial_memories: Vec<FirstMemory>,
    /// Messages it may have in hand at once; 0 or less is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_tasks: Option<i64>,
    /// Where it stands on the canvas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canvas: Option<Place>,
}

/// The secrets that a workspace is made with, by name. Printing shows the names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FirstSecrets(pub BTreeMap<String, String>);

impl FirstSecrets {
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for FirstSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A memory that a workspace is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstMemory {
    /// What it says.
    #[serde(default)]
    pub content: String,
    /// `LOCAL`, `TEAM` or `GLOBAL`.
    #[serde(default)]
    pub scope: String,
}

/// A place on the canvas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Rightwards.
    #[serde(default)]
    pub x: f64,
    /// Downwards.
    #[serde(default)]
    pub y: f64,
}

/// What became of a workspace to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateResponse {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// True for one that runs outside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// How to connect, for one that runs outside and has no URL yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// Where one that runs in a container keeps what it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awareness_namespace: Option<String>,
    /// For one that runs in a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_access: Option<String>,
}

/// How a host connects to a workspace. Also the answer of `external/rotate` and `external/connection`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub workspace_id: String,
    /// The platform, as the client named it.
    pub platform_url: String,
    /// The token; empty on the wire where none was minted. It is never said again.
    #[serde(default, deserialize_with = "token::read", serialize_with = "token::write")]
    pub auth_token: Option<BearerToken>,
    /// Where to register.
    #[serde(default)]
    pub registry_endpoint: String,
    /// Where to send heartbeats.
    #[serde(default)]
    pub heartbeat_endpoint: String,
    /// A shell command that registers.
    #[serde(default)]
    pub curl_register_template: String,
    /// A Python program that connects.
    #[serde(default)]
    pub python_snippet: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_a_token_says_the_empty_text() {
        let body = r#"{"workspace_id":"w","platform_url":"http://h","auth_token":"","new":1}"#;
        let connection: Connection = serde_json::from_str(body).unwrap();
        assert_eq!(connection.auth_token, None);
        assert!(serde_json::to_string(&connection).unwrap().contains(r#""auth_token":"""#));
    }

    #[test]
    fn the_secrets_of_a_new_workspace_are_not_printed_and_may_be_null() {
        let read = |body: &str| serde_json::from_str::<CreateRequest>(body).unwrap();
        let request = read(r#"{"name":"a","secrets":{"K":"hunter2"}}"#);
        let printed = format!("{request:?}");
        assert!(printed.contains('K') && !printed.contains("hunter2"), "{printed}");
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"name":"a","secrets":{"K":"hunter2"}}"#);
        assert_eq!(read(r#"{"name":"a","secrets":null}"#), read(r#"{"name":"a"}"#));
    }
}
