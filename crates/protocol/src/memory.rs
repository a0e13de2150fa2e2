//! What the platform keeps for a workspace: values by key, memories, and checkpoints.

use serde::{Deserialize, Serialize};

use crate::json::{Json, null_is_default};

/// A value by key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Any JSON.
    pub value: Json,
    /// Grows with every change; 0 from a platform that does not count.
    #[serde(default, deserialize_with = "null_is_default")]
    pub version: u32,
    /// When it goes.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// When it was changed last.
    #[serde(default)]
    pub updated_at: Option<String>,
}

/// `POST /workspaces/:own/memory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetRequest {
    /// The key; not empty.
    pub key: String,
    /// Any JSON.
    pub value: Json,
    /// Seconds until it goes; never where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// Only over this version; 0 for "only where there is none". Makes it safe to repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_match_version: Option<u32>,
}

/// What it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SetAnswer {
    /// The new version.
    #[serde(default, deserialize_with = "null_is_default")]
    pub version: u32,
}

/// What it answers under 409.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct VersionConflict {
    /// The version that there is.
    #[serde(default)]
    pub current_version: Option<u32>,
}

/// Who sees a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MemoryScope {
    /// The workspace.
    Local,
    /// Its team.
    Team,
    /// Everybody.
    Global,
}

impl MemoryScope {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "LOCAL",
            Self::Team => "TEAM",
            Self::Global => "GLOBAL",
        }
    }
}

/// `POST /workspaces/:own/memories`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitRequest {
    /// What is remembered. The platform takes out what looks like a secret.
    pub content: String,
    /// Who sees it. Only a root may write a global one.
    pub scope: MemoryScope,
    /// Where it is filed; at most 50 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Committed {
    /// The memory's id.
    pub id: String,
}

/// A memory, as a search finds it. That of another workspace comes with a line before it that says so: it is not to be
/// trusted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Memory {
    /// Its id.
    pub id: String,
    /// Whose it is.
    #[serde(default)]
    pub workspace_id: Option<String>,
    /// What is remembered.
    #[serde(default)]
    pub content: String,
    /// Who sees it.
    pub scope: MemoryScope,
    /// Where it is filed.
    #[serde(default)]
    pub namespace: Option<String>,
    /// When it was committed.
    #[serde(default)]
    pub created_at: Option<String>,
    /// How well it fits, 0 to 1.
    #[serde(default)]
    pub similarity_score: Option<f64>,
}

/// Which memories to ask for. What is `None` is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryQuery {
    /// Of this scope.
    pub scope: Option<MemoryScope>,
    /// That have these words.
    pub q: Option<String>,
    /// Of this namespace.
    pub namespace: Option<String>,
    /// At most so many; the platform has 50 at most.
    pub limit: Option<u32>,
}

impl MemoryQuery {
    /// The query string, without the question mark.
    pub fn to_query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let pairs = [
            ("scope", self.scope.map(|scope| scope.as_str().to_owned())),
            ("q", self.q.clone()),
            ("namespace", self.namespace.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }
}

/// How far a piece of work has come: `POST /workspaces/:own/checkpoints`, and what comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Names the work.
    pub workflow_id: String,
    /// Names the step; one of the same takes its place.
    pub step_name: String,
    /// Which step it is.
    #[serde(default, deserialize_with = "null_is_default")]
    pub step_index: u32,
    /// What is needed to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Json>,
    /// When it was saved.
    #[serde(default, skip_serializing)]
    pub created_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_platform_answers_is_read_also_where_much_is_missing() {
        let entry: Entry = serde_json::from_str(r#"{"key":"k","value":{"n":1.0}}"#).unwrap();
        assert_eq!((entry.value.get(), entry.version, entry.expires_at), (r#"{"n":1.0}"#, 0, None));
        let memory: Memory =
            serde_json::from_str(r#"{"id":"m","content":"c","scope":"TEAM","x":1,"similarity_score":0.5}"#)
                .unwrap();
        assert_eq!((memory.scope, memory.similarity_score), (MemoryScope::Team, Some(0.5)));
        let checkpoint: Checkpoint =
            serde_json::from_str(r#"{"workflow_id":"w","step_name":"s","payload":null}"#).unwrap();
        assert_eq!((checkpoint.step_index, checkpoint.payload), (0, None));
    }

    #[test]
    fn a_request_says_only_what_was_given() {
        let set = SetRequest {
            key: "k".into(),
            value: Json::from_text("1").unwrap(),
            ttl_seconds: None,
            if_match_version: Some(0),
        };
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"{"key":"k","value":1,"if_match_version":0}"#);
        let query =
            MemoryQuery { scope: Some(MemoryScope::Local), q: Some("a&b".into()), ..Default::default() };
        assert_eq!(query.to_query(), "scope=LOCAL&q=a%26b");
    }
}
