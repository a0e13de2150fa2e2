//! The record of a workspace.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::Json;
use crate::register::DeliveryMode;
use crate::timestamp;

/// Where a workspace stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Status {
    /// Created; nothing reported yet.
    Provisioning,
    /// Waits for an agent from outside, or has lost it.
    AwaitingAgent,
    /// Registered, heartbeats come.
    Online,
    /// Alive but failing.
    Degraded,
    /// Heartbeats stopped.
    Offline,
    /// Never came up.
    Failed,
    /// An operator stopped it.
    Paused,
    /// On its way to sleep.
    Hibernating,
    /// Asleep; a message wakes it.
    Hibernated,
    /// Deleted.
    Removed,
    /// A word unknown here. Not an end of anything.
    Other(String),
}

impl Status {
    const WORDS: [(&str, Self); 10] = [
        ("provisioning", Self::Provisioning),
        ("awaiting_agent", Self::AwaitingAgent),
        ("online", Self::Online),
        ("degraded", Self::Degraded),
        ("offline", Self::Offline),
        ("failed", Self::Failed),
        ("paused", Self::Paused),
        ("hibernating", Self::Hibernating),
        ("hibernated", Self::Hibernated),
        ("removed", Self::Removed),
    ];

    /// The status that a word names. Every word does.
    pub fn from_word(word: &str) -> Self {
        let known = Self::WORDS.into_iter().find(|(name, _)| *name == word);
        known.map_or_else(|| Self::Other(word.to_owned()), |(_, status)| status)
    }

    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(word) => word,
            known => Self::WORDS.iter().find(|(_, status)| status == known).map_or("", |(word, _)| word),
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::from_word(&word))
    }
}

/// What `GET /workspaces/:id` shows to everybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// Its id.
    pub id: String,
    /// Its name; not unique.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub role: Option<String>,
    /// 1 to 4. Nothing depends on it for a workspace that runs outside.
    #[serde(default)]
    pub tier: i64,
    /// Where it stands.
    pub status: Status,
    /// Where it is reached, or empty.
    #[serde(default)]
    pub url: String,
    /// Its parent; `None` for a root.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// Messages in hand, as its last heartbeat said.
    #[serde(default)]
    pub active_tasks: i64,
    /// Messages it may have in hand at once.
    #[serde(default = "one")]
    pub max_concurrent_tasks: i64,
    /// 0 to 1, as its last heartbeat said.
    #[serde(default)]
    pub last_error_rate: f64,
    /// As its last heartbeat said.
    #[serde(default)]
    pub uptime_seconds: i64,
    /// `external` for one that runs outside the platform.
    #[serde(default)]
    pub runtime: String,
    /// How messages reach it; older platforms do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_mode: Option<DeliveryMode>,
    /// Where it stands on the canvas.
    #[serde(default)]
    pub x: f64,
    /// Where it stands on the canvas.
    #[serde(default)]
    pub y: f64,
    /// Whether the canvas folds it.
    #[serde(default)]
    pub collapsed: bool,
    /// The agent card, any JSON.
    #[serde(default)]
    pub agent_card: Option<Json>,
    /// When it last sent something.
    #[serde(default, with = "timestamp::optional")]
    pub last_outbound_at: Option<Timestamp>,
}

fn one() -> i64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_and_written_as_the_same_word() {
        for word in ["online", "awaiting_agent", "removed", "frobnicating", ""] {
            assert_eq!(Status::from_word(word).as_str(), word);
        }
        assert_eq!(Status::from_word("frobnicating"), Status::Other("frobnicating".into()));
    }
}
