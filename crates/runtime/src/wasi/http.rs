//! `wasi:http` 0.2, for libraries that speak it: the same gate and the same egress as `molecule:agent/http`.

use std::sync::Arc;

use futures::future::ready;
use futures::stream::poll_fn;
use futures::{StreamExt as _, TryStreamExt as _};
use http::header::CONTENT_LENGTH;
use http_body::Body;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use molecule_gate::Rule;
use tokio::sync::mpsc;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, RequestOptions as Options};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, WasiHttpView};

use super::wasi;
use crate::agent::Agent;
use crate::appeal::pass_or_appeal;
use crate::fetch::{Bound, Fetch, FetchBody, FetchError, FetchResponse, Payload, Phase, Times, TlsFault};
use crate::guest::{Call, Guest, caller};
use crate::wit::Sent;

/// Links over what wasmtime linked: here it is known whose call it is.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    type Handled = (Result<Resource<HostFutureIncomingResponse>, ErrorCode>,);
    linker.instance(wasi!("http/outgoing-handler"))?.func_wrap(
        "handle",
        |mut store, (request, options): (Resource<HostOutgoingRequest>, Option<Resource<Options>>)| {
            let (_, call) = caller(&mut store)?;
            let guest = store.data_mut();
            guest.outgoing.call = call;
            let handled: Handled = match guest.http().handle(request, options) {
                Ok(response) => (Ok(response),),
                Err(error) => (Err(error.downcast()?),),
            };
            guest.outgoing.call = None;
            Ok(handled)
        },
    )
}

/// Sends the requests of one instance.
pub(crate) struct Outgoing {
    agent: Arc<Agent>,
    /// On whose behalf, while one is handed over.
    call: Option<Arc<Call>>,
}

impl Outgoing {
    pub(crate) fn new(agent: Arc<Agent>) -> Self {
        Self { agent, call: None }
    }
}

type Answered = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Outgoing {
    fn set_host_header(&mut self) -> bool {
        // The host writes it, of what was judged.
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        let agent = self.agent.clone();
        let call = self.call.clone().unwrap_or_else(|| Call::new("background"));
        Box::new(async move {
            let response =
                send(&agent, &call, request, options.unwrap_or_default()).await.map_err(of_fetch)?;
            let response = response.map(|body| body.map_err(of_fetch).boxed_unsync());
            let done: Box<dyn Future<Output = _> + Send> = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

async fn send(
    agent: &Agent,
    call: &Call,
    request: http::Request<WasiBody>,
    options: RequestOptions,
) -> Result<FetchResponse, FetchError> {
    let (head, body) = request.into_parts();
    // Such a body does not know its length; the agent may have said it.
    let said = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length = body.size_hint().exact().or(said);
    let payload = match length {
        Some(0) => Payload::Whole(bytes::Bytes::new()),
        length => Payload::Stream { body: of_guest(body), length },
    };
    let times = Times {
        connect: options.connect_timeout,
        first_byte: options.first_byte_timeout,
        between_bytes: options.between_bytes_timeout,
        total: None,
    };
    let headers = head.headers.iter().map(|(name, value)| (name, value.as_bytes()));
    let fetch = Fetch::new(head.method.as_str(), &head.uri.to_string(), headers, payload, times)?;
    let response = async {
        let permit = pass_or_appeal(agent, call, fetch).await.map_err(FetchError::Denied)?;
        agent.services.fetch(permit, call).await
    };
    tokio::select! {
        biased;
        () = call.canceled.cancelled() => Err(FetchError::Canceled(Sent::Maybe)),
        response = response => response,
    }
}

/// A body that the guest writes, without its trailers, in which nobody looks for headers that are the host's. One that
/// it gives up breaks the request off.
///
/// It is read to its end whether or not somebody wants it: a guest whose write fails, because the request was denied or
/// answered early, would never look why.
fn of_guest(body: WasiBody) -> FetchBody {
    let mut written = BodyStream::new(body).try_filter(|frame| ready(frame.is_data()));
    let (frames, mut wanted) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(frame) = written.next().await {
            // Nobody may be there any more.
            let _ = frames.send(frame.map_err(|_| FetchError::Canceled(Sent::Maybe))).await;
        }
    });
    StreamBody::new(poll_fn(move |context| wanted.poll_recv(context))).boxed_unsync()
}

/// In the words of `wasi:http`, which has no place for what would grant a request: that is in the log.
fn of_fetch(error: FetchError) -> Error {
    let small = |limit: u64| u32::try_from(limit).ok();
    match error {
        FetchError::Denied(denial) if denial.rule == Rule::Address => Error::DestinationIpProhibited,
        FetchError::Denied(_) => Error::HttpRequestDenied,
        FetchError::Busy { .. } => Error::ConnectionLimitReached,
        FetchError::Unresolved { detail, .. } => Error::DnsError { rcode: Some(detail), info_code: None },
        FetchError::Connect { .. } => Error::ConnectionRefused,
        FetchError::Tls { fault: TlsFault::Certificate(_), .. } => Error::TlsCertificateError,
        FetchError::Tls { .. } => Error::TlsProtocolError,
        FetchError::Timeout { phase, .. } => match phase {
            Phase::Connect => Error::ConnectionTimeout,
            Phase::Send => Error::ConnectionWriteTimeout,
            Phase::BetweenBytes => Error::ConnectionReadTimeout,
            Phase::FirstByte | Phase::Total => Error::HttpResponseTimeout,
        },
        FetchError::TooLarge { bound, limit } => match bound {
            Bound::RequestHeaders => Error::HttpRequestHeaderSectionSize(small(limit)),
            Bound::RequestBody => Error::HttpRequestBodySize(Some(limit)),
            Bound::ResponseHeaders => Error::HttpResponseHeaderSectionSize(small(limit)),
            Bound::ResponseBody => Error::HttpResponseBodySize(Some(limit)),
        },
        FetchError::Protocol { .. } => Error::HttpProtocolError,
        FetchError::Compressed { .. } => Error::HttpResponseContentCoding(None),
        FetchError::Broken { .. } | FetchError::Canceled(_) => Error::ConnectionTerminated,
        other => Error::InternalError(Some(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body::Frame;

    use super::*;

    #[tokio::test]
    async fn trailers_of_a_guest_go_nowhere() {
        let trailers =
            [(http::header::HOST, http::HeaderValue::from_static("evil.example"))].into_iter().collect();
        let frames = [Frame::data(Bytes::from_static(b"hello")), Frame::trailers(trailers)];
        let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Error>)));
        let body = of_guest(body.boxed_unsync()).collect().await.unwrap();
        assert!(body.trailers().is_none());
        assert_eq!(body.to_bytes(), "hello");
    }

    #[tokio::test]
    async fn a_body_that_nobody_wants_is_read_to_its_end() {
        let (written, frames) = mpsc::unbounded_channel();
        let mut frames = Box::pin(frames);
        let body = StreamBody::new(poll_fn(move |context| frames.poll_recv(context)));
        drop(of_guest(body.boxed_unsync()));
        for _ in 0..10 {
            written.send(Ok::<_, Error>(Frame::data(Bytes::from_static(b"more")))).unwrap();
            tokio::task::yield_now().await;
        }
        assert!(!written.is_closed());
    }
}
