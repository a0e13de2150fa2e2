//! `POST /registry/heartbeat`: a host says that it is alive.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::null_is_default;
use crate::token::{self, BearerToken};

/// The `runtime_state` of an agent that does not come back by itself. A healthy one says the empty text: with any
/// other word a degraded workspace never recovers.
pub const WEDGED: &str = "wedged";

/// The most characters of `current_task`.
pub const CURRENT_TASK_CHARS: usize = 200;

/// What a host says. It replaces all figures but `monthly_spend`: an absent member is a zero, not "as before".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatRequest {
    /// The workspace's id.
    pub workspace_id: String,
    /// Failed runs of all runs, 0 to 1. From 0.5 on an online workspace is degraded; below 0.1, and with an empty
    /// `runtime_state`, it is healthy again. Neither where the capability `status_mgmt` is announced.
    #[serde(default, deserialize_with = "null_is_default")]
    pub error_rate: f64,
    /// One line about the last failure. Operators read it: no secret may be in it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub sample_error: String,
    /// Messages in hand.
    #[serde(default, deserialize_with = "null_is_default")]
    pub active_tasks: i64,
    /// Seconds since the host started.
    #[serde(default, deserialize_with = "null_is_default")]
    pub uptime_seconds: i64,
    /// What the agent is at; see [`clip`].
    #[serde(default, deserialize_with = "null_is_default")]
    pub current_task: String,
    /// Cents spent this month; 0 leaves the figure as it is.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_zero")]
    pub monthly_spend: i64,
    /// Empty, or [`WEDGED`].
    #[serde(default, deserialize_with = "null_is_default")]
    pub runtime_state: String,
    /// What the runtime can do. Absent clears what was said before: say it every time or never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_metadata: Option<RuntimeMetadata>,
}

/// What the runtime can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeMetadata {
    /// `session`: a busy answer is 503 and not a queue; `status_mgmt`: the error rate does not set the status;
    /// `scheduler`: the platform fires no schedules. `heartbeat`, `retry`, `activity_decoration` and
    /// `channel_dispatch` tell people something.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<String, bool>,
    /// How long a forwarded call may be silent, in seconds, in place of the platform's 5 minutes; 0 or less clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<i64>,
}

/// What the platform answers. It does not prove that the workspace exists: removed ones get the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatResponse {
    /// `ok`.
    #[serde(default)]
    pub status: String,
    /// The secret that the platform shows when it calls the host's internal endpoints, if one exists.
    #[serde(
        default,
        deserialize_with = "token::read",
        serialize_with = "token::write",
        skip_serializing_if = "Option::is_none"
    )]
    pub platform_inbound_secret: Option<BearerToken>,
}

/// A text as `current_task` and `sample_error` can carry it: without U+0000, which the platform's database refuses, and
/// at most [`CURRENT_TASK_CHARS`] characters.
pub fn clip(text: &str) -> String {
    text.chars().filter(|it| *it != '\0').take(CURRENT_TASK_CHARS).collect()
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_integers_and_null_is_zero() {
        let read = |body: &str| serde_json::from_str::<HeartbeatRequest>(body);
        assert_eq!(
            read(r#"{"workspace_id":"w","active_tasks":null,"error_rate":1}"#).unwrap().error_rate,
            1.0
        );
        for wrong in [
            "{}",
            r#"{"workspace_id":null}"#,
            r#"{"workspace_id":"w","active_tasks":1.0}"#,
            r#"{"workspace_id":"w","active_tasks":"1"}"#,
            r#"{"workspace_id":"w","runtime_metadata":{"capabilities":{"session":"yes"}}}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_clipped_text_has_200_characters_and_no_nul() {
        assert_eq!(clip("a\0b"), "ab");
        assert_eq!(clip(&"é".repeat(300)).chars().count(), 200);
    }
}
