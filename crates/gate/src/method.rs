//! The methods of HTTP.

use crate::invalid_target::{InvalidTarget, excerpt};

/// The longest; the longest that is registered has 18.
const MAX: usize = 32;
const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const NEVER: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Whether a text is a method that may be asked for.
pub(crate) fn check(text: &str) -> Result<(), InvalidTarget> {
    let written = || excerpt(text);
    // RFC 9110 5.6.2, without `*` and `,`, which mean something in a rule.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(c);
    if text.is_empty() || text.len() > MAX || !text.chars().all(token) {
        return Err(InvalidTarget::Method { text: written() });
    }
    if NEVER.iter().any(|method| method.eq_ignore_ascii_case(text)) {
        return Err(InvalidTarget::MethodRefused { text: written() });
    }
    match KNOWN.iter().find(|method| method.eq_ignore_ascii_case(text)) {
        Some(meant) if *meant != text => {
            Err(InvalidTarget::MethodCase { text: written(), meant: (*meant).to_owned() })
        }
        _ => Ok(()),
    }
}
