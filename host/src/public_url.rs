//! The address at which a platform that knows no poll mode is to reach an agent.

use std::fmt;
use std::str::FromStr;

use molecule_gate::special_range;
use url::{Host, Url};

/// Where an agent can be reached from outside: a URL that platforms accept.
///
/// ```
/// use molecule_host::PublicUrl;
///
/// assert!("https://agent.example/7f3c".parse::<PublicUrl>().is_ok());
/// assert!("http://localhost:8080/7f3c".parse::<PublicUrl>().is_ok());
/// let error = "http://127.0.0.1:8080/x".parse::<PublicUrl>().unwrap_err();
/// assert!(error.to_string().contains("http://localhost:PORT"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// The URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

/// What platforms refuse without saying why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicUrl {
    /// No URL of the web.
    #[error("a public URL begins with https:// or http://, has a host, and neither user nor fragment")]
    NotOfTheWeb,
    /// An address at which nobody outside reaches anybody.
    #[error("{address} is {range}, which no platform accepts; {instead}")]
    Address {
        /// The address.
        address: String,
        /// The range that it is in.
        range: &'static str,
        /// What to write.
        instead: &'static str,
    },
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let url: Url = text.trim().parse().map_err(|_| InvalidPublicUrl::NotOfTheWeb)?;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let address = match url.host() {
            Some(_) if !matches!(url.scheme(), "http" | "https") || !plain => None,
            Some(Host::Domain(_)) => return Ok(Self(url)),
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.to_canonical()),
            None => None,
        };
        let address: std::net::IpAddr = address.ok_or(InvalidPublicUrl::NotOfTheWeb)?;
        match special_range(address) {
            None => Ok(Self(url)),
            Some(range) => Err(InvalidPublicUrl::Address {
                address: address.to_string(),
                range: range.name(),
                instead: if address.is_loopback() {
                    "write http://localhost:PORT for a platform on this machine"
                } else {
                    "give a name, or a public address"
                },
            }),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_platform_refuses_is_refused_here_with_the_reason() {
        for good in ["https://agent.example/x", "http://localhost:9/secret", "https://93.184.216.34/x"] {
            assert_eq!(good.parse::<PublicUrl>().unwrap().to_string(), good);
        }
        for (bad, why) in [
            ("", "begins with https://"),
            ("remote://no-inbound", "begins with https://"),
            ("ftp://agent.example/", "begins with https://"),
            ("https://me@agent.example/", "begins with https://"),
            ("http://127.0.0.1:81/", "http://localhost:PORT"),
            ("http://[::ffff:127.0.0.1]:81/", "http://localhost:PORT"),
            ("http://169.254.169.254/", "link-local"),
            ("http://10.0.0.1:8000", "no platform accepts"),
        ] {
            let error = bad.parse::<PublicUrl>().unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
