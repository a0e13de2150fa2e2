//! How one HTTP request gets to a server, and what can go wrong on the way.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;

mod faults;
mod http;

pub use self::http::{HttpTransport, InvalidTransport, TransportSettings};

/// Sends one request and reads the whole answer. An embedder may bring his own HTTP client by implementing it.
///
/// An implementation follows no redirect, sends nothing twice, adds no credentials, and does not ask the environment
/// for a proxy: the requests carry a bearer token.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request`, whose URI is absolute. An answer of any status is `Ok`.
    ///
    /// # Errors
    /// [`TransportError`]. It must not claim [`NotSent`](TransportError::NotSent) unless that is certain.
    async fn send(
        &self,
        request: ::http::Request<Bytes>,
        limits: Limits,
    ) -> Result<::http::Response<Bytes>, TransportError>;

    /// The same, returning once the head of the answer is there; its body is read as it comes. Of `limits`, the deadline
    /// is that of the head, and the body's length that of all its pieces together.
    ///
    /// Without an implementation of its own, a transport reads all of the body first.
    ///
    /// # Errors
    /// As [`send`](Self::send); what goes wrong after the head is an item of the body, the last one.
    async fn open(
        &self,
        request: ::http::Request<Bytes>,
        limits: Limits,
    ) -> Result<::http::Response<BodyStream>, TransportError> {
        let answer = self.send(request, limits).await?;
        Ok(answer.map(|body| -> BodyStream { Box::pin(futures::stream::once(async move { Ok(body) })) }))
    }
}

/// The body of an answer, piece by piece. Dropping it gives up the rest, and the connection.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// What one request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the call to the last byte of the body, connecting included.
    pub deadline: Duration,
    /// The longest body that is read, in bytes.
    pub body: usize,
    /// How long the next piece of a body may take that is read as it comes.
    pub idle: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The server has certainly not seen the request.
    #[error("{0}")]
    NotSent(NotSent),
    /// It may have seen it, and acted on it.
    #[error("{0}")]
    Unknown(Lost),
    /// It answered with more than was asked for. Reading stopped there.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// [`Limits::body`].
        limit: usize,
    },
}

/// Why a request was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The host name has no address.
    #[error("the host name cannot be resolved ({0})")]
    Unresolved(String),
    /// Nobody took the connection.
    #[error("no connection ({0})")]
    Connect(String),
    /// Nobody took the connection in time.
    #[error("no connection within the time limit")]
    ConnectTimeout,
    /// The other side does not speak TLS.
    #[error("the server answers plain HTTP where TLS was expected")]
    PlainHttp,
    /// The other side is not who it should be.
    #[error("the server's certificate is refused ({0})")]
    Certificate(String),
    /// TLS failed otherwise.
    #[error("the TLS handshake failed ({0})")]
    Handshake(String),
    /// The request cannot be written.
    #[error("the request is invalid ({0})")]
    Invalid(String),
}

/// How a request was lost sight of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// No answer, or not all of it, in time.
    #[error("no answer within the time limit")]
    Timeout,
    /// The connection ended before the answer did.
    #[error("the connection broke off ({0})")]
    Broken(String),
    /// What came back is not HTTP.
    #[error("the answer is not HTTP ({0})")]
    NotHttp(String),
}
