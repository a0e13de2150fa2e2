//! Which paths a rule is for.

use std::fmt;

use crate::invalid_target::InvalidTarget;
use crate::path;

/// A pattern of paths.
///
/// | in the pattern | matches |
/// | --- | --- |
/// | `/v1/chat` | that path, and neither `/v1/chat/` nor `/v1/Chat` |
/// | `*` as a segment | one segment, not an empty one |
/// | `*` in a segment | any part of it, none included |
/// | `**` as the last segment | any rest, none included: `/v1/**` is `/v1`, `/v1/` and all below |
/// | `%2A` | a star |
///
/// Compared character by character as they are sent; a star never takes half of a percent-encoded one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PathPattern(String);

const REST: &str = "**";

/// Why a text is no pattern.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InvalidPattern {
    /// `**` elsewhere than in the end.
    Stars,
    /// No path.
    Path(InvalidTarget),
}

impl PathPattern {
    /// All paths: what a rule without one is for. A rule on a host that says nothing of paths is meant for the host.
    pub(crate) fn any() -> Self {
        Self("/**".to_owned())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let pattern = Self(path::normalise(text).map_err(InvalidPattern::Path)?);
        let stars = pattern.0.find(REST).map(|at| at + REST.len());
        let whole = pattern.0.ends_with("/**");
        if stars.is_some_and(|end| end != pattern.0.len() || !whole) {
            return Err(InvalidPattern::Stars);
        }
        Ok(pattern)
    }

    /// The pattern that matches this one path, which has been normalised.
    pub(crate) fn exactly(path: &str) -> Self {
        Self(path.replace('*', "%2A"))
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0 == "/**"
    }

    /// Whether a normalised path is one of these.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let (mut patterns, mut segments) = (self.0.split('/'), path.split('/'));
        loop {
            match (patterns.next(), segments.next()) {
                (Some(REST), _) | (None, None) => return true,
                (Some("*"), Some("")) => return false,
                (Some(pattern), Some(segment)) if segment_matches(pattern.as_bytes(), segment.as_bytes()) => {
                }
                _ => return false,
            }
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Goes back to the latest star only, which is enough: time is bounded by the product of both lengths.
fn segment_matches(mut pattern: &[u8], mut segment: &[u8]) -> bool {
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', after)) = pattern.split_first() {
            (pattern, star) = (after, Some((after, segment)));
            continue;
        }
        match (character(pattern), character(segment)) {
            (None, None) => return true,
            (Some((wanted, patterns)), Some((found, segments))) if is_same(wanted, found) => {
                (pattern, segment) = (patterns, segments);
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                let Some((_, rest)) = character(taken) else { return false };
                (pattern, segment, star) = (after, rest, Some((after, rest)));
            }
        }
    }
}

/// The first character, percent-encoded or not, and the rest.
fn character(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = if text.first()? == &b'%' { 3 } else { 1 };
    text.split_at_checked(length)
}

/// A star can stand in a path in two ways, and in a pattern only in one.
fn is_same(wanted: &[u8], found: &[u8]) -> bool {
    wanted == found || wanted == b"%2A" && found == b"*"
}
