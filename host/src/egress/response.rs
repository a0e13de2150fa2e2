//! A response on its way to the agent: without what concerns the hop, within its bounds, and with no secret in it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use molecule_runtime::wit::Sent;
use molecule_runtime::{Bound, FetchError, FetchResponse, Phase};
use tokio::time::{Instant, Sleep, sleep_until};

use super::faults;
use super::pool::Lease;
use super::slots::Slot;
use crate::secrets::{Filter, Redactor};

/// Headers of a response; an agent of our own has as many.
const MAX_COUNT: usize = 100;

/// The headers of one hop (RFC 9110 7.6.1).
const HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a response is judged by, and what ends with it.
pub(super) struct Exchange {
    pub(super) host: String,
    pub(super) limit: u64,
    pub(super) header_bytes: usize,
    pub(super) between_bytes: Duration,
    pub(super) total: Duration,
    pub(super) deadline: Instant,
    /// Whether the request had a secret in it that the answer may not repeat.
    pub(super) entrusted: bool,
    pub(super) redactor: Redactor,
    pub(super) lease: Lease,
    /// Held until the end of it.
    pub(super) _slot: Slot,
}

/// Makes the agent's response of the server's.
pub(super) fn incoming(
    response: Response<Incoming>,
    exchange: Exchange,
) -> Result<FetchResponse, FetchError> {
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        let detail = "it changes the protocol, which nobody asked for".to_owned();
        return Err(FetchError::Protocol { host: exchange.host, detail, sent: Sent::Yes });
    }
    let bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if parts.headers.len() > MAX_COUNT || bytes > exchange.header_bytes {
        let limit = exchange.header_bytes as u64;
        return Err(FetchError::TooLarge { bound: Bound::ResponseHeaders, limit });
    }
    if body.size_hint().lower() > exchange.limit {
        return Err(FetchError::TooLarge { bound: Bound::ResponseBody, limit: exchange.limit });
    }
    if exchange.entrusted && is_compressed(&parts.headers) {
        return Err(FetchError::Compressed { host: exchange.host });
    }
    drop_hop(&mut parts.headers);
    mask(&mut parts.headers, &exchange.redactor);
    // Nothing of the libraries goes on.
    parts.extensions.clear();
    let filter = Some(exchange.redactor.filter());
    let left = exchange.limit;
    let mut body = Guarded {
        incoming: body,
        exchange: Some(exchange),
        filter,
        left,
        trailers: None,
        timer: None,
        waits: None,
    };
    if body.incoming.is_end_stream() {
        body.end();
    }
    Ok(Response::from_parts(parts, body.boxed_unsync()))
}

/// Removes the headers of the hop, and those that `Connection` counts among them.
fn drop_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP {
        headers.remove(name);
    }
}

/// Whether a secret would not be found in the body (RFC 9110 8.4).
fn is_compressed(headers: &HeaderMap) -> bool {
    let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    !headers.get_all(CONTENT_ENCODING).iter().all(plain)
}

fn mask(headers: &mut HeaderMap, redactor: &Redactor) {
    for value in headers.values_mut() {
        let mut bytes = value.as_bytes().to_vec();
        if redactor.mask(&mut bytes) {
            *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static("*"));
        }
    }
}

/// The body of a response. Nothing is read of it ahead of the agent but what fits into the window of an HTTP/2 stream, or
/// the buffer of a connection; while the agent does not ask, no time between
/// pieces counts.
struct Guarded {
    incoming: Incoming,
    /// Until its end.
    exchange: Option<Exchange>,
    /// Until the end, or until nothing of it is to go on.
    filter: Option<Filter>,
    left: u64,
    trailers: Option<HeaderMap>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when the agent waits for the piece that comes next.
    waits: Option<Instant>,
}

impl Guarded {
    /// All of it has come: the connection is free.
    fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.lease.give_back();
        }
    }

    /// What is left once the server has said all.
    fn rest(&mut self) -> Option<Frame<Bytes>> {
        let held = self.filter.take().map(|mut filter| filter.finish()).filter(|held| !held.is_empty());
        match held {
            Some(held) => Some(Frame::data(held)),
            None => self.trailers.take().map(Frame::trailers),
        }
    }

    /// What can go on of a piece; nothing where a secret may begin in it.
    fn piece(&mut self, bytes: Bytes, exchange: &Exchange) -> Result<Option<Bytes>, FetchError> {
        let too_large = FetchError::TooLarge { bound: Bound::ResponseBody, limit: exchange.limit };
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(too_large)?;
        let bytes = match &mut self.filter {
            Some(filter) => filter.feed(bytes),
            None => bytes,
        };
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// Whether it took too long, while nothing comes.
    fn poll_late(&mut self, exchange: &Exchange, context: &mut Context<'_>) -> Poll<FetchError> {
        let since = *self.waits.get_or_insert_with(Instant::now);
        let idle = since + exchange.between_bytes;
        let until = idle.min(exchange.deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(context));
        Poll::Ready(if idle < exchange.deadline {
            late(Phase::BetweenBytes, exchange.between_bytes)
        } else {
            overdue(exchange)
        })
    }
}

fn overdue(exchange: &Exchange) -> FetchError {
    late(Phase::Total, exchange.total)
}

fn late(phase: Phase, limit: Duration) -> FetchError {
    FetchError::Timeout { phase, limit, sent: Sent::Yes }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = FetchError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FetchError>>> {
        let this = &mut *self;
        // Taken out, and put back unless this is the end of it: an error closes the connection.
        let Some(exchange) = this.exchange.take() else { return Poll::Ready(this.rest().map(Ok)) };
        if Instant::now() >= exchange.deadline {
            this.filter = None;
            return Poll::Ready(Some(Err(overdue(&exchange))));
        }
        loop {
            match Pin::new(&mut this.incoming).poll_frame(context) {
                Poll::Pending => {
                    return match this.poll_late(&exchange, context) {
                        Poll::Pending => {
                            this.exchange = Some(exchange);
                            Poll::Pending
                        }
                        Poll::Ready(late) => {
                            this.filter = None;
                            Poll::Ready(Some(Err(late)))
                        }
                    };
                }
                Poll::Ready(Some(Ok(frame))) => {
                    this.waits = None;
                    let bytes = match frame.into_data() {
                        Ok(bytes) => bytes,
                        Err(frame) => {
                            if let Ok(mut trailers) = frame.into_trailers() {
                                drop_hop(&mut trailers);
                                mask(&mut trailers, &exchange.redactor);
                                this.trailers = Some(trailers);
                            }
                            continue;
                        }
                    };
                    match this.piece(bytes, &exchange) {
                        Ok(None) => continue,
                        Ok(Some(bytes)) => {
                            this.exchange = Some(exchange);
                            if this.incoming.is_end_stream() {
                                this.end();
                            }
                            return Poll::Ready(Some(Ok(Frame::data(bytes))));
                        }
                        Err(error) => {
                            this.filter = None;
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    this.filter = None;
                    let error = faults::of_http(&error, &exchange.host, exchange.header_bytes, Sent::Yes);
                    let error = error.map_detail(|detail| exchange.redactor.redact_owned(detail));
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    this.exchange = Some(exchange);
                    this.end();
                    return Poll::Ready(this.rest().map(Ok));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none() && self.filter.is_none() && self.trailers.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_the_hop_stay_on_it() {
        let mut headers: HeaderMap = [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("proxy-authenticate", "Basic"),
            ("content-type", "text/plain"),
            ("set-cookie", "a=b"),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
        drop_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "set-cookie"]);
    }

    #[test]
    fn a_header_that_repeats_a_secret_is_masked() {
        let redactor = Redactor::default();
        redactor.learn("KEY", "hunter22", false);
        let mut headers: HeaderMap =
            [(http::header::LOCATION, HeaderValue::from_static("/?key=hunter22&x"))].into_iter().collect();
        mask(&mut headers, &redactor);
        assert_eq!(headers["location"], "/?key=********&x");
    }
}
