//! What comes back.

use std::fmt;

use super::Events;
use super::incoming::{self, Incoming};
use crate::Error;
use crate::imports::http as host;

/// A response, of which the body is still to be read. Dropping it gives up what was not read.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Incoming,
}

impl Response {
    pub(super) fn new(response: host::Response) -> Self {
        let host::Response { status, headers, body } = response;
        Self { status, headers, body: Incoming::new(body) }
    }

    /// Its status, such as 200.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// True for a status from 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The response where its status is a success, and an error where it is not.
    ///
    /// # Errors
    ///
    /// [`StatusError`] for any other status, redirects included.
    pub fn ok(self) -> Result<Self, StatusError> {
        match self.is_success() {
            true => Ok(self),
            false => {
                Err(StatusError { status: self.status, location: self.header("location").map(str::to_owned) })
            }
        }
    }

    /// The first value of a header, by its name in any case; none where there is none, or none that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        value.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All headers, with their names in small letters.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The next piece of the body, in the sizes in which it comes; none at its end.
    ///
    /// # Errors
    ///
    /// The body breaks off, takes too long, or is longer than the operator allows.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.body.chunk().await
    }

    /// The rest of the body.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub async fn bytes(self) -> Result<Vec<u8>, Error> {
        self.body.bytes(usize::MAX).await
    }

    /// The rest of the body as text.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk), and [`Error::Invalid`] where it is not UTF-8.
    pub async fn text(self) -> Result<String, Error> {
        incoming::text(self.bytes().await?, "the body")
    }

    /// The rest of the body, which is JSON.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk), and [`Error::Invalid`] where it is not JSON of this shape.
    #[cfg(feature = "json")]
    pub async fn json<T: serde::de::DeserializeOwned>(self) -> Result<T, Error> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::Invalid(format!("the body is not the JSON expected: {error}")))
    }

    /// The rest of the body as server-sent events, one by one as they come.
    pub fn events(self) -> Events {
        Events::new(self)
    }
}

/// A response whose status is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusError {
    /// The status.
    pub status: u16,
    /// Where a redirect points, if it is one.
    pub location: Option<String>,
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "the server answers {} and points to {location}", self.status),
            None => write!(f, "the server answers {}", self.status),
        }
    }
}

impl std::error::Error for StatusError {}
