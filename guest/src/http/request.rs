//! What to send.

use std::pin::Pin;
use std::time::Duration;

use super::{Body, Response};
use crate::Error;
use crate::imports::http as host;
use crate::time::millis;

/// A `GET` of a URL.
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// A `POST` to a URL.
pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

/// A request of any method, in capitals, such as `PUT`.
///
/// The URL is `https` or `http`, and has neither user nor password. The part after `#`, which no server ever sees, is
/// left out.
pub fn request(method: impl Into<String>, url: impl Into<String>) -> Request {
    let mut url: String = url.into();
    if let Some(fragment) = url.find('#') {
        url.truncate(fragment);
    }
    let timeouts = host::Timeouts { connect: None, first_byte: None, between_bytes: None, total: None };
    let request = host::Request { method: method.into(), url, headers: Vec::new(), timeouts };
    Request { request, body: Body::default(), invalid: None }
}

/// A request that has not been made yet. Awaiting it makes it.
///
/// # Errors
///
/// Awaiting fails with [`Error::Denied`] where the operator has not granted it, [`Error::Timeout`] and
/// [`Error::Unavailable`] where there is no response, [`Error::Invalid`] where it makes no sense.
#[derive(Debug)]
#[must_use = "a request is made when it is awaited"]
pub struct Request {
    request: host::Request,
    body: Body,
    /// What was wrong with it from the beginning.
    invalid: Option<Error>,
}

impl Request {
    /// Adds a header. `Host`, and those that concern only the connection, are the host's.
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.request.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Adds `Authorization: Bearer …`, most often with a [reference to a secret](crate::secrets::reference).
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// The body: bytes, a text, or the other end of a [`pipe`](super::pipe).
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// A value as the body, in JSON, with its `Content-Type`. One that cannot be written as JSON is
    /// [`Error::Invalid`] when the request is awaited.
    #[cfg(feature = "json")]
    pub fn json(self, value: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.header("content-type", "application/json").body(json),
            Err(error) => {
                let invalid = Error::Invalid(format!("the body cannot be written as JSON: {error}"));
                Self { invalid: Some(invalid), ..self }
            }
        }
    }

    /// How long it may take, all in all, until the last byte of the response. The host has a bound of its own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeouts.total = Some(millis(timeout));
        self
    }

    /// How long it may take until there is a connection.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.request.timeouts.connect = Some(millis(timeout));
        self
    }

    /// How long it may take, once there is a connection, until the response begins.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.request.timeouts.first_byte = Some(millis(timeout));
        self
    }

    /// How long it may take between two pieces of a body.
    pub fn between_bytes_timeout(mut self, timeout: Duration) -> Self {
        self.request.timeouts.between_bytes = Some(millis(timeout));
        self
    }
}

impl IntoFuture for Request {
    type Output = Result<Response, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.invalid {
                Some(error) => Err(error),
                None => host::fetch(self.request, self.body.into_host()).await.map(Response::new),
            }
        })
    }
}
