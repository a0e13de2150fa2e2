//! Names of workspaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a workspace: a UUID, always written lower-case and hyphenated.
///
/// Upper-case digits are read (people paste them) and lowered: some routes of the platform refuse them. Braces,
/// `urn:uuid:` and the form without hyphens are refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkspaceId(Uuid);

impl WorkspaceId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for WorkspaceId {
    type Err = InvalidWorkspaceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidWorkspaceId(text.chars().take(64).collect());
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(invalid());
        }
        Uuid::try_parse(text).map(Self).map_err(|_| invalid())
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkspaceId({self})")
    }
}

impl Serialize for WorkspaceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WorkspaceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not a workspace id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a workspace id: expected a UUID such as 3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11")]
pub struct InvalidWorkspaceId(String);

/// The id of a workspace that somebody else named: a peer, the sender of a row.
///
/// The platform uses UUIDs; servers written after the Python SDK do not always. So any name that is safe as one
/// path segment is accepted: 1 to 128 of `A-Z a-z 0-9 . _ ~ -`, but neither `.` nor `..`. A sender that is not such a
/// name could otherwise choose the path that an answer, with the bearer token, is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(String);

impl PeerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as that of a workspace, if it is a UUID.
    pub fn workspace(&self) -> Option<WorkspaceId> {
        self.0.parse().ok()
    }
}

impl FromStr for PeerId {
    type Err = InvalidPeerId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let safe = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte))
            && !matches!(text, "." | "..");
        if !safe {
            return Err(InvalidPeerId(text.chars().take(64).collect()));
        }
        // The same workspace must not look like two because somebody wrote it in capitals.
        Ok(Self(match text.parse::<WorkspaceId>() {
            Ok(id) => id.to_string(),
            Err(_) => text.to_owned(),
        }))
    }
}

impl From<WorkspaceId> for PeerId {
    fn from(id: WorkspaceId) -> Self {
        Self(id.to_string())
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<WorkspaceId> for PeerId {
    fn eq(&self, other: &WorkspaceId) -> bool {
        self.workspace() == Some(*other)
    }
}

impl Serialize for PeerId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PeerId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that cannot name a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a peer: expected a workspace id")]
pub struct InvalidPeerId(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_id_is_a_hyphenated_uuid_and_is_written_in_lower_case() {
        let id: WorkspaceId = "3D6F0A52-8F0E-4A37-9A5E-0D4F4C1F9B11".parse().unwrap();
        assert_eq!(id.to_string(), "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11");
        for wrong in [
            "",
            "ws-1",
            "3d6f0a528f0e4a379a5e0d4f4c1f9b11",
            "{3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11}",
            "urn:uuid:3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11",
            " 3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b1",
            "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b1g",
        ] {
            assert!(wrong.parse::<WorkspaceId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_peer_id_is_one_safe_path_segment() {
        for right in ["peer-7", "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11", "a.b", "..."] {
            assert_eq!(right.parse::<PeerId>().unwrap().as_str(), right);
        }
        let long = "a".repeat(129);
        for wrong in ["", ".", "..", "a/b", "../admin", "a%2fb", "a b", "a?b", "a#b", "é", "a\0", &long] {
            assert!(wrong.parse::<PeerId>().is_err(), "{wrong:?}");
        }
    }
}
