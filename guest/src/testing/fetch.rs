//! Requests, answered by the test: the functions that an agent calls, and what a test sees of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::host::Event;
use super::imports::{awaited, record};
use crate::{Error, Failure, Sent};

pub(crate) use crate::bindings::molecule::agent::http::{Request, Timeouts};

/// A request that the agent made. References to secrets stand in it as the agent wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetch {
    /// Its method.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body; empty where it has none.
    pub body: Vec<u8>,
    /// How long it may take, if the agent said so.
    pub timeout: Option<Duration>,
}

impl Fetch {
    /// The first value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        value.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Its body as text, with what is no text replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Its body, which is JSON.
    ///
    /// # Errors
    ///
    /// It is not JSON of this shape.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// What the test answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pieces: Vec<Vec<u8>>,
}

impl Response {
    /// A response of a status, without headers and with an empty body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), pieces: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Adds a piece to its body. The agent reads each piece by itself.
    #[must_use]
    pub fn piece(mut self, piece: impl AsRef<[u8]>) -> Self {
        self.pieces.push(piece.as_ref().to_vec());
        self
    }
}

impl From<&str> for Response {
    /// Status 200 and this body.
    fn from(body: &str) -> Self {
        Self::new(200).piece(body)
    }
}

/// The body of a response.
#[derive(Debug)]
pub(crate) struct Body(RefCell<VecDeque<Vec<u8>>>);

impl Body {
    pub(super) fn new(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(RefCell::new(pieces.into_iter().collect()))
    }

    pub(crate) async fn read(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.borrow_mut().pop_front())
    }
}

/// The beginning of a response. Same shape as the generated one.
pub(crate) struct HostResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Body,
}

/// The body of a request. Same shape as the generated one.
#[derive(Debug)]
pub(crate) enum RequestBody {
    None,
    Bytes(Vec<u8>),
    Pipe(PipeEnd),
}

pub(crate) async fn fetch(request: Request, body: RequestBody) -> Result<HostResponse, Error> {
    let host = awaited("http::fetch")?;
    let body = match body {
        RequestBody::None => Vec::new(),
        RequestBody::Bytes(bytes) => bytes,
        RequestBody::Pipe(end) => end.whole().await?,
    };
    let Request { method, url, headers, timeouts } = request;
    let timeout = timeouts.total.map(|ms| Duration::from_millis(ms.into()));
    let fetch = Fetch { method, url, headers, body, timeout };
    record(&host, Event::Fetched(fetch.clone()));
    let Response { status, headers, pieces } = (host.inner.script.borrow_mut().on_fetch)(&fetch)?;
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    Ok(HostResponse { status, headers, body: Body::new(pieces) })
}

/// What has gone through a pipe.
#[derive(Debug, Default)]
struct Pipe {
    bytes: Vec<u8>,
    finished: Option<Result<(), ()>>,
    reader: Option<Waker>,
}

impl Pipe {
    fn finish(&mut self, how: Result<(), ()>) {
        self.finished.get_or_insert(how);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The end that is written.
#[derive(Debug)]
pub(crate) struct PipeWriter(Rc<RefCell<Pipe>>);

impl PipeWriter {
    pub(crate) async fn write(&self, piece: Vec<u8>) -> Result<(), Error> {
        self.0.borrow_mut().bytes.extend(piece);
        Ok(())
    }

    pub(crate) async fn finish(&self) -> Result<(), Error> {
        self.0.borrow_mut().finish(Ok(()));
        Ok(())
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.0.borrow_mut().finish(Err(()));
    }
}

/// The end that is sent.
#[derive(Debug)]
pub(crate) struct PipeEnd(Rc<RefCell<Pipe>>);

impl PipeEnd {
    /// All that is written, once that is finished.
    async fn whole(self) -> Result<Vec<u8>, Error> {
        let finished = poll_fn(|context| {
            let mut pipe = self.0.borrow_mut();
            match pipe.finished {
                Some(how) => Poll::Ready(how),
                None => {
                    pipe.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        let message = "the body was not finished".to_owned();
        finished.await.map_err(|()| Error::Unavailable(Failure { message, sent: Sent::Maybe }))?;
        Ok(std::mem::take(&mut self.0.borrow_mut().bytes))
    }
}

pub(crate) fn pipe() -> (PipeWriter, PipeEnd) {
    let pipe = Rc::<RefCell<Pipe>>::default();
    (PipeWriter(pipe.clone()), PipeEnd(pipe))
}
