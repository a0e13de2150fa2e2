//! How an operator's command speaks with a host that runs: over a Unix socket in its state folder.
//!
//! The socket is `control.sock`; where a second process shares the folder, `control-PID.sock`. Only this user (and root)
//! may connect. A connection carries one request, one line of JSON, and its answer: one line, or for `logs` one for each
//! line of the log, until it is closed.
//!
//! ```text
//! {"v":1,"verb":"ps"}                                            ▶ {"v":1,"ok":[{"agent":"alice","state":"working",...},...]}
//! {"v":1,"verb":"logs","agent":"alice","follow":true}            ▶ {"v":1,"ok":{"at":"2026-...","level":"info","by_agent":true,"text":"hi"}} ...
//! {"v":1,"verb":"retry","workspace":"3d6f...","key":17}          ▶ {"v":1,"ok":null}
//! {"v":1,"verb":"drop","workspace":"3d6f...","key":17}           ▶ {"v":1,"ok":null}
//! what cannot be done                                            ▶ {"v":1,"error":"what happened; what to do"}
//! an agent or workspace that is none of this process             ▶ {"v":1,"error":"...","unknown":true}
//! ```
//!
//! `v` grows when a request or an answer changes its meaning; fields may be added at any time. A host answers a version
//! that it does not know with an error that says so.

mod client;
mod server;

use molecule_protocol::WorkspaceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::client::{Client, ControlError};
pub(super) use self::server::serve;

/// The version that this release speaks.
const VERSION: u32 = 1;

/// The socket of the first process of a state folder.
const SOCKET: &str = "control.sock";

/// Bytes of one line.
const MAX_LINE: usize = 1024 * 1024;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub(super) enum Request {
    /// How the agents are.
    Ps,
    /// What one of them says.
    Logs {
        /// Its name or workspace.
        agent: String,
        /// Whether to go on with what comes.
        follow: bool,
    },
    /// Lets a dead letter wait again.
    Retry {
        /// Whose.
        workspace: WorkspaceId,
        /// Which.
        key: i64,
    },
    /// Drops one.
    Drop {
        /// Whose.
        workspace: WorkspaceId,
        /// Which.
        key: i64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    v: u32,
    #[serde(flatten)]
    request: Request,
}

/// The version alone: the rest may be of another one.
#[derive(Debug, Deserialize)]
struct Versioned {
    v: u32,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Answer {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    ok: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unknown: bool,
}

impl Answer {
    fn ok(value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => Self { v: VERSION, ok: Some(value), error: None, unknown: false },
            Err(error) => Self::error(error.to_string()),
        }
    }

    fn error(text: impl Into<String>) -> Self {
        Self { v: VERSION, ok: None, error: Some(text.into()), unknown: false }
    }

    fn unknown(text: impl Into<String>) -> Self {
        Self { unknown: true, ..Self::error(text) }
    }
}

/// `null` is an answer, too.
fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_as_documented() {
        let workspace: WorkspaceId = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse().unwrap();
        for (request, json) in [
            (Request::Ps, r#"{"v":1,"verb":"ps"}"#.to_owned()),
            (
                Request::Logs { agent: "alice".into(), follow: true },
                r#"{"v":1,"verb":"logs","agent":"alice","follow":true}"#.to_owned(),
            ),
            (
                Request::Retry { workspace, key: 17 },
                format!(r#"{{"v":1,"verb":"retry","workspace":"{workspace}","key":17}}"#),
            ),
            (
                Request::Drop { workspace, key: 17 },
                format!(r#"{{"v":1,"verb":"drop","workspace":"{workspace}","key":17}}"#),
            ),
        ] {
            let envelope = Envelope { v: VERSION, request: request.clone() };
            assert_eq!(serde_json::to_string(&envelope).unwrap(), json);
            assert_eq!(serde_json::from_str::<Envelope>(&json).unwrap().request, request);
        }
        for (answer, json) in [
            (Answer::ok(()), r#"{"v":1,"ok":null}"#),
            (Answer::error("a; b"), r#"{"v":1,"error":"a; b"}"#),
            (Answer::unknown("a; b"), r#"{"v":1,"error":"a; b","unknown":true}"#),
        ] {
            assert_eq!(serde_json::to_string(&answer).unwrap(), json);
            assert_eq!(serde_json::from_str::<Answer>(json).unwrap(), answer);
        }
    }
}
