//! Session search: what a workspace did and remembers, by a word.

use jiff::Timestamp;

use crate::json::{self, Json};
use crate::timestamp;

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionHit {
    /// `activity` or `memory`.
    pub kind: String,
    /// Names it among its like.
    pub id: String,
    /// One line for people.
    pub label: String,
    /// What was found.
    pub content: String,
    /// Of an activity: what was done.
    pub method: Option<String>,
    /// Of an activity: how it went.
    pub status: Option<String>,
    /// When it was written.
    pub created_at: Option<Timestamp>,
}

impl SessionHit {
    /// Reads one; `None` where it has no id. Other members of a wrong type count as absent.
    pub fn read(value: &Json) -> Option<Self> {
        let members = value.as_object()?;
        let text = |name: &str| members.get(name).and_then(Json::as_text);
        Some(Self {
            kind: text("kind").unwrap_or_default(),
            id: text("id").filter(|id| !id.is_empty())?,
            label: text("label").unwrap_or_default(),
            content: text("content").unwrap_or_default(),
            method: text("method"),
            status: text("status"),
            created_at: text("created_at").as_deref().and_then(timestamp::parse),
        })
    }

    /// Reads a list of them; what is none is left out. `None` where the body is no list.
    pub fn read_list(body: &[u8]) -> Option<Vec<Self>> {
        json::read_list(body, Self::read)
    }
}
