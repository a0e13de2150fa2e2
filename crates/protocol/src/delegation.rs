//! Delegations: work given to a peer, whose answer is asked for later.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::timestamp;

/// `POST /workspaces/:self/delegate`; the path names who delegates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegateRequest {
    /// Who shall do it: a UUID other than the path's.
    pub target_id: String,
    /// What shall be done.
    pub task: String,
    /// Makes it safe to repeat: one key is one delegation, whatever target and task say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegateResponse {
    /// Names the delegation; the target sees it as the message id.
    pub delegation_id: String,
    /// `delegated`, or where the delegation of that key stands.
    pub status: String,
    /// Who does it.
    pub target_id: String,
    /// True if the key was known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent_hit: bool,
    /// What the platform warns of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// A row of `GET /workspaces/:self/delegations`. There are up to two for each delegation, one for the request and one
/// for the result; no member tells which is which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationRow {
    /// The row's id.
    pub id: String,
    /// `delegation`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Who delegates.
    #[serde(default)]
    pub source_id: Option<String>,
    /// Who does it.
    #[serde(default)]
    pub target_id: Option<String>,
    /// One line for people.
    #[serde(default)]
    pub summary: Option<String>,
    /// `pending`, `dispatched`, `queued`, `completed` or `failed`.
    #[serde(default)]
    pub status: String,
    /// When the row was written.
    #[serde(default, with = "timestamp::optional")]
    pub created_at: Option<Timestamp>,
    /// The delegation; absent from the result of a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_id: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The first 300 bytes of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_preview: Option<String>,
}

/// `POST /workspaces/:self/delegations/record`: a delegation that the workspace sends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordDelegationRequest {
    /// Who does it.
    pub target_id: String,
    /// What shall be done.
    pub task: String,
    /// Names the delegation.
    pub delegation_id: String,
}

/// `POST /workspaces/:self/delegations/:delegation_id/update`: how such a delegation ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateDelegationRequest {
    /// `completed` or `failed`.
    pub status: String,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The beginning of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_preview: Option<String>,
}

/// What became of a delegation, as far as the platform says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet, or nothing that is known.
    Pending,
    /// The target has it and answers in its own time.
    Queued,
    /// Done.
    Completed {
        /// The beginning of the answer: whole, unless it ends in `...`.
        preview: String,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        error: String,
    },
}

/// What the rows of `GET /workspaces/:self/delegations` say of a delegation. Its request and its result both stand
/// there, and no member tells which is which: whichever knows most counts.
pub fn result_of(rows: &[DelegationRow], id: &str) -> Outcome {
    let of = |status: &str| {
        rows.iter().find(|row| row.delegation_id.as_deref() == Some(id) && row.status == status)
    };
    if let Some(row) = of("completed") {
        return Outcome::Completed { preview: row.response_preview.clone().unwrap_or_default() };
    }
    if let Some(row) = of("failed") {
        let error = row.error.clone().filter(|error| !error.is_empty());
        return Outcome::Failed {
            error: error.unwrap_or_else(|| "the platform does not say why".to_owned()),
        };
    }
    if of("queued").is_some() { Outcome::Queued } else { Outcome::Pending }
}

/// A key by which the platform knows a copy of a delegation: of who gives what to whom, and of a nonce that is the same
/// for all attempts at one delegation.
pub fn unique_key(source: &str, target: &str, task: &str, nonce: &str) -> String {
    let task = hex(&Sha256::digest(task));
    hex(&Sha256::digest(format!("v2\n{source}\n{target}\n{task}\n{nonce}")))
}

/// The key that the Python SDK makes: of the task and the minute. Two equal tasks within a minute are one, to whomever
/// they go; a repetition in the next minute is another.
pub fn compat_minute_key(task: &str, unix_seconds: i64) -> String {
    let minute = unix_seconds.div_euclid(60) * 60;
    hex(&Sha256::digest(format!("{task}:{minute}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, status: &str, more: &str) -> DelegationRow {
        serde_json::from_str(&format!(r#"{{"id":"r","delegation_id":"{id}","status":"{status}"{more}}}"#))
            .unwrap()
    }

    #[test]
    fn the_row_that_knows_most_counts() {
        let completed = || row("d", "completed", r#","response_preview":"four""#);
        for (rows, expected) in [
            (vec![], Outcome::Pending),
            (vec![row("other", "completed", "")], Outcome::Pending),
            (vec![row("d", "dispatched", "")], Outcome::Pending),
            (vec![row("d", "queued", "")], Outcome::Queued),
            (vec![row("d", "queued", ""), completed()], Outcome::Completed { preview: "four".into() }),
            (vec![completed(), row("d", "failed", "")], Outcome::Completed { preview: "four".into() }),
            (
                vec![row("d", "failed", r#","error":"access denied""#)],
                Outcome::Failed { error: "access denied".into() },
            ),
            (vec![row("d", "failed", "")], Outcome::Failed { error: "the platform does not say why".into() }),
        ] {
            assert_eq!(result_of(&rows, "d"), expected, "{rows:?}");
        }
    }

    /// Every recorded key of the Python SDK, whose times have fractions, which it cuts towards zero.
    #[test]
    fn c33_the_recorded_keys_are_made() {
        let vectors = include_str!("../../../tests/vectors/idempotency_key.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 25);
        for case in cases {
            let seconds = case["unix_time"].as_f64().unwrap().trunc() as i64;
            let key = compat_minute_key(case["task"].as_str().unwrap(), seconds);
            assert_eq!(key, case["key"].as_str().unwrap(), "{case}");
        }
        let known = "db357228df588a28a153f7ca32843ca2d3cf15a36dbc0ea6617c9e9db9f83b85";
        assert_eq!(compat_minute_key("do it", 1_777_291_200), known);
    }

    #[test]
    fn a_key_is_of_everything_that_makes_a_delegation_another() {
        let key = unique_key("a", "b", "task", "1");
        assert_eq!(key.len(), 64);
        assert_eq!(unique_key("a", "b", "task", "1"), key);
        for other in [
            unique_key("x", "b", "task", "1"),
            unique_key("a", "x", "task", "1"),
            unique_key("a", "b", "x", "1"),
            unique_key("a", "b", "task", "2"),
        ] {
            assert_ne!(other, key);
        }
    }
}
