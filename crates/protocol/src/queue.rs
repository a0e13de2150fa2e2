//! A message that waits at the platform until its busy receiver can take it.

use crate::json::Json;

/// What `GET /workspaces/:peer/a2a/queue/:queue_id` answers. Only the word of the status is sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStatus {
    /// `queued`, `dispatched`, `completed`, `failed`, or another word.
    pub status: String,
    /// The receiver's answer, if it is there.
    pub response: Option<Json>,
    /// What went wrong.
    pub error: Option<String>,
}

impl QueueStatus {
    /// Reads it; `None` where there is no status.
    pub fn read(body: &[u8]) -> Option<Self> {
        let value = Json::object_in(body)?;
        let text = |name: &str| value.at(&[name])?.as_text().filter(|text| !text.is_empty());
        Some(Self {
            status: text("status")?,
            response: ["response_body", "response", "result"].iter().find_map(|name| value.at(&[name])),
            error: ["last_error", "error"].iter().find_map(|name| text(name)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_enough() {
        for (body, status) in [
            (r#"{"status":"queued"}"#, Some("queued")),
            (r#"{"status":"odd","response_body":{"a":1},"last_error":5}"#, Some("odd")),
            (r#"{"status":""}"#, None),
            ("{}", None),
            ("[]", None),
        ] {
            assert_eq!(QueueStatus::read(body.as_bytes()).map(|it| it.status).as_deref(), status, "{body}");
        }
    }
}
