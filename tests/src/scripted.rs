//! A server that does what a test says, mischief included.
//!
//! ```no_run
//! use molecule_tests::scripted::{Reply, Scripted};
//!
//! # async fn example() {
//! let server = Scripted::start([Reply::json(200, r#"{"status":"ok"}"#), Reply::Hangup]).await;
//! // ... ask server.url() twice ...
//! assert_eq!(server.received()[0].target, "/health");
//! # }
//! ```

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A server on a port of this machine. It ends when this is dropped.
pub struct Scripted {
    address: SocketAddr,
    scheme: &'static str,
    /// The certificate to trust, in PEM, of one that speaks TLS.
    pub certificate: Option<String>,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

/// What a request gets.
#[derive(Debug, Clone)]
pub enum Reply {
    /// An answer. `Content-Length` is added.
    Answer {
        /// The status.
        status: u16,
        /// Headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// These bytes, whatever they are; then the connection is closed.
    Raw(Vec<u8>),
    /// Nothing: the connection is closed.
    Hangup,
    /// Nothing, and the connection stays open.
    Silence,
    /// An answer without an end: a body that goes on until the client has had enough.
    Endless,
    /// An answer without an end, of a byte each time that so long has passed.
    Drip(Duration),
    /// What the server at this address answers. Between the two of them one can do what a bad network does.
    PassOn(SocketAddr),
    /// The server at this address gets the request and acts on it; the client gets the other reply.
    Lose(SocketAddr, Box<Reply>),
    /// An answer in two halves, the second one once the test says so.
    Halves(Vec<u8>, Arc<Notify>, Vec<u8>),
    /// The other reply, once the test says so.
    Once(Arc<Notify>, Box<Reply>),
}

impl Reply {
    /// JSON.
    pub fn json(status: u16, body: &str) -> Self {
        Self::typed(status, "application/json; charset=utf-8", body)
    }

    /// A web page.
    pub fn html(status: u16) -> Self {
        Self::typed(status, "text/html; charset=utf-8", "<!doctype html><title>Canvas</title>")
    }

    /// Nothing but a status.
    pub fn empty(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A way to another place.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::empty(status).with("Location", location)
    }

    /// A body of a type.
    pub fn typed(status: u16, content_type: &str, body: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self::Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    /// JSON whose end is missing, though the length says otherwise.
    pub fn cut_short(body: &str) -> Self {
        let length = body.len() + 100;
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        Self::Raw([head.as_bytes(), body.as_bytes()].concat())
    }

    /// The same with one more header. Only for an answer.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let Self::Answer { headers, .. } = &mut self else { panic!("only an answer has headers") };
        headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers, in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Which connection it came over, counted from 1.
    pub connection: usize,
}

impl Received {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Received>>,
    /// What a script had to complain about first.
    complaint: Mutex<Option<String>>,
    connections: Mutex<usize>,
    news: Notify,
}

type Script = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

impl Scripted {
    /// Answers one request after another as told, whichever connection it comes over. When the script is over, requests
    /// get a 599.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::answering(in_turn(replies)).await
    }

    /// Answers each request as `script` says.
    pub async fn answering(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Reserved::port().serve(script)
    }

    /// The same over TLS, with a certificate for `localhost` that nobody trusts unless told to.
    pub async fn tls(replies: impl IntoIterator<Item = Reply>) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a server's configuration");
        let mut server =
            Reserved::port().run(Arc::new(in_turn(replies)), Some(TlsAcceptor::from(Arc::new(config))));
        server.scheme = "https";
        server.certificate = Some(made.cert.pem());
        server
    }

    /// The same with a certificate and protocols of the test's own.
    pub async fn tls_as(
        config: ServerConfig,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let mut server = Reserved::port().run(Arc::new(script), Some(TlsAcceptor::from(Arc::new(config))));
        server.scheme = "https";
        server
    }

    /// Its URL, with `localhost` as the host, which is what its certificate says.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.seen.requests.lock().expect("no panic").clone()
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        *self.seen.connections.lock().expect("no panic")
    }

    /// Waits until so many requests have come.
    pub async fn has_received(&self, count: usize) -> Vec<Received> {
        loop {
            let news = self.seen.news.notified();
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            news.await;
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
        let complaint = self.seen.complaint.lock().expect("no panic").take();
        if let (Some(complaint), false) = (complaint, std::thread::panicking()) {
            panic!("the script: {complaint}");
        }
    }
}

/// A port that is ours and where nobody listens: who connects is refused.
pub struct Reserved {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Reserved {
    /// Some port.
    pub fn port() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = socket.local_addr().expect("an address");
        Self { socket, address }
    }

    /// The URL of what may listen there one day.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// From now on somebody does.
    pub fn serve(self, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Scripted {
        self.run(Arc::new(script), None)
    }

    /// From now on somebody takes every connection and closes it at once.
    pub fn hang_up(self) -> Scripted {
        let (address, seen) = (self.address, Arc::<Seen>::default());
        let listener = self.socket.listen(64).expect("a port to listen on");
        let counted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                *counted.connections.lock().expect("no panic") += 1;
                drop(connection);
            }
        });
        Scripted { address, scheme: "http", certificate: None, seen, task }
    }

    fn run(self, script: Script, tls: Option<TlsAcceptor>) -> Scripted {
        let (address, seen) = (self.address, Arc::<Seen>::default());
        let listener = self.socket.listen(64).expect("a port to listen on");
        let task = tokio::spawn(accept(listener, script, tls, Arc::clone(&seen)));
        Scripted { address, scheme: "http", certificate: None, seen, task }
    }
}

fn in_turn(replies: impl IntoIterator<Item = Reply>) -> impl Fn(&Received) -> Reply + Send + Sync + 'static {
    let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
    move |_: &Received| {
        let next = replies.lock().expect("no panic").pop_front();
        next.unwrap_or_else(|| Reply::json(599, r#"{"error":"the script is over"}"#))
    }
}

async fn accept(listener: TcpListener, script: Script, tls: Option<TlsAcceptor>, seen: Arc<Seen>) {
    // Dropped together with the server, and the connections with them.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut count = seen.connections.lock().expect("no panic");
            *count += 1;
            *count
        };
        let (script, seen, tls) = (Arc::clone(&script), Arc::clone(&seen), tls.clone());
        connections.spawn(async move {
            // A client that goes away is no fault of the script.
            let _ = match tls {
                None => converse(stream, number, &script, &seen).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => converse(stream, number, &script, &seen).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    script: &Script,
    seen: &Seen,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer, connection).await? {
        // In a task of its own a panic would be seen by nobody.
        let reply = catch_unwind(AssertUnwindSafe(|| script(&request))).unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            seen.complaint.lock().expect("no panic").get_or_insert_with(|| words.to_owned());
            Reply::Hangup
        });
        seen.requests.lock().expect("no panic").push(request.clone());
        seen.news.notify_waiters();
        if !act(&mut stream, &request, reply).await? {
            break;
        }
    }
    stream.shutdown().await
}

/// Does what the script says. True if the connection goes on.
async fn act(
    stream: &mut (impl AsyncWrite + Unpin),
    request: &Received,
    mut reply: Reply,
) -> io::Result<bool> {
    while let Reply::Once(told, then) = reply {
        told.notified().await;
        reply = *then;
    }
    if let Reply::Lose(address, then) = reply {
        ask(address, request).await?;
        reply = *then;
    }
    match reply {
        Reply::Answer { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat()).await?;
            stream.flush().await?;
            Ok(true)
        }
        Reply::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await.map(|()| false)
        }
        Reply::Hangup => Ok(false),
        Reply::Silence => std::future::pending().await,
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk).await?;
            }
        }
        Reply::Drip(every) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            let mut ticks = tokio::time::interval(every);
            loop {
                ticks.tick().await;
                stream.write_all(b"1\r\nx\r\n").await?;
                stream.flush().await?;
            }
        }
        Reply::Halves(first, told, second) => {
            let length = first.len() + second.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &first].concat()).await?;
            stream.flush().await?;
            told.notified().await;
            stream.write_all(&second).await?;
            stream.flush().await.map(|()| true)
        }
        Reply::PassOn(address) => {
            let answer = ask(address, request).await?;
            stream.write_all(&answer).await.map(|()| false)
        }
        Reply::Lose(..) | Reply::Once(..) => panic!("a reply that waits cannot follow one that loses"),
    }
}

/// Sends a request to another server and returns its answer, byte by byte as it came.
async fn ask(address: SocketAddr, request: &Received) -> io::Result<Vec<u8>> {
    let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.target);
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut server = TcpStream::connect(address).await?;
    server.write_all(&[head.as_bytes(), b"\r\n", &request.body].concat()).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Reads one request; `None` where the client has hung up. What was read beyond it stays in `buffer`.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Received>> {
    let mut need = None;
    loop {
        if need.is_none() {
            need = head_length(buffer).map(|head| (head, head + content_length(&buffer[..head])));
        }
        if let Some((head, whole)) = need.filter(|(_, whole)| buffer.len() >= *whole) {
            let bytes: Vec<u8> = buffer.drain(..whole).collect();
            return Ok(Some(parse(&bytes[..head], &bytes[head..], connection)));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
        // No method begins so; TLS does. What every web server says to that:
        if buffer.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await?;
            return Ok(None);
        }
    }
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|it| it == b"\r\n\r\n").map(|at| at + 4)
}

fn content_length(head: &[u8]) -> usize {
    let request = parse(head, &[], 0);
    request.header("content-length").map_or(0, |length| length.parse().expect("a length"))
}

fn parse(head: &[u8], body: &[u8], connection: usize) -> Received {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers = lines.filter_map(|line| line.split_once(':'));
    Received {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
        body: body.to_vec(),
        connection,
    }
}
