//! One connection to a server, of HTTP/1.1 or 2, and what drives it.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use molecule_runtime::FetchBody;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::request::Outgoing;

/// What ALPN calls HTTP/2.
pub(super) const H2: &[u8] = b"h2";

/// Bytes of a response that a stream of HTTP/2 may have on its way before the agent reads them.
const STREAM_WINDOW: u32 = 512 * 1024;
/// Requests that share a connection of HTTP/2. With a window of all of theirs, one that is not read holds up no other.
const STREAMS: u32 = 32;
/// Bytes of a connection of HTTP/1.1 that are kept in memory, each way.
const BUFFER: usize = 128 * 1024;

/// A connection. Its clones are the same one; it is closed when the last is dropped.
#[derive(Clone)]
pub(super) struct Connection {
    sender: Sender,
    /// Counts those that hold it.
    link: Arc<Link>,
}

#[derive(Clone)]
enum Sender {
    /// One request at a time.
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<FetchBody>>>),
    Http2(http2::SendRequest<FetchBody>),
}

struct Link {
    /// Ends all that drives the connection, which closes its socket whether or not the other side reads.
    _end: DropGuard,
    _socket: OwnedSemaphorePermit,
}

/// Runs what drives a connection until that is dropped. HTTP/2 has a task for the connection, and one more for each body
/// that it sends.
#[derive(Clone, Default)]
struct Driver(CancellationToken);

impl<F> hyper::rt::Executor<F> for Driver
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, work: F) {
        tokio::spawn(self.0.clone().run_until_cancelled_owned(work));
    }
}

/// A request that was not answered.
pub(super) enum Unanswered {
    /// It is as it was: not a byte of it was sent.
    NotSent(Box<Request<FetchBody>>, hyper::Error),
    /// It may have been sent.
    Lost(hyper::Error),
}

impl Connection {
    /// Begins to speak HTTP over a stream.
    pub(super) async fn open<S>(
        stream: S,
        is_http2: bool,
        header_bytes: usize,
        socket: OwnedSemaphorePermit,
    ) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        let driver = Driver::default();
        let end = driver.0.clone().drop_guard();
        let sender = if is_http2 {
            let (sender, connection) = http2::Builder::new(driver.clone())
                .timer(TokioTimer::new())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(STREAM_WINDOW * STREAMS)
                .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
                .max_send_buf_size(BUFFER)
                .handshake(io)
                .await?;
            // Of its errors whoever waits for an answer is told.
            driver.execute(connection);
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::Builder::new()
                .max_header_size(header_bytes)
                .max_buf_size(BUFFER.max(header_bytes))
                .handshake(io)
                .await?;
            driver.execute(connection);
            Sender::Http1(Arc::new(tokio::sync::Mutex::new(sender)))
        };
        Ok(Self { sender, link: Arc::new(Link { _end: end, _socket: socket }) })
    }

    /// Whether several requests can share it.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Whether one more request can share it, beside those that hold it and whoever asks.
    pub(super) fn has_room(&self) -> bool {
        Arc::strong_count(&self.link) <= STREAMS as usize
    }

    /// Whether nobody holds it but whoever asks, and this one, who lets go of it.
    pub(super) fn is_idle_without(&self, leaving: Option<&Self>) -> bool {
        let leaving = leaving.is_some_and(|leaving| self.is_same(leaving));
        Arc::strong_count(&self.link) == 1 + usize::from(leaving)
    }

    /// Whether both are the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.link, &other.link)
    }

    /// Waits until it takes a request. False if it never will.
    pub(super) async fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.lock().await.ready().await.is_ok(),
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn send(&self, outgoing: &mut Outgoing) -> Result<Response<Incoming>, Unanswered> {
        match &self.sender {
            Sender::Http1(sender) => {
                outgoing.for_http1();
                let request = outgoing.take();
                let answer = sender.lock().await.try_send_request(request);
                answer.await.map_err(unanswered)
            }
            Sender::Http2(sender) => {
                outgoing.for_http2();
                let request = outgoing.take();
                let answer = sender.clone().try_send_request(request);
                answer.await.map_err(unanswered)
            }
        }
    }
}

fn unanswered(mut error: TrySendError<Request<FetchBody>>) -> Unanswered {
    match error.take_message() {
        Some(request) => Unanswered::NotSent(Box::new(request), error.into_error()),
        None => Unanswered::Lost(error.into_error()),
    }
}
