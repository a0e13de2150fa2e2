//! Who else is there: peers, where they are, and who may talk to whom.

use serde::{Deserialize, Serialize};

use crate::id::PeerId;
use crate::json::{self, Json};
use crate::workspace::Status;

/// Another workspace, as `GET /registry/:id/peers` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its id.
    pub id: PeerId,
    /// Its name; not unique.
    pub name: String,
    /// What it is for, if it says so.
    pub role: Option<String>,
    /// 0 stays 0.
    pub tier: i64,
    /// Where it stands.
    pub status: Status,
    /// Where it is reached, as the platform thinks: not to be relied on from outside.
    pub url: String,
    /// Its parent; `None` for a root.
    pub parent_id: Option<String>,
    /// Messages in hand, as its last heartbeat said.
    pub active_tasks: i64,
    /// Its agent card, any JSON.
    pub agent_card: Option<Json>,
}

impl Peer {
    /// Reads one; `None` where it has no usable id. Other members of a wrong type count as absent.
    pub fn read(value: &Json) -> Option<Self> {
        let members = value.as_object()?;
        let text = |name: &str| members.get(name).and_then(Json::as_text);
        let number = |name: &str| members.get(name).and_then(|it| it.parse().ok()).unwrap_or_default();
        Some(Self {
            id: text("id")?.parse().ok()?,
            name: text("name").unwrap_or_default(),
            role: text("role"),
            tier: number("tier"),
            status: Status::from_word(&text("status").unwrap_or_default()),
            url: text("url").unwrap_or_default(),
            parent_id: text("parent_id"),
            active_tasks: number("active_tasks"),
            agent_card: members.get("agent_card").filter(|it| !it.is_null()).cloned(),
        })
    }

    /// Reads a list of them; what is none is left out. `null` is an empty list; `None` where the body is no list.
    pub fn read_list(body: &[u8]) -> Option<Vec<Self>> {
        json::read_list(body, Self::read)
    }
}

/// What `GET /registry/discover/:id` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoverResponse {
    /// The peer's id.
    pub id: String,
    /// Where it is, as the platform thinks: not to be relied on from outside.
    #[serde(default)]
    pub url: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// `POST /registry/check-access`: may `caller_id` talk to `target_id`?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAccessRequest {
    /// Who would talk.
    pub caller_id: String,
    /// To whom.
    pub target_id: String,
}

/// The answer to [`CheckAccessRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAccessResponse {
    /// Whether it may.
    pub allowed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_read_with_holes_and_without_ids_left_out() {
        let body = br#"[{"id":"p","name":"ops","role":null,"tier":0,"status":"odd","new":1},{"id":""},{"id":"../x"},7]"#;
        let peers = Peer::read_list(body).unwrap();
        let [peer] = peers.as_slice() else { panic!("{peers:?}") };
        assert_eq!((peer.role.as_deref(), peer.tier, peer.status.as_str()), (None, 0, "odd"));
        assert_eq!(Peer::read_list(b"null").unwrap(), []);
        assert_eq!(Peer::read_list(b"{}"), None);
    }
}
