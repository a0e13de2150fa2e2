//! Which peers an agent may talk with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A peer, or all of them.
///
/// | written | grants |
/// | --- | --- |
/// | `*` | every peer that the platform lets this workspace talk with |
/// | `4f2c…-…` (a workspace id, any case) | that workspace |
/// | `bob` | every peer of exactly that name; names are not unique, ids are |
///
/// An empty text and control characters are refused. Parses from a text and prints back to the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerGrant(String);

impl PeerGrant {
    /// Whether it grants the peer of this id, and of this name where it is known.
    pub fn matches(&self, id: &str, name: Option<&str>) -> bool {
        self.0 == "*" || self.0.eq_ignore_ascii_case(id) || name == Some(self.0.as_str())
    }
}

/// A grant that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a peer: write its workspace id, its name, or * for all")]
pub struct InvalidGrant {
    /// What was written.
    pub text: String,
}

impl FromStr for PeerGrant {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for PeerGrant {
    type Error = InvalidGrant;

    fn try_from(text: String) -> Result<Self, InvalidGrant> {
        if text.trim().is_empty() || text.trim() != text || text.contains(char::is_control) {
            return Err(InvalidGrant { text });
        }
        Ok(Self(text))
    }
}

impl From<PeerGrant> for String {
    fn from(grant: PeerGrant) -> Self {
        grant.0
    }
}

impl fmt::Display for PeerGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn peers_match_by_id_by_name_or_all() {
        let id = "0b8e4a3c-95f1-4f0e-8c64-0f7c2f7f3d11";
        for (grant, name, expected) in [
            ("*", None, true),
            (id, None, true),
            ("0B8E4A3C-95F1-4F0E-8C64-0F7C2F7F3D11", Some("x"), true),
            ("bob", Some("bob"), true),
            ("bob", Some("Bob"), false),
            ("bob", Some("bobby"), false),
            ("bob", None, false),
            ("**", Some("bob"), false),
        ] {
            let grant: PeerGrant = grant.parse().unwrap();
            assert_eq!(grant.matches(id, name), expected, "{grant} on {name:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", " ", "bob ", " bob", "a\nb", "a\0b"] {
            assert!(text.parse::<PeerGrant>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_grant_prints_as_it_was_written(text in "\\PC{1,40}") {
            if let Ok(grant) = text.parse::<PeerGrant>() {
                prop_assert_eq!(grant.to_string(), text);
            }
        }
    }
}
