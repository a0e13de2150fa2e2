//! Where a platform is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// The base URL of a platform: an `http` or `https` origin and, behind some proxies, a path prefix.
///
/// No user or password, no query, no fragment, no trailing slash. Prints as it is given on, e.g.
/// `https://acme.moleculesai.app` or `http://localhost:8080/platform`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PlatformUrl(Url);

impl PlatformUrl {
    /// The URL of a route, e.g. `/registry/register`.
    ///
    /// `path` is written by us. Parts that come from elsewhere go through [`segments`](Self::segments), which cannot
    /// be led astray.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{}", self.0.path().trim_end_matches('/'), path.trim_start_matches('/')));
        url
    }

    /// The URL of a route, one path segment each. Whatever a segment holds stays within it: `/`, `?`, `#` and `%` are
    /// escaped. `.` and `..`, which no escaping makes safe, are left out.
    pub fn segments<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The bare origin, `scheme://host[:port]`, as the `Origin` header wants it.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// True for `https`.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL, with the slash that `url` puts where there is no path.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for PlatformUrl {
    type Err = InvalidPlatformUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut url = Url::parse(text.trim()).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => InvalidPlatformUrl::Scheme,
            error => InvalidPlatformUrl::Syntax(error),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidPlatformUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidPlatformUrl::User);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidPlatformUrl::Tail);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for PlatformUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for PlatformUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlatformUrl({self})")
    }
}

impl Serialize for PlatformUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PlatformUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not the URL of a platform. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlatformUrl {
    /// Not a URL.
    #[error("the platform URL cannot be read ({0}); expected something like https://acme.moleculesai.app")]
    Syntax(url::ParseError),
    /// Another scheme, or none.
    #[error("the platform URL must begin with https:// or http://")]
    Scheme,
    /// A user name or password.
    #[error("the platform URL must not hold a user or password; the workspace token is given on its own")]
    User,
    /// A query or fragment.
    #[error("the platform URL must end before any ? or #")]
    Tail,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PlatformUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_platform_url_is_an_origin_and_at_most_a_path() {
        for (text, shown, origin) in [
            ("https://Acme.example/", "https://acme.example", "https://acme.example"),
            ("http://localhost:8080", "http://localhost:8080", "http://localhost:8080"),
            ("https://a.example:443/p//", "https://a.example/p", "https://a.example"),
            (" http://[::1]:9/x/y\n", "http://[::1]:9/x/y", "http://[::1]:9"),
        ] {
            assert_eq!(url(text).to_string(), shown);
            assert_eq!(url(text).origin(), origin);
            assert_eq!(url(shown), url(text), "what is shown can be given again");
        }
        for (text, error) in [
            ("acme.example", InvalidPlatformUrl::Scheme),
            ("localhost:8080", InvalidPlatformUrl::Scheme),
            ("ftp://a.example", InvalidPlatformUrl::Scheme),
            ("https://user:pass@a.example", InvalidPlatformUrl::User),
            ("https://@a.example/?", InvalidPlatformUrl::Tail),
            ("https://a.example/?x=1", InvalidPlatformUrl::Tail),
            ("https://a.example/#top", InvalidPlatformUrl::Tail),
            ("https://", InvalidPlatformUrl::Syntax(url::ParseError::EmptyHost)),
        ] {
            assert_eq!(text.parse::<PlatformUrl>().unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_route_stands_below_the_prefix_and_foreign_text_stays_in_its_segment() {
        assert_eq!(url("http://h").join("/health").as_str(), "http://h/health");
        assert_eq!(url("http://h/p/").join("registry/register").as_str(), "http://h/p/registry/register");
        assert_eq!(url("http://h").segments(["workspaces", "w"]).as_str(), "http://h/workspaces/w");
        for (foreign, path) in [
            ("a/../../admin", "/p/workspaces/a%2F..%2F..%2Fadmin/a2a"),
            ("x?y=", "/p/workspaces/x%3Fy=/a2a"),
            ("%2e%2e", "/p/workspaces/%252e%252e/a2a"),
            ("..", "/p/workspaces/a2a"),
        ] {
            assert_eq!(url("http://h/p").segments(["workspaces", foreign, "a2a"]).path(), path);
        }
    }
}
