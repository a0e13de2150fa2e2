//! What an HTTP answer of the platform means where an endpoint has no reading of its own.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use molecule_protocol::error_body::is_misrouted;
use molecule_protocol::limits::{self, RateLimit};
use molecule_protocol::{ErrorBody, NotFound, Timestamp, json};
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{PlatformError, PlatformFault, one_line};
use super::request::Call;
use super::transport::BodyStream;
use crate::token::Credentials;

/// An answer, with what is needed to say what it was the answer to.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// What is still to be read, of a success that was asked for piece by piece.
    pub(super) rest: Option<BodyStream>,
    /// When it came.
    pub(super) at: Timestamp,
    pub(super) asked: Asked,
}

/// What was asked, and with how much effort.
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) attempts: u32,
    pub(super) elapsed: Duration,
    pub(super) had_token: bool,
    /// To take our secrets out of what a server echoes.
    pub(super) credentials: Credentials,
}

impl Asked {
    pub(super) fn failed(self, fault: PlatformFault) -> PlatformError {
        let mut url = self.call.url;
        url.set_query(None);
        PlatformError {
            method: self.call.method.to_string(),
            url: url.as_str().into(),
            attempts: self.attempts,
            elapsed: self.elapsed,
            fault,
        }
    }
}

impl Answer {
    /// What a 2xx says, as a type.
    pub(super) fn json<T: DeserializeOwned>(self) -> Result<T, PlatformError> {
        self.read(|body| {
            // Where it went wrong, but not what stood there: it may be a secret.
            let place =
                |error: serde_json::Error| format!("line {}, column {}", error.line(), error.column());
            serde_json::from_str(&json::repair(body)).map_err(place)
        })
    }

    /// What a 2xx says, in a way of the endpoint's own.
    pub(super) fn read<T>(self, parse: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, PlatformError> {
        let answer = self.success()?;
        match parse(&answer.body) {
            Ok(value) => Ok(value),
            Err(why) => Err(answer.asked.failed(PlatformFault::Malformed(why))),
        }
    }

    /// The answer, if it is a 2xx with JSON.
    pub(super) fn success(self) -> Result<Self, PlatformError> {
        if !self.status.is_success() {
            return Err(self.refusal());
        }
        if is_misrouted(self.content_type(), &self.body) {
            let content = match self.content_type() {
                _ if self.body.trim_ascii().is_empty() => "an empty body".to_owned(),
                Some(content_type) => one_line(content_type),
                None => "something of no type".to_owned(),
            };
            let status = self.status.as_u16();
            return Err(self.asked.failed(PlatformFault::NotJson { status, content }));
        }
        Ok(self)
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// Why this is no success.
    pub(super) fn refusal(self) -> PlatformError {
        let fault = self.fault();
        self.asked.failed(fault)
    }

    fn fault(&self) -> PlatformFault {
        let status = self.status.as_u16();
        match status {
            300..=399 => PlatformFault::Redirected { status, to: self.redirected_to() },
            401 => PlatformFault::Unauthorized { text: self.text(), had_token: self.asked.had_token },
            403 if self.body.trim_ascii().is_empty() => PlatformFault::OriginRefused,
            403 => PlatformFault::Forbidden { text: self.text() },
            404 => match NotFound::of(&self.body) {
                NotFound::Thing(_) => PlatformFault::NotFound { text: self.text() },
                NotFound::Route => PlatformFault::RouteMissing,
                NotFound::Misrouted => PlatformFault::EmptyNotFound,
            },
            410 => PlatformFault::Gone { text: self.text() },
            429 => PlatformFault::RateLimited { retry_after: self.retry_after() },
            400 if says_tls(&self.body) => PlatformFault::HttpToHttps,
            400..=499 => PlatformFault::Rejected { status, text: self.text() },
            _ => PlatformFault::Server { status, text: self.text() },
        }
    }

    /// What the server said, for people.
    fn text(&self) -> String {
        let said = match ErrorBody::read(&self.body) {
            None => String::from_utf8_lossy(&self.body).into_owned(),
            Some(ErrorBody { error, detail, hint, failed_keys, .. }) => {
                let keys = (!failed_keys.is_empty()).then(|| failed_keys.join(", "));
                let more = [detail, hint, keys].into_iter().flatten();
                std::iter::once(error).chain(more).collect::<Vec<_>>().join("; ")
            }
        };
        // Before it is cut: half a secret is one too.
        one_line(&self.asked.credentials.redact(said))
    }

    /// How long the server asks to wait, by header or body.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let header = self.headers.get(limits::RETRY_AFTER).and_then(|value| value.to_str().ok());
        header.and_then(|value| limits::retry_after(value, self.at)).or_else(|| {
            let seconds = ErrorBody::read(&self.body)?.retry_after?;
            limits::retry_after(&seconds.to_string(), self.at)
        })
    }

    pub(super) fn rate_limit(&self) -> Option<RateLimit> {
        RateLimit::read(|name| self.headers.get(name).and_then(|value| value.to_str().ok()))
    }

    /// The origin that a redirect names, resolved against the request's URL.
    fn redirected_to(&self) -> String {
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let to: Option<Url> = location.and_then(|location| self.asked.call.url.join(location).ok());
        match to {
            Some(url) if url.has_host() => url.origin().ascii_serialization(),
            _ => "nowhere".to_owned(),
        }
    }
}

/// True for what web servers answer, in plain HTTP, to plain HTTP on a port of TLS: Go's, nginx, Apache.
fn says_tls(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    ["to an HTTPS server", "sent to HTTPS port", "SSL-enabled server port"].iter().any(|it| text.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, header: Option<(&'static str, &'static str)>, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::from_static(body.as_bytes()),
            rest: None,
            at: Timestamp::UNIX_EPOCH,
            asked: Asked {
                call: Call::get("https://p.example/workspaces/w/state?q=1".parse().unwrap()),
                attempts: 1,
                elapsed: Duration::ZERO,
                had_token: true,
                credentials: Credentials::in_memory(Some("hunter2".parse().unwrap())),
            },
        }
    }

    #[test]
    fn every_answer_that_is_no_success_says_what_it_means() {
        let location = |to| Some(("location", to));
        for (status, header, body, means) in [
            (200, None, "<html>", "200 with something of no type where JSON was expected"),
            (200, Some(("content-type", "text/html")), "{}", "200 with text/html where JSON was expected"),
            (204, None, "", "204 with an empty body where JSON was expected"),
            (200, None, "[1]", "the answer makes no sense (line 1, column "),
            (
                301,
                location("https://q.example/x?token=hunter2"),
                "",
                "redirects (301) to https://q.example, which",
            ),
            (307, location("/login"), "", "redirects (307) to https://p.example, which"),
            (308, location("//q.example:81/"), "", "redirects (308) to https://q.example:81, which"),
            (302, None, "", "redirects (302) to nowhere"),
            (400, None, r#"{"error":"a","detail":"b"}"#, "rejects the request with 400 (a; b)"),
            (
                400,
                None,
                "Client sent an HTTP request to an HTTPS server.\n",
                "use https:// in --platform-url",
            ),
            (401, None, r#"{"error":"invalid hunter2"}"#, "refuses the workspace's token (invalid [token])"),
            (403, None, "", "refuses the Origin header"),
            (403, None, r#"{"error":"not authorized"}"#, "forbids it (not authorized)"),
            (404, None, r#"{"error":"workspace not found"}"#, "workspace not found; check --workspace-id"),
            (404, None, "404 page not found\n", "no such endpoint"),
            (404, None, "", "check --org-id and --origin"),
            (404, None, "<html>404</html>", "check --org-id and --origin"),
            (
                410,
                None,
                r#"{"error":"workspace removed","hint":"make a new one"}"#,
                "(workspace removed; make a new one)",
            ),
            (413, None, "", "rejects the request with 413 (no reason given)"),
            (429, Some(("retry-after", "7")), "", "too many requests from this address, for 7 s"),
            (429, None, r#"{"error":"e","retry_after":0}"#, "too many requests from this address, for 1 s"),
            (500, None, r#"{"error":"e","failed_keys":["global:K"]}"#, "answered 500 (e; global:K)"),
            (503, None, "<html>\n<b>sorry</b>", "answered 503 (<html> <b>sorry</b>)"),
        ] {
            let error =
                answer(status, header, body).json::<Option<std::collections::BTreeMap<String, String>>>();
            let line = error.unwrap_err().to_string();
            assert!(line.contains(means), "{status} {body}: {line}");
            assert!(line.starts_with("GET https://p.example/workspaces/w/state failed: "), "{line}");
            assert!(!line.contains("hunter2"), "{line}");
        }
    }
}
