use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::redirect;
use rustls::ClientConfig;

use super::faults;
use super::{BodyStream, Limits, Lost, Transport, TransportError};
use crate::tls::{self, InvalidTls};

/// How long connecting may take: resolving, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an unused connection is kept. Longer than the time between two polls; shorter than the minute after which
/// load balancers begin to drop connections, because a request on a connection that is being dropped may or may not
/// have arrived.
const IDLE: Duration = Duration::from_secs(20);

/// The transport that is used unless an embedder brings his own: HTTP/1.1, over TLS with the certificates that the
/// machine trusts.
///
/// Not HTTP/2: there one stalled connection holds up every request on it, while here a request that times out takes
/// its connection with it.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    tls: ClientConfig,
    proxy: Option<reqwest::Proxy>,
}

/// How a [`HttpTransport`] reaches servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransportSettings {
    /// Certificates in PEM that are trusted beside those of the machine: a company's own authority, say.
    pub extra_roots: Option<Vec<u8>>,
    /// The URL of a proxy for all requests. The environment is not asked.
    pub proxy: Option<String>,
}

impl HttpTransport {
    /// A transport with a connection pool of its own.
    ///
    /// # Errors
    /// [`InvalidTransport`], about a setting.
    pub fn new(settings: &TransportSettings) -> Result<Self, InvalidTransport> {
        let tls = tls::client_config(settings.extra_roots.as_deref())?;
        let proxy = settings.proxy.as_ref().map(reqwest::Proxy::all).transpose();
        Self::with_pool(tls, proxy.map_err(|_| InvalidTransport::Proxy)?)
    }

    /// Another of the same settings, with a pool of its own. Cheaper than a new one: certificates are read once.
    ///
    /// # Errors
    /// [`InvalidTransport::Client`].
    pub fn another(&self) -> Result<Self, InvalidTransport> {
        Self::with_pool(self.tls.clone(), self.proxy.clone())
    }

    fn with_pool(tls: ClientConfig, proxy: Option<reqwest::Proxy>) -> Result<Self, InvalidTransport> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE);
        let builder = match &proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        };
        let client = builder.build().map_err(|error| InvalidTransport::Client(error.to_string()))?;
        Ok(Self { client, tls, proxy })
    }
}

/// A setting that no transport can be made with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransport {
    /// Not certificates.
    #[error("the extra certificates cannot be read ({0}); give one or more certificates in PEM")]
    ExtraRoots(String),
    /// Not a proxy. The text is not repeated: it may hold a password.
    #[error("the proxy is not a URL; give something like http://proxy.example:3128")]
    Proxy,
    /// The HTTP client itself.
    #[error("the HTTP client cannot be set up ({0}); this is a defect, please report it")]
    Client(String),
}

impl From<InvalidTls> for InvalidTransport {
    fn from(error: InvalidTls) -> Self {
        match error {
            InvalidTls::Roots(why) => Self::ExtraRoots(why),
            InvalidTls::Library(why) => Self::Client(why),
        }
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let exchange = async {
            let request = reqwest::Request::try_from(request)?;
            let answer = self.client.execute(request).await?;
            read(answer, limits.body).await
        };
        // A connection that takes too long is told apart by the client: it gives up sooner, at `CONNECT`.
        match tokio::time::timeout(limits.deadline, exchange).await {
            Ok(answered) => answered.map_err(|failure| failure.judge(limits)),
            Err(_) => Err(TransportError::Unknown(Lost::Timeout)),
        }
    }

    async fn open(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        let exchange = async {
            let answer = self.client.execute(reqwest::Request::try_from(request)?).await?;
            opened(answer, limits)
        };
        match tokio::time::timeout(limits.deadline, exchange).await {
            Ok(answered) => answered.map_err(|failure| failure.judge(limits)),
            Err(_) => Err(TransportError::Unknown(Lost::Timeout)),
        }
    }
}

/// An answer whose body comes piece by piece, as far as `limit`. A piece that takes too long is one too many.
fn opened(mut answer: reqwest::Response, limits: Limits) -> Result<http::Response<BodyStream>, Failure> {
    let Limits { body: limit, idle, .. } = limits;
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(Failure::TooLarge);
    }
    let mut whole = http::Response::new(());
    *whole.status_mut() = answer.status();
    *whole.headers_mut() = std::mem::take(answer.headers_mut());
    let pieces = futures::stream::try_unfold((answer, limit), move |(mut answer, left)| async move {
        let piece = match tokio::time::timeout(idle, answer.chunk()).await {
            Ok(piece) => piece.map_err(|error| faults::judge(&error))?,
            Err(_) => return Err(TransportError::Unknown(Lost::Timeout)),
        };
        match piece {
            Some(piece) if piece.len() > left => Err(TransportError::TooLarge { limit }),
            Some(piece) => {
                let left = left - piece.len();
                Ok(Some((piece, (answer, left))))
            }
            None => Ok(None),
        }
    });
    Ok(whole.map(|()| -> BodyStream { Box::pin(pieces) }))
}

/// Reads an answer's body as far as `limit`. The connection of a longer one is dropped, not drained.
async fn read(mut answer: reqwest::Response, limit: usize) -> Result<http::Response<Bytes>, Failure> {
    // What the server says of the length is a reason to refuse, never one to allocate.
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(Failure::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        if chunk.len() > limit - body.len() {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let mut whole = http::Response::new(body.freeze());
    *whole.status_mut() = answer.status();
    *whole.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(whole)
}

enum Failure {
    Client(reqwest::Error),
    TooLarge,
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Client(error)
    }
}

impl Failure {
    fn judge(self, limits: Limits) -> TransportError {
        match self {
            Self::Client(error) => faults::judge(&error),
            Self::TooLarge => TransportError::TooLarge { limit: limits.body },
        }
    }
}
