//! How an external workspace is connected, as the platform tells its operator.

use std::fmt;

use crate::json::Json;
use crate::token::BearerToken;

/// What `GET /workspaces/:id/external/connection` and `POST …/external/rotate` answer. Snippets for people are passed
/// over.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalConnection {
    /// Whose.
    pub workspace_id: Option<String>,
    /// The platform, as it calls itself.
    pub platform_url: Option<String>,
    /// The new token; only the rotation says it, once.
    pub auth_token: Option<BearerToken>,
}

impl ExternalConnection {
    /// Reads one, also where it stands in a member `connection`; `None` where the body is no object.
    pub fn read(body: &[u8]) -> Option<Self> {
        let value = Json::object_in(body)?;
        let text = |name: &str| {
            let text = value.at(&["connection", name]).or_else(|| value.at(&[name]))?.as_text()?;
            (!text.is_empty()).then_some(text)
        };
        Some(Self {
            workspace_id: text("workspace_id"),
            platform_url: text("platform_url"),
            auth_token: text("auth_token").and_then(|token| token.parse().ok()),
        })
    }
}

impl fmt::Debug for ExternalConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalConnection")
            .field("workspace_id", &self.workspace_id)
            .field("platform_url", &self.platform_url)
            .field("auth_token", &self.auth_token.as_ref().map(|_| "(not shown)"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_read_bare_and_wrapped_and_never_shows_its_token() {
        let token = "tok-0123456789abcdefghijklmnop";
        for body in [
            format!(r#"{{"connection":{{"workspace_id":"w","auth_token":"{token}"}}}}"#),
            format!(r#"{{"workspace_id":"w","auth_token":"{token}","curl":"x"}}"#),
        ] {
            let read = ExternalConnection::read(body.as_bytes()).unwrap();
            assert_eq!(read.auth_token.as_ref().unwrap().expose(), token, "{body}");
            assert!(!format!("{read:?}").contains(token));
        }
        let shown = ExternalConnection::read(br#"{"connection":{"auth_token":""}}"#).unwrap();
        assert_eq!(shown.auth_token, None);
    }
}
