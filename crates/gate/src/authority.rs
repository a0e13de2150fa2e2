//! Scheme, host and port: where a request goes.

use std::fmt;
use std::net::IpAddr;

use crate::invalid_target::{InvalidTarget, excerpt};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As a URL begins with it.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port where none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whom a request is for.
///
/// Prints as in a URL, IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name: small letters, ASCII, without a dot at the end.
    Name(String),
    /// An address that was written as one.
    Address(IpAddr),
}

impl Host {
    /// Reads a host as it stands in a URL.
    ///
    /// # Errors
    /// What is neither a name nor an address, and an address in any other notation than the canonical one.
    pub fn parse(text: &str) -> Result<Self, InvalidTarget> {
        let invalid = || InvalidTarget::Host { text: excerpt(text) };
        // The parser would decode it.
        if text.contains('%') {
            return Err(invalid());
        }
        let parsed = url::Host::parse(text).map_err(|_| invalid())?;
        let canonical = match &parsed {
            url::Host::Domain(name) if name.ends_with('.') => {
                return Err(InvalidTarget::HostDot { text: excerpt(text) });
            }
            url::Host::Domain(name) => {
                return is_name(name).then(|| Host::Name(name.clone())).ok_or_else(invalid);
            }
            // An address that stands for another one has one spelling, that of the other one.
            url::Host::Ipv6(address) => match address.to_ipv4_mapped() {
                Some(mapped) => mapped.to_string(),
                None => parsed.to_string(),
            },
            url::Host::Ipv4(_) => parsed.to_string(),
        };
        if text != canonical {
            return Err(InvalidTarget::Address { text: excerpt(text), canonical });
        }
        Ok(match parsed {
            url::Host::Ipv4(address) => Host::Address(address.into()),
            url::Host::Ipv6(address) => Host::Address(address.into()),
            url::Host::Domain(name) => Host::Name(name),
        })
    }

    /// Whether it is this machine by definition: a loopback address, or `localhost`, which is only ever looked for there.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Name(name) => name == LOCALHOST,
            Host::Address(address) => address.is_loopback(),
        }
    }
}

/// The name that reaches loopback alone (RFC 6761 6.3).
pub(crate) const LOCALHOST: &str = "localhost";

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            // As the WHATWG writes it; the standard library differs where an IPv4 address is inside.
            Host::Address(IpAddr::V6(address)) => url::Host::<&str>::Ipv6(*address).fmt(f),
        }
    }
}

/// RFC 1123 2.1, and the underscore, which is no host name but is in use.
fn is_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A URL, taken apart but for its host, which may be a pattern.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// Path, query and fragment.
    pub(crate) rest: &'a str,
}

/// The longest URL: 8 KiB, which is what servers commonly take for the whole first line.
pub(crate) const MAX_URL: usize = 8 * 1024;

/// Takes a URL apart.
pub(crate) fn split(url: &str) -> Result<Parts<'_>, InvalidTarget> {
    if url.len() > MAX_URL {
        return Err(InvalidTarget::TooLong { most: MAX_URL });
    }
    if url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(InvalidTarget::Blank);
    }
    if url.contains('\\') {
        return Err(InvalidTarget::Backslash);
    }
    let (scheme, rest) = url.split_once("://").ok_or(InvalidTarget::NotAbsolute)?;
    let scheme = [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|known| known.name().eq_ignore_ascii_case(scheme))
        .ok_or_else(|| InvalidTarget::Scheme { scheme: excerpt(scheme) })?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(InvalidTarget::NotAbsolute)?;
    if authority.contains('@') {
        return Err(InvalidTarget::UserInfo);
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The colons within brackets are the address's own.
        Some((host, port)) if !port.contains(']') => (host, self::port(port)?),
        _ => (authority, scheme.default_port()),
    };
    if host.is_empty() {
        return Err(InvalidTarget::NotAbsolute);
    }
    Ok(Parts { scheme, host, port, rest })
}

/// A port as it is written behind a colon.
pub(crate) fn port(text: &str) -> Result<u16, InvalidTarget> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain).ok_or_else(|| InvalidTarget::Port { text: excerpt(text) })
}
