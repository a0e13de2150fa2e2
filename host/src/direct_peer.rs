//! Peers that are asked at their own address instead of through the platform.

use std::fmt;
use std::str::FromStr;

use molecule_gate::{InvalidGrant, PeerGrant, Reach};

/// A peer that the operator has asked to be called directly: by id or by name, or `*` for all.
///
/// The address is what the peer has told the platform, so it is the peer's choice. It leads to public addresses alone,
/// unless `private` stands behind the peer: then to those of private networks and of this machine as well, as in a
/// [`NetRule`](molecule_gate::NetRule).
///
/// ```
/// use molecule_host::DirectPeer;
///
/// let peer: DirectPeer = "bob private".parse()?;
/// assert_eq!(peer.to_string(), "bob private");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectPeer {
    peer: PeerGrant,
    private: bool,
}

/// What stands behind the peer.
const PRIVATE: &str = " private";

impl DirectPeer {
    /// Whether it names the peer of this id, and of this name where it is known.
    pub fn matches(&self, id: &str, name: Option<&str>) -> bool {
        self.peer.matches(id, name)
    }

    /// Which addresses it may be at.
    pub(crate) fn reach(&self) -> Reach {
        if self.private { Reach::Any } else { Reach::Public }
    }
}

impl FromStr for DirectPeer {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        let peer = text.strip_suffix(PRIVATE);
        Ok(Self { peer: peer.unwrap_or(text).parse()?, private: peer.is_some() })
    }
}

impl fmt::Display for DirectPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.peer, if self.private { PRIVATE } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_public_unless_a_word_says_otherwise() {
        for (text, private) in [
            ("bob", false),
            ("bob the builder", false),
            ("bob the builder private", true),
            ("* private", true),
            ("private", false),
        ] {
            let peer: DirectPeer = text.parse().unwrap();
            assert_eq!((peer.private, peer.to_string()), (private, text.to_owned()));
        }
        for text in ["", " ", " private", "bob\n"] {
            assert!(text.parse::<DirectPeer>().is_err(), "{text:?}");
        }
    }
}
