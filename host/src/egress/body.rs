//! The body of a request, on its way to the socket.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use molecule_runtime::{Bound, FetchBody, FetchError, Payload};
use tokio::time::Instant;

/// Bytes that are handed over at once, so that sending a long body shows as progress.
const PIECE: usize = 64 * 1024;

/// How far a request has got.
#[derive(Debug)]
pub(super) struct Progress {
    moved: Mutex<Instant>,
    is_sent: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { moved: Mutex::new(Instant::now()), is_sent: AtomicBool::new(false) }
    }

    /// When a piece of the body was last asked for.
    pub(super) fn moved(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all of the body was.
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Acquire)
    }

    /// Something happens now.
    pub(super) fn touch(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn sent(&self) {
        self.touch();
        self.is_sent.store(true, Ordering::Release);
    }
}

/// A payload as a body that keeps within its limit and says how it gets on.
pub(super) fn outgoing(
    payload: Payload,
    limit: u64,
    progress: &Arc<Progress>,
) -> Result<FetchBody, FetchError> {
    if payload.length().is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let progress = progress.clone();
    Ok(match payload {
        Payload::Whole(body) => {
            if body.is_empty() {
                progress.sent();
            }
            Whole { rest: body, progress }.boxed_unsync()
        }
        Payload::Stream { body, length } => {
            Stream { body, left: length.unwrap_or(limit), limit, length, progress }.boxed_unsync()
        }
    })
}

fn too_large(limit: u64) -> FetchError {
    FetchError::TooLarge { bound: Bound::RequestBody, limit }
}

/// A body that is there already.
struct Whole {
    rest: Bytes,
    progress: Arc<Progress>,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = FetchError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FetchError>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = PIECE.min(self.rest.len());
        let piece = self.rest.split_to(piece);
        if self.rest.is_empty() {
            self.progress.sent();
        } else {
            self.progress.touch();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// A body that the agent writes as it goes.
struct Stream {
    body: FetchBody,
    /// Bytes that may still come.
    left: u64,
    limit: u64,
    /// What the agent said.
    length: Option<u64>,
    progress: Arc<Progress>,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = FetchError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FetchError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.progress.touch();
        let said = self.length;
        let untrue = move |words: &str| {
            let said = said.unwrap_or_default();
            FetchError::Invalid(format!("the body has {words} than the {said} bytes that its length says"))
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                match self.left.checked_sub(bytes) {
                    Some(left) => {
                        self.left = left;
                        if self.is_end_stream() {
                            // HTTP/1.1 asks for nothing more then.
                            self.progress.sent();
                        }
                        Some(Ok(frame))
                    }
                    None if said.is_some() => Some(Err(untrue("more"))),
                    None => Some(Err(too_large(self.limit))),
                }
            }
            Some(Err(error)) => Some(Err(error)),
            None if said.is_some() && self.left > 0 => Some(Err(untrue("less"))),
            None => {
                self.progress.sent();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.length.is_some() && self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(|_| SizeHint::with_exact(self.left)).unwrap_or_default()
    }
}
