//! `molecule:agent/http`: requests, and bodies in pieces.
#![expect(unreachable_pub, reason = "the generated bindings name the resources in public")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{Mutex, mpsc};
use wasmtime::component::{Access, Accessor, HasSelf, Resource};
use wasmtime_wasi::WasiView;

use super::Import;
use crate::bindings::molecule::agent::http::{self, Request, RequestBody, Response};
use crate::fetch::{Fetch, FetchBody, FetchError, FetchResponse, Payload, Times};
use crate::guest::Guest;
use crate::wit::{Error, Failure, Sent};

/// Bytes of one piece that the guest gets: what comes in one frame may be more.
const MAX_PIECE: usize = 64 * 1024;

/// The body of a response, or a file, read by one call at a time.
pub struct Body(Arc<Mutex<Incoming>>);

struct Incoming {
    body: FetchBody,
    /// What is left of a frame.
    rest: Bytes,
}

impl Body {
    pub(super) fn new(body: FetchBody) -> Self {
        Self(Arc::new(Mutex::new(Incoming { body, rest: Bytes::new() })))
    }
}

impl Incoming {
    async fn piece(&mut self) -> Result<Option<Bytes>, FetchError> {
        while self.rest.is_empty() {
            match self.body.frame().await {
                // Trailers are not passed on.
                Some(frame) => self.rest = frame?.into_data().unwrap_or_default(),
                None => return Ok(None),
            }
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(MAX_PIECE))))
    }
}

/// What goes through a pipe.
enum Written {
    Piece(Bytes),
    Finished,
}

/// Where the guest writes the body of a request.
pub struct PipeWriter(mpsc::Sender<Written>);

/// What is written, on its way into a request.
pub struct PipeEnd(mpsc::Receiver<Written>);

impl PipeEnd {
    fn into_body(self) -> FetchBody {
        let pieces = stream::unfold(Some(self.0), |pipe| async {
            let mut pipe = pipe?;
            match pipe.recv().await {
                Some(Written::Piece(piece)) => Some((Ok(Frame::data(piece)), Some(pipe))),
                Some(Written::Finished) => None,
                // The agent gave it up halfway.
                None => Some((Err(FetchError::Canceled(Sent::Maybe)), None)),
            }
        });
        StreamBody::new(pieces).boxed_unsync()
    }
}

impl http::Host for Guest {}

impl http::HostBody for Guest {}

impl http::HostPipeWriter for Guest {}

impl http::HostPipeEnd for Guest {}

impl http::HostWithStore<Guest> for HasSelf<Guest> {
    fn pipe(
        mut host: Access<'_, Guest, Self>,
    ) -> wasmtime::Result<(Resource<PipeWriter>, Resource<PipeEnd>)> {
        let (writer, end) = mpsc::channel(1);
        let table = host.get().ctx().table;
        Ok((table.push(PipeWriter(writer))?, table.push(PipeEnd(end))?))
    }

    async fn fetch(
        accessor: &Accessor<Guest, Self>,
        request: Request,
        body: RequestBody,
    ) -> wasmtime::Result<Result<Response, Error>> {
        let import = Import::enter_async(accessor)?;
        let payload = match body {
            RequestBody::None => Payload::Whole(Bytes::new()),
            RequestBody::Bytes(bytes) => Payload::Whole(bytes.into()),
            RequestBody::Pipe(end) => {
                let end = accessor.with(|mut access| access.get().ctx().table.delete(end))?;
                Payload::Stream { body: end.into_body(), length: None }
            }
        };
        let fetched = import
            .unless_canceled(async {
                let Request { method, url, headers, timeouts } = request;
                let fetch = Fetch::new(&method, &url, headers, payload, times(timeouts))?;
                let permit = import.pass_or_appeal(fetch).await?;
                Ok(import.agent.services.fetch(permit, &import.call).await?)
            })
            .await;
        match fetched {
            Ok(response) => Ok(Ok(accessor.with(|mut access| hand_over(access.get(), response))?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

fn times(timeouts: http::Timeouts) -> Times {
    let http::Timeouts { connect, first_byte, between_bytes, total } = timeouts;
    let [connect, first_byte, between_bytes, total] =
        [connect, first_byte, between_bytes, total].map(|ms| ms.map(|ms| Duration::from_millis(ms.into())));
    Times { connect, first_byte, between_bytes, total }
}

fn hand_over(guest: &mut Guest, response: FetchResponse) -> wasmtime::Result<Response> {
    let (head, body) = response.into_parts();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let body = guest.ctx().table.push(Body::new(body))?;
    Ok(Response { status: head.status.as_u16(), headers, body })
}

impl http::HostBodyWithStore<Guest> for HasSelf<Guest> {
    async fn read(
        accessor: &Accessor<Guest, Self>,
        body: Resource<Body>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let import = Import::enter_async(accessor)?;
        let incoming =
            accessor.with(|mut access| access.get().ctx().table.get(&body).map(|it| it.0.clone()))?;
        let Ok(mut incoming) = incoming.try_lock() else {
            return Ok(Err(Error::Conflict("this body is being read already; wait for that".to_owned())));
        };
        let piece = import.unless_canceled(async { Ok(incoming.piece().await?) }).await;
        Ok(piece.map(|piece| piece.map(Vec::from)))
    }

    fn drop(mut host: Access<'_, Guest, Self>, body: Resource<Body>) -> wasmtime::Result<()> {
        host.get().ctx().table.delete(body)?;
        Ok(())
    }
}

impl http::HostPipeWriterWithStore<Guest> for HasSelf<Guest> {
    async fn write(
        accessor: &Accessor<Guest, Self>,
        writer: Resource<PipeWriter>,
        piece: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = Import::enter_async(accessor)?;
        let writer =
            accessor.with(|mut access| access.get().ctx().table.get(&writer).map(|it| it.0.clone()))?;
        let write = async { writer.send(Written::Piece(piece.into())).await.map_err(|_| nobody_reads()) };
        Ok(import.unless_canceled(write).await)
    }

    async fn finish(
        accessor: &Accessor<Guest, Self>,
        writer: Resource<PipeWriter>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = Import::enter_async(accessor)?;
        let writer =
            accessor.with(|mut access| access.get().ctx().table.get(&writer).map(|it| it.0.clone()))?;
        let write = async { writer.send(Written::Finished).await.map_err(|_| nobody_reads()) };
        Ok(import.unless_canceled(write).await)
    }

    fn drop(mut host: Access<'_, Guest, Self>, writer: Resource<PipeWriter>) -> wasmtime::Result<()> {
        host.get().ctx().table.delete(writer)?;
        Ok(())
    }
}

impl http::HostPipeEndWithStore<Guest> for HasSelf<Guest> {
    fn drop(mut host: Access<'_, Guest, Self>, end: Resource<PipeEnd>) -> wasmtime::Result<()> {
        host.get().ctx().table.delete(end)?;
        Ok(())
    }
}

fn nobody_reads() -> Error {
    let message = "the request that this is the body of takes no more".to_owned();
    Error::Unavailable(Failure { message, sent: Sent::Maybe })
}
