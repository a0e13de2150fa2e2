//! `POST /workspaces/:id/notify`: a text to the user.

use serde::{Deserialize, Serialize};

use crate::json::null_is_default;

/// What is said. Two of the same are shown twice: the platform does not recognise copies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyRequest {
    /// The text; not empty.
    pub message: String,
    /// Files to show with it.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// A file shown with a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Where it is, e.g. what the upload answered.
    #[serde(default)]
    pub uri: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its media type.
    #[serde(default, rename = "mimeType", skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_attachments_may_be_written_as_null() {
        let request: NotifyRequest = serde_json::from_str(r#"{"message":"hi","attachments":null}"#).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"message":"hi"}"#);
    }
}
