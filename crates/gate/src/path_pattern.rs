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
pub(crate) struct PathPattern {
    text: String,
    /// Bytes before the slash of the first segment with a star: all, where there is none.
    fixed: usize,
    /// Segments behind that, and whether any others may follow.
    segments: usize,
    open: bool,
}

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
        Self::new("/**".to_owned())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = path::normalise(text).map_err(InvalidPattern::Path)?;
        let stars = text.find(REST).map(|at| at + REST.len());
        let whole = text.ends_with("/**");
        if stars.is_some_and(|end| end != text.len() || !whole) {
            return Err(InvalidPattern::Stars);
        }
        Ok(Self::new(text))
    }

    /// The pattern that matches this one path, which has been normalised.
    pub(crate) fn exactly(path: &str) -> Self {
        Self::new(path.replace('*', "%2A"))
    }

    fn new(text: String) -> Self {
        let star = [text.find('*'), text.find("%2A")].into_iter().flatten().min();
        let slash = star.and_then(|at| text.get(..at)?.rfind('/'));
        let fixed = slash.unwrap_or(text.len());
        let open = text.ends_with("/**");
        let segments = slashes(text.get(fixed..).unwrap_or_default()).saturating_sub(usize::from(open));
        Self { text, fixed, segments, open }
    }

    pub(crate) fn is_any(&self) -> bool {
        self.text == "/**"
    }

    /// Whether a normalised path is one of these.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let Some((fixed, pattern)) = self.text.split_at_checked(self.fixed) else { return false };
        // Most rules end here, by one comparison.
        let Some(rest) = path.strip_prefix(fixed) else { return false };
        let (Some(pattern), Some(segments)) = (pattern.strip_prefix('/'), rest.strip_prefix('/')) else {
            return rest.is_empty() && (pattern.is_empty() || pattern == "/**");
        };
        // Of the others most end here.
        let count = slashes(rest);
        if count < self.segments || count > self.segments && !self.open {
            return false;
        }
        let (mut patterns, mut segments) = (pattern.split('/'), segments.split('/'));
        loop {
            match (patterns.next(), segments.next()) {
                (Some(REST), _) | (None, None) => return true,
                (Some("*"), Some(segment)) if !segment.is_empty() => {}
                (Some("*"), _) => return false,
                // Most segments are neither, and are compared whole.
                (Some(pattern), Some(segment)) if pattern == segment => {}
                (Some(pattern), Some(segment))
                    if pattern.contains(['*', '%'])
                        && segment_matches(pattern.as_bytes(), segment.as_bytes()) => {}
                _ => return false,
            }
        }
    }

    /// Whether it matches every path that the other one does; no in doubt.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (mut patterns, mut others) = (self.text.split('/'), other.text.split('/'));
        loop {
            match (patterns.next(), others.next()) {
                (Some(REST), _) | (None, None) => return true,
                (_, Some(REST)) => return false,
                // Any but an empty one, which only an empty one matches.
                (Some("*"), Some(other)) if !other.is_empty() => {}
                (Some("*"), _) => return false,
                (Some(pattern), Some(other)) if pattern == other => {}
                (Some(pattern), Some(other))
                    if !other.contains('*') && segment_matches(pattern.as_bytes(), other.as_bytes()) => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn slashes(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'/').count()
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
