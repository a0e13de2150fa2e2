//! The same over HTTP/2.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, SendResponse};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use molecule_host::egress::EgressSettings;
use molecule_runtime::wit::Sent;
use molecule_runtime::{FetchError, Payload, Times};
use molecule_tests::certificates::Authority;
use rustls::HandshakeKind;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::outside::Outside;
use super::secrets::{KEY, Lines, with_key};
use super::{Agent, PUBLIC, limited, text};

const RULES: [&str; 2] = [
    "GET,POST https://api.example.com/** max-response=8MiB max-request=1000GiB",
    "https://api.example.com:8443/**",
];
const URL: &str = "https://api.example.com/v1?x=1";

/// A server of HTTP/2 on this machine, until it is dropped.
struct Server {
    task: AbortHandle,
    seen: Arc<Seen>,
    agent: Agent,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Connections whose client was known from another one.
    resumed: AtomicUsize,
}

/// What becomes of the connection of a request.
enum Then {
    GoesOn,
    /// It takes no more requests.
    Goodbye,
    /// It breaks off, whatever is under way.
    Breaks,
}

type Answer = fn(Request<h2::RecvStream>, SendResponse<Bytes>) -> Then;

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port, what encrypts there, and a world in which that is where `api.example.com` is.
async fn listen() -> (TcpListener, TlsAcceptor, Outside) {
    let authority = Authority::new();
    let mut config = authority.server();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let outside = Outside::default().trust(authority.pem());
    outside.name("api.example.com", [&[PUBLIC][..]]);
    outside.put(PUBLIC, address);
    (listener, TlsAcceptor::from(Arc::new(config)), outside)
}

impl Server {
    /// Lets this function answer each request.
    async fn start(answer: Answer) -> Self {
        Self::with(EgressSettings::default(), answer).await
    }

    /// The same for an agent with these settings, which may send `KEY` there.
    async fn with(settings: EgressSettings, answer: Answer) -> Self {
        let (listener, acceptor, outside) = listen().await;
        let seen = Arc::<Seen>::default();
        let counted = seen.clone();
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), counted.clone());
                tokio::spawn(async move {
                    seen.connections.fetch_add(1, Ordering::Relaxed);
                    let stream = acceptor.accept(stream).await.unwrap();
                    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                        seen.resumed.fetch_add(1, Ordering::Relaxed);
                    }
                    let mut connection = Builder::new().handshake::<_, Bytes>(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        seen.requests.fetch_add(1, Ordering::Relaxed);
                        match answer(request, respond) {
                            Then::GoesOn => {}
                            Then::Goodbye => connection.graceful_shutdown(),
                            Then::Breaks => connection.abrupt_shutdown(Reason::INTERNAL_ERROR),
                        }
                    }
                    poll_fn(|context| connection.poll_closed(context)).await
                });
            }
        };
        let task = tokio::spawn(serving).abort_handle();
        let agent = Agent::with(&RULES, &outside, settings, |grants| {
            grants.secrets.push("KEY@api.example.com".parse().unwrap());
        });
        Self { task, seen, agent }
    }

    fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::Relaxed)
    }
}

fn say_ok(respond: &mut SendResponse<Bytes>) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data(Bytes::from_static(b"ok"), true).unwrap();
}

#[tokio::test]
async fn a_request_over_http_2_has_its_authority_and_no_host() {
    let server = Server::start(|request, mut respond| {
        let said = format!("{} {} {:?}", request.method(), request.uri(), request.headers().get("host"));
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data(said.into(), true).unwrap();
        Then::GoesOn
    })
    .await;
    for _ in 0..3 {
        let response = server.agent.get(URL).await.unwrap();
        assert_eq!(text(response).await.unwrap(), "GET https://api.example.com/v1?x=1 None");
    }
}

fn reset(respond: &mut SendResponse<Bytes>, reason: Reason) -> Then {
    respond.send_reset(reason);
    Then::GoesOn
}

#[tokio::test]
async fn a_stream_that_is_refused_was_not_acted_on_and_one_that_is_reset_may_have_been() {
    for (server, expected) in [
        (Server::start(|_, mut respond| reset(&mut respond, Reason::REFUSED_STREAM)).await, Sent::No),
        (Server::start(|_, mut respond| reset(&mut respond, Reason::INTERNAL_ERROR)).await, Sent::Maybe),
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
        Then::GoesOn
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
        Then::GoesOn
    })
    .await;
    let held = server.agent.get("https://api.example.com/long").await.unwrap();
    let other = server.agent.get(URL).await.unwrap();
    assert_eq!(text(other).await.unwrap().len(), 600 * 1024);
    assert_eq!(text(held).await.unwrap().len(), 4 * 1024 * 1024);
}

/// Whatever was under way when the server said goodbye is answered, and what comes after goes elsewhere.
#[tokio::test]
async fn after_a_goodbye_the_next_request_goes_over_a_new_connection_which_does_not_resume_the_old_one() {
    let server = Server::start(|_, mut respond| {
        say_ok(&mut respond);
        Then::Goodbye
    })
    .await;
    let asked = tokio::time::timeout(Duration::from_secs(30), async {
        let mut asked = 0;
        while server.connections() < 3 {
            assert_eq!(text(server.agent.get(URL).await.unwrap()).await.unwrap(), "ok");
            asked += 1;
            tokio::task::yield_now().await;
        }
        asked
    });
    assert_eq!(asked.await.expect("other connections"), server.requests());
    assert_eq!(server.seen.resumed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_request_under_way_when_a_connection_breaks_leaves_doubt_and_is_not_sent_again() {
    let server = Server::start(|_, _| Then::Breaks).await;
    let error = server.agent.get(URL).await.unwrap_err();
    assert!(matches!(error, FetchError::Broken { sent: Sent::Maybe, .. }), "{error:?}");
    assert_eq!((server.requests(), server.connections()), (1, 1));
}

#[tokio::test]
async fn no_more_connections_are_kept_than_may_be() {
    let settings = limited(|limits| limits.idle_per_agent = 1);
    let server = Server::with(settings, |_, mut respond| {
        say_ok(&mut respond);
        Then::GoesOn
    })
    .await;
    for (url, connections) in
        [(URL, 1), ("https://api.example.com:8443/", 2), ("https://api.example.com:8443/", 2), (URL, 3)]
    {
        assert_eq!(text(server.agent.get(url).await.unwrap()).await.unwrap(), "ok");
        assert_eq!(server.connections(), connections, "{url}");
    }
}

#[tokio::test]
async fn no_log_line_has_the_key_over_http_2_either() {
    let (lines, _guard) = Lines::listen();
    let server = Server::start(|request, mut respond| {
        assert!(request.headers()["authorization"].to_str().unwrap().contains(KEY));
        say_ok(&mut respond);
        Then::GoesOn
    })
    .await;
    server.agent.entrust("KEY", KEY);
    text(with_key(&server.agent, "Bearer {{secret:KEY}}").await.unwrap()).await.unwrap();
    lines.have_no_key();
}

#[tokio::test]
async fn trailers_that_repeat_a_key_are_masked() {
    let server = Server::start(|request, mut respond| {
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        let key = request.headers()["authorization"].clone();
        body.send_data(Bytes::from_static(b"ok"), false).unwrap();
        body.send_trailers([(http::HeaderName::from_static("x-key"), key)].into_iter().collect()).unwrap();
        Then::GoesOn
    })
    .await;
    server.agent.entrust("KEY", KEY);
    let response = with_key(&server.agent, "{{secret:KEY}}").await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-key"], "*".repeat(KEY.len()));
}

/// Take the end of its tasks out of a connection and this one hangs.
#[tokio::test]
async fn a_connection_ends_with_its_agent_though_the_server_reads_no_more() {
    let (listener, acceptor, outside) = listen().await;
    let (answered, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (heard, ended) = (answered.clone(), gone.clone());
    let serving = tokio::spawn(async move {
        let stream = listener.accept().await.unwrap().0.into_std().unwrap();
        let mut beside = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
        let stream = acceptor.accept(TcpStream::from_std(stream).unwrap()).await.unwrap();
        let mut builder = Builder::new();
        builder.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
        let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        let _body = respond.send_response(Response::new(()), false).unwrap();
        tokio::select! {
            _ = connection.accept() => panic!("there is one request"),
            () = heard.notified() => {}
        }
        ended.notified().await;
        // What was on its way, and then the end.
        let mut piece = vec![0; 1 << 20];
        while beside.read(&mut piece).await.is_ok_and(|bytes| bytes > 0) {}
    });
    let agent = Agent::new(&RULES, &outside);
    let piece = || Ok::<_, FetchError>(Frame::data(Bytes::from_static(&[0; 1 << 16])));
    let body = StreamBody::new(futures::stream::repeat_with(piece));
    let payload = Payload::Stream { body: body.boxed_unsync(), length: None };
    let response = agent.ask("POST", URL, &[], payload, Times::default()).await.unwrap();
    answered.notify_one();
    drop((response, agent));
    gone.notify_one();
    tokio::time::timeout(Duration::from_secs(10), serving).await.expect("its socket ends").unwrap();
}
