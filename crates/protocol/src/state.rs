//! `GET /workspaces/:id/state`: may this workspace work?

use serde::{Deserialize, Serialize};

use crate::error_body::NotFound;
use crate::json::Json;
use crate::workspace::Status;

/// What the platform answers, under 200 or, for what is gone, 404.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateResponse {
    /// The workspace's id.
    pub workspace_id: String,
    /// Where it stands; absent where the row itself is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// True for exactly the status `paused`; absent where the workspace is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// True where the workspace is gone.
    pub deleted: bool,
}

/// What an answer to a state poll means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateAnswer {
    /// Work on. Also under a status nobody knows.
    Running(Status),
    /// Stop working, keep asking, do not register: that would un-pause it.
    Paused,
    /// Gone for good.
    Removed,
    /// The token was refused, which may mean that the workspace is gone: see [`probe`].
    Unauthorized,
    /// Not the platform's answer: the organisation id or the Origin is wrong. Says nothing about the workspace.
    Misrouted,
    /// The platform is in trouble. Ask again.
    Unavailable,
}

/// What an answer to a state poll means. Has an answer for everything and errs on the side of working on: only what
/// says plainly that the workspace is gone ends it.
pub fn classify(status: u16, body: &[u8]) -> StateAnswer {
    let members = Json::object_in(body);
    let word = members.as_ref().and_then(|it| it.at(&["status"])?.as_text());
    let flag = |name: &str| members.as_ref().is_some_and(|it| it.flag(name));
    match status {
        200..=299 if members.is_none() => StateAnswer::Misrouted,
        200..=299 => match word.as_deref().map(Status::from_word) {
            _ if flag("deleted") => StateAnswer::Removed,
            Some(Status::Removed) => StateAnswer::Removed,
            Some(Status::Paused) => StateAnswer::Paused,
            _ if flag("paused") => StateAnswer::Paused,
            status => StateAnswer::Running(status.unwrap_or(Status::Other(String::new()))),
        },
        404 if flag("deleted") => StateAnswer::Removed,
        410 => StateAnswer::Removed,
        401 => StateAnswer::Unauthorized,
        300..=499 if status != 429 => StateAnswer::Misrouted,
        _ => StateAnswer::Unavailable,
    }
}

/// What `GET /workspaces/:id`, asked without a token after a 401, says about the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existence {
    /// It is there: the token was revoked.
    Exists,
    /// It is gone: removed, or purged.
    Removed,
    /// No knowing. Ask again.
    Unclear,
}

/// Tells a revoked token from a removed workspace.
pub fn probe(status: u16, body: &[u8]) -> Existence {
    let word = || Json::object_in(body).and_then(|it| it.at(&["status"])?.as_text());
    match status {
        410 => Existence::Removed,
        200 => match word() {
            Some(word) if Status::from_word(&word) == Status::Removed => Existence::Removed,
            Some(_) => Existence::Exists,
            None => Existence::Unclear,
        },
        404 => match NotFound::of(body) {
            NotFound::Thing(error) if error.error == "workspace not found" => Existence::Removed,
            _ => Existence::Unclear,
        },
        _ => Existence::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_word_ends_a_workspace() {
        let running = |word: &str| StateAnswer::Running(Status::from_word(word));
        for (status, body, answer) in [
            (200, r#"{"status":"online","paused":false,"deleted":false}"#, running("online")),
            (200, r#"{"status":"frobnicating"}"#, running("frobnicating")),
            (200, "{}", running("")),
            (200, r#"{"status":"paused","paused":true}"#, StateAnswer::Paused),
            (200, r#"{"paused":true}"#, StateAnswer::Paused),
            (200, r#"{"status":"removed"}"#, StateAnswer::Removed),
            (200, r#"{"status":"online","deleted":true}"#, StateAnswer::Removed),
            (200, "<html>", StateAnswer::Misrouted),
            (404, r#"{"workspace_id":"w","deleted":true}"#, StateAnswer::Removed),
            (404, "", StateAnswer::Misrouted),
            (404, "<html>", StateAnswer::Misrouted),
            (404, r#"{"error":"x"}"#, StateAnswer::Misrouted),
            (404, r#"{"deleted":"true"}"#, StateAnswer::Misrouted),
            (410, "", StateAnswer::Removed),
            (401, r#"{"error":"invalid workspace auth token"}"#, StateAnswer::Unauthorized),
            (403, "", StateAnswer::Misrouted),
            (429, r#"{"error":"rate limit exceeded"}"#, StateAnswer::Unavailable),
            (302, "", StateAnswer::Misrouted),
            (500, r#"{"error":"query failed","deleted":true}"#, StateAnswer::Unavailable),
            (503, "", StateAnswer::Unavailable),
        ] {
            assert_eq!(classify(status, body.as_bytes()), answer, "{status} {body}");
        }
    }

    #[test]
    fn a_revoked_token_is_told_from_a_removed_workspace() {
        for (status, body, existence) in [
            (410, "", Existence::Removed),
            (200, r#"{"status":"removed"}"#, Existence::Removed),
            (404, r#"{"error":"workspace not found"}"#, Existence::Removed),
            (200, r#"{"status":"online"}"#, Existence::Exists),
            (200, "<html>", Existence::Unclear),
            (404, "", Existence::Unclear),
            (404, "404 page not found", Existence::Unclear),
            (500, "", Existence::Unclear),
        ] {
            assert_eq!(probe(status, body.as_bytes()), existence, "{status} {body}");
        }
    }
}
