//! Paths as a server sees them.
//!
//! What a rule is compared with is what is sent: RFC 3986 6.2.2 without the removal of dot segments, which are refused, as
//! servers and the parsers before them disagree on when to remove them.

use std::fmt::Write as _;

use crate::invalid_target::{InvalidTarget, excerpt};

/// Writes a path in the one way: unreserved characters as they are, all that RFC 3986 allows in a segment as it was, and
/// everything else percent-encoded in capital letters. Nothing becomes `/`.
///
/// # Errors
/// Whatever servers read in different ways.
pub(crate) fn normalise(path: &str) -> Result<String, InvalidTarget> {
    let mut normal = String::with_capacity(path.len().max(1));
    let mut bytes = path.as_bytes();
    // The decoded bytes, to see whether they are UTF-8.
    let mut decoded = Vec::new();
    while let Some((&byte, rest)) = bytes.split_first() {
        bytes = rest;
        if byte != b'%' {
            decoded.push(byte);
            push(&mut normal, byte, is_segment(byte) || byte == b'/');
            continue;
        }
        let (value, rest) = hex(bytes).ok_or(InvalidTarget::Percent)?;
        if is_refused(value) {
            return Err(InvalidTarget::Encoded { text: written(path, bytes) });
        }
        decoded.push(value);
        push(&mut normal, value, is_unreserved(value));
        bytes = rest;
    }
    // Of what is sent, not of what was written: `%252%65` is sent as `%252e`.
    if let Some(text) = hides(&normal) {
        return Err(InvalidTarget::Encoded { text: excerpt(text) });
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err(InvalidTarget::NotUtf8);
    }
    if normal.is_empty() {
        normal.push('/');
    }
    let segments = normal.strip_prefix('/').unwrap_or(&normal);
    let last = segments.split('/').count();
    for (index, segment) in segments.split('/').enumerate() {
        // The last one is empty where a path ends in a slash.
        if segment.is_empty() && index + 1 < last {
            return Err(InvalidTarget::EmptySegment);
        }
        if is_dots(segment) {
            return Err(InvalidTarget::DotSegment { segment: excerpt(segment) });
        }
    }
    Ok(normal)
}

/// Dots, slashes and backslashes, which some decode before they look for segments; and control characters, which end a
/// text or a line for some.
fn is_refused(value: u8) -> bool {
    matches!(value, b'.' | b'/' | b'\\') || value.is_ascii_control()
}

/// What becomes one of those when it is decoded, however often that is done and whatever is left of a broken sequence.
fn hides(path: &str) -> Option<&str> {
    if !path.contains('%') {
        return None;
    }
    // What is decoded so far, to its end: each byte with where it began.
    let mut decoded: Vec<(u8, usize)> = Vec::with_capacity(path.len());
    for (at, byte) in path.bytes().enumerate() {
        decoded.push((byte, at));
        while let Some(&[(b'%', start), (high, _), (low, _)]) = decoded.last_chunk::<3>()
            && let Some((value, _)) = hex(&[high, low])
        {
            if is_refused(value) {
                return path.get(start..=at);
            }
            decoded.truncate(decoded.len().saturating_sub(3));
            decoded.push((value, start));
        }
    }
    None
}

/// `.` and `..`, and the same before what servers cut off: parameters (`..;a=b`), blanks, another `%`, and what some take
/// for the beginning of a query or a fragment.
fn is_dots(segment: &str) -> bool {
    let Some(after) = segment.strip_prefix("..").or_else(|| segment.strip_prefix('.')) else { return false };
    after.is_empty() || [";", "%3B", "%20", "%25", "%3F", "%23"].iter().any(|cut| after.starts_with(cut))
}

/// The value of two hexadecimal digits, and what follows them.
fn hex(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    Some((u8::try_from(high? * 16 + low?).ok()?, rest))
}

/// The sequence that starts before `after`.
fn written(path: &str, after: &[u8]) -> String {
    let start = path.len().saturating_sub(after.len() + 1);
    path.get(start..).and_then(|text| text.get(..3)).unwrap_or("%").to_owned()
}

fn push(normal: &mut String, byte: u8, plain: bool) {
    if plain {
        normal.push(char::from(byte));
    } else {
        // Writing to a string does not fail.
        let _ = write!(normal, "%{byte:02X}");
    }
}

/// RFC 3986 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986 3.3, `pchar`.
fn is_segment(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}

/// Writes a query in one way: what neither parser would take as it is becomes percent-encoded. No rule reads it.
pub(crate) fn normalise_query(query: &str) -> String {
    let mut normal = String::with_capacity(query.len());
    for byte in query.bytes() {
        // The special-query set of the WHATWG, and what RFC 3986 does not know.
        push(&mut normal, byte, byte.is_ascii_graphic() && !b"\"#<>'`{}|^[]\\".contains(&byte));
    }
    normal
}
