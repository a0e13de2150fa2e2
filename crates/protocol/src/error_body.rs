//! What a platform says when it refuses.

use serde::{Deserialize, Serialize};

use crate::json;

/// `{"error": "<text>", …}`. The text is for people; decisions are taken on the status and the other members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: String,
    /// A word for it, e.g. `platform_unavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The precise reason, where the platform gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Seconds to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The status of the workspace in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When the workspace was removed, where that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<String>,
    /// Secrets that could not be decrypted, as `global:KEY` or `workspace:KEY`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_keys: Vec<String>,
}

impl ErrorBody {
    /// An error of a text only.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), ..Self::default() }
    }

    /// Reads a body; `None` if it is not JSON of this form. Other members of a wrong type count as absent.
    pub fn read(body: &[u8]) -> Option<Self> {
        let value = crate::Json::from_text(json::repair(body).as_ref()).ok()?;
        let members = value.as_object()?;
        let text = |name: &str| members.get(name).and_then(crate::Json::as_text);
        Some(Self {
            error: text("error")?,
            code: text("code"),
            detail: text("detail"),
            hint: text("hint"),
            retry_after: members.get("retry_after").and_then(|it| it.parse().ok()),
            status: text("status"),
            removed_at: text("removed_at"),
            failed_keys: members.get("failed_keys").and_then(|it| it.parse().ok()).unwrap_or_default(),
        })
    }
}

/// The three answers 404 that a platform gives, which mean different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// The platform itself says that the thing does not exist.
    Thing(ErrorBody),
    /// The platform has no such route: the feature is not there.
    Route,
    /// An edge or the tenant guard answered: the organisation id or the Origin is wrong. Says nothing about the thing.
    Misrouted,
}

impl NotFound {
    /// Tells them apart.
    pub fn of(body: &[u8]) -> Self {
        if let Some(error) = ErrorBody::read(body) {
            return Self::Thing(error);
        }
        if body.trim_ascii() == ROUTE_NOT_FOUND.as_bytes() { Self::Route } else { Self::Misrouted }
    }
}

/// The body of the plain-text 404 of a route that does not exist.
pub const ROUTE_NOT_FOUND: &str = "404 page not found";

/// True if a 2xx answer of a JSON endpoint did not come from the platform but from a proxy or a web page before it:
/// its type is not JSON's, or its body is none.
///
/// Such an answer is reported as "check Origin and organisation id", never parsed.
pub fn is_misrouted(content_type: Option<&str>, body: &[u8]) -> bool {
    let html = content_type.is_some_and(|it| it.trim_start().to_ascii_lowercase().starts_with("text/html"));
    html || crate::Json::from_text(json::repair(body).as_ref()).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_404s_are_told_apart() {
        for (body, kind) in [
            (r#"{"error":"workspace not found"}"#, NotFound::Thing(ErrorBody::new("workspace not found"))),
            ("404 page not found\n", NotFound::Route),
            ("", NotFound::Misrouted),
            ("<html>404 page not found</html>", NotFound::Misrouted),
            ("{}", NotFound::Misrouted),
        ] {
            assert_eq!(NotFound::of(body.as_bytes()), kind, "{body}");
        }
    }

    #[test]
    fn a_page_of_a_proxy_is_no_answer() {
        for (content_type, body, misrouted) in [
            (Some("application/json; charset=utf-8"), "[]", false),
            (None, "{}", false),
            (Some("text/plain"), "{}", false),
            (Some("text/html; charset=utf-8"), "<!doctype html>", true),
            (Some("Text/HTML"), "{}", true),
            (Some("application/json"), "", true),
            (None, "<html>", true),
        ] {
            assert_eq!(is_misrouted(content_type, body.as_bytes()), misrouted, "{content_type:?} {body}");
        }
    }

    #[test]
    fn an_error_is_read_whatever_its_other_members_are() {
        let body = r#"{"error":"e","retry_after":"soon","hint":5,"failed_keys":["global:K"],"new":{}}"#;
        let read = ErrorBody::read(body.as_bytes()).unwrap();
        assert_eq!(read, ErrorBody { failed_keys: vec!["global:K".into()], ..ErrorBody::new("e") });
        assert_eq!(ErrorBody::read(b"{\"error\":{\"code\":1}}"), None);
    }
}
