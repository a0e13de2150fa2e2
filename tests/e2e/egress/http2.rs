//! The same over HTTP/2.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, SendResponse};
use http::{Request, Response};
use molecule_runtime::FetchError;
use molecule_runtime::wit::Sent;
use molecule_tests::certificates::Authority;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::outside::Outside;
use super::{Agent, PUBLIC, text};

const RULE: &str = "https://api.example.com/** max-response=8MiB";
const URL: &str = "https://api.example.com/v1?x=1";

/// A server of HTTP/2 on this machine, until it is dropped.
struct Server {
    task: AbortHandle,
    agent: Agent,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Lets this function answer each request.
    async fn start(answer: fn(Request<h2::RecvStream>, SendResponse<Bytes>)) -> Self {
        let authority = Authority::new();
        let mut config = authority.server();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.unwrap();
                    let mut connection = Builder::new().handshake::<_, Bytes>(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        answer(request, respond);
                    }
                    poll_fn(|context| connection.poll_closed(context)).await
                });
            }
        };
        let task = tokio::spawn(serving).abort_handle();
        let outside = Outside::default().trust(authority.pem());
        outside.name("api.example.com", [&[PUBLIC][..]]);
        outside.put(PUBLIC, address);
        Self { task, agent: Agent::new(&[RULE], &outside) }
    }
}

#[tokio::test]
async fn a_request_over_http_2_has_its_authority_and_no_host() {
    let server = Server::start(|request, mut respond| {
        let said = format!("{} {} {:?}", request.method(), request.uri(), request.headers().get("host"));
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data(said.into(), true).unwrap();
    })
    .await;
    for _ in 0..3 {
        let response = server.agent.get(URL).await.unwrap();
        assert_eq!(text(response).await.unwrap(), "GET https://api.example.com/v1?x=1 None");
    }
}

#[tokio::test]
async fn a_stream_that_is_refused_was_not_acted_on_and_one_that_is_reset_may_have_been() {
    for (server, expected) in [
        (Server::start(|_, mut respond| respond.send_reset(Reason::REFUSED_STREAM)).await, Sent::No),
        (Server::start(|_, mut respond| respond.send_reset(Reason::INTERNAL_ERROR)).await, Sent::Maybe),
    ] {
        let error = server.agent.get(URL).await.unwrap_err();
        assert!(matches!(error, FetchError::Broken { .. }), "{error:?}");
        assert_eq!(error.sent(), expected, "{error}");
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_in_the_middle_is_no_whole_body() {
    let server = Server::start(|_, mut respond| {
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(b"half"), false).unwrap();
        body.send_reset(Reason::INTERNAL_ERROR);
    })
    .await;
    let error = match server.agent.get(URL).await {
        Ok(response) => text(response).await.unwrap_err(),
        // The reset may overtake what was sent before it.
        Err(error) => error,
    };
    assert!(matches!(error, FetchError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_read_holds_up_no_other() {
    let server = Server::start(|request, mut respond| {
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        let bytes = if request.uri().path() == "/long" { 4 * 1024 * 1024 } else { 600 * 1024 };
        body.send_data(vec![b'x'; bytes].into(), true).unwrap();
    })
    .await;
    let held = server.agent.get("https://api.example.com/long").await.unwrap();
    let other = server.agent.get(URL).await.unwrap();
    assert_eq!(text(other).await.unwrap().len(), 600 * 1024);
    assert_eq!(text(held).await.unwrap().len(), 4 * 1024 * 1024);
}
