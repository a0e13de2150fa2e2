//! The operator's proxy, which is asked for a tunnel (RFC 9110 9.3.6).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;
use zeroize::Zeroizing;

/// A proxy: `http://[USER:PASSWORD@]HOST[:PORT]`. Port 80 where none is written, as URLs have it.
///
/// It is asked for a tunnel to an address, by HTTP CONNECT and for `http://` as well, so that what is judged here is
/// what it connects to. Cannot be printed with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    host: String,
    port: u16,
    /// What `Proxy-Authorization` says.
    authorization: Option<Zeroizing<String>>,
}

/// A text that is no proxy. It is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proxy is not a URL of the form http://HOST:PORT; give something like http://proxy.example:3128")]
pub struct InvalidProxy;

/// The longest answer that is read. One that is longer is no answer.
const LONGEST: usize = 16 * 1024;

impl ProxyUrl {
    /// Its host, a name or an address.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Asks for a tunnel to an address. `PermissionDenied` where it does not take what it is asked with, whichever
    /// address it is.
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, to: SocketAddr) -> io::Result<()> {
        let mut request = Zeroizing::new(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n"));
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        // Byte by byte: what follows the head belongs to the tunnel.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= LONGEST {
                return Err(refused("its answer has no end"));
            }
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head);
        let line = head.lines().next().unwrap_or_default();
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
        match status {
            "200" => Ok(()),
            "407" => {
                let words =
                    "it wants another name and password; correct MOLECULE_EGRESS_PROXY or --egress-proxy";
                Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
            }
            _ => Err(refused(&format!("it answers {:?}", line.chars().take(100).collect::<String>()))),
        }
    }
}

fn refused(words: &str) -> io::Error {
    io::Error::other(words)
}

impl FromStr for ProxyUrl {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let url = Url::parse(text).map_err(|_| InvalidProxy)?;
        let plain = url.scheme() == "http" && matches!(url.path(), "" | "/");
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidProxy);
        }
        let host = url.host_str().ok_or(InvalidProxy)?.trim_matches(['[', ']']).to_owned();
        let authorization = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let pair =
                    [decoded(user)?.as_str(), decoded(password.unwrap_or_default())?.as_str()].join(":");
                let pair = Zeroizing::new(pair);
                Some(Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes()))))
            }
        };
        Ok(Self { host, port: url.port_or_known_default().ok_or(InvalidProxy)?, authorization })
    }
}

/// Without percent-encoding, by way of the parser of queries, in which a plus would be a blank.
fn decoded(text: &str) -> Result<Zeroizing<String>, InvalidProxy> {
    let query = Zeroizing::new(format!("={}", text.replace('+', "%2B").replace('&', "%26")));
    let (_, value) = url::form_urlencoded::parse(query.as_bytes()).next().ok_or(InvalidProxy)?;
    Ok(Zeroizing::new(value.into_owned()))
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {}:{}", self.host, self.port)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_plain_url_and_shows_no_password() {
        let proxy: ProxyUrl = "http://us%40er:p%25+w&@proxy.example:3128".parse().unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("proxy.example", 3128));
        let expected = format!("Basic {}", BASE64_STANDARD.encode("us@er:p%+w&"));
        assert_eq!(proxy.authorization.as_ref().unwrap().as_str(), expected);
        assert!(!format!("{proxy:?} {proxy}").contains("p%"));
        let proxy: ProxyUrl = "http://[::1]:3128/".parse().unwrap();
        assert_eq!((proxy.host(), proxy.port(), &proxy.authorization), ("::1", 3128, &None));
        for wrong in [
            "proxy:3128",
            "https://proxy",
            "socks5://proxy",
            "http://",
            "http://proxy/path",
            "http://proxy?x",
        ] {
            assert_eq!(wrong.parse::<ProxyUrl>(), Err(InvalidProxy), "{wrong}");
        }
    }
}
