//! What a request is for.

use std::fmt;
use std::ops::Range;

use crate::authority::{self, Host, MAX_URL, Parts, Scheme};
use crate::invalid_target::InvalidTarget;
use crate::{method, path};

/// What a request is for, as the server will see it. Parsed once; what is judged is what is sent.
///
/// ```
/// use molecule_gate::Target;
///
/// let target = Target::parse("POST", "HTTPS://API.Example.com:443/v1/%63hat?stream=1#top")?;
/// assert_eq!(target.url(), "https://api.example.com/v1/chat?stream=1");
/// assert_eq!(target.path(), "/v1/chat");
///
/// assert!(Target::parse("GET", "https://api.example.com/v1/..%2fadmin").is_err());
/// assert!(Target::parse("GET", "http://0x7f.1/").is_err());
/// # Ok::<(), molecule_gate::InvalidTarget>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    method: String,
    scheme: Scheme,
    host: Host,
    port: u16,
    url: String,
    path: Range<usize>,
}

impl Target {
    /// Reads a method and an absolute URL.
    ///
    /// # Errors
    /// Whatever two parsers could read differently, and what is no request of HTTP.
    pub fn parse(method: &str, url: &str) -> Result<Self, InvalidTarget> {
        method::check(method)?;
        let Parts { scheme, host, port, rest } = authority::split(url)?;
        let host = Host::parse(host)?;
        // Never sent.
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (raw, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(path::normalise_query(query))),
            None => (rest, None),
        };
        let mut url = format!("{scheme}://{host}");
        if port != scheme.default_port() {
            url.push_str(&format!(":{port}"));
        }
        let start = url.len();
        url.push_str(&path::normalise(raw)?);
        let path = start..url.len();
        if let Some(query) = query {
            url.push('?');
            url.push_str(&query);
        }
        if url.len() > MAX_URL {
            return Err(InvalidTarget::TooLong { most: MAX_URL });
        }
        // Whoever reads it after us uses this parser or one like it.
        match url::Url::parse(&url) {
            Ok(read) if read.as_str() == url => {}
            read => {
                let read = read.map(String::from).unwrap_or_default();
                return Err(InvalidTarget::Ambiguous { read });
            }
        }
        Ok(Self { method: method.to_owned(), scheme, host, port, url, path })
    }

    /// The method: a token, in the case that was written.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// How the server is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whom it is for.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, that of the scheme where none was written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path; `/` at least.
    pub fn path(&self) -> &str {
        self.url.get(self.path.clone()).unwrap_or("/")
    }

    /// What follows the question mark, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.url.get(self.path.end..).and_then(|rest| rest.strip_prefix('?'))
    }

    /// The whole, without a fragment: exactly this goes to the socket.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Scheme, host, port and path.
    pub fn without_query(&self) -> &str {
        self.url.get(..self.path.end).unwrap_or(&self.url)
    }
}

/// Method and URL, the values of the query left out: they may be what nobody else is to read.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.without_query())?;
        let Some(query) = self.query() else { return Ok(()) };
        for (index, pair) in query.split('&').enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match pair.split_once('=') {
                Some((name, _)) => write!(f, "{name}=…")?,
                // A word alone may be a name or a value.
                None => f.write_str("…")?,
            }
        }
        Ok(())
    }
}
