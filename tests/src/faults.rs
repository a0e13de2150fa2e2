//! A proxy in front of any server, which does to some requests what a bad network or a bad edge does.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a fixture: what it does not expect fails the test"
)]

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::dice::mix;
use crate::scripted::{Received, read};

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is answered here: status, headers, body.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// It goes on after so long.
    Delay(Duration),
    /// The connection ends before the server hears of it.
    DropBefore,
    /// The server serves it, and the connection ends without the answer.
    DropAfter,
    /// Of the server's answer, head included, only so many bytes come.
    Truncate(usize),
}

impl Fault {
    /// A page of an edge.
    pub fn html(status: u16) -> Self {
        let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
        Self::Answer(status, headers, b"<!doctype html><title>edge</title>".to_vec())
    }

    /// An edge that knows no such host.
    pub fn empty_404() -> Self {
        Self::Answer(404, Vec::new(), Vec::new())
    }
}

/// Which of the requests that fit a rule it strikes.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// Each.
    Always,
    /// The nth, counted from 1.
    Nth(u64),
    /// So many of a thousand, drawn from the proxy's seed and the rule's count: the same in every run.
    PerMille(u64),
}

/// A rule. The first that strikes decides.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The method; `*` is any.
    pub method: &'static str,
    /// The path without its query; a segment `*` is any one, a last `**` is any rest.
    pub path: &'static str,
    /// Which of them.
    pub when: When,
    /// What happens.
    pub fault: Fault,
}

/// The proxy. It ends when this is dropped.
pub struct Faults {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// The seed, and the rules, with how many requests fitted each.
type Rules = (u64, Vec<(Rule, u64)>);

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The workspace that sent it, where it says so.
    pub by: Option<String>,
    /// What happened to it.
    pub fault: Option<Fault>,
}

struct Shared {
    server: SocketAddr,
    rules: Mutex<Rules>,
    seen: Mutex<Vec<Seen>>,
    /// How often the server itself said that it is asked too much.
    refused: AtomicUsize,
    cut: watch::Sender<()>,
}

impl Faults {
    /// In front of the server at this address.
    pub async fn before(server: SocketAddr, seed: u64, rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let rules = Mutex::new((seed, rules.into_iter().map(|rule| (rule, 0)).collect()));
        let cut = watch::Sender::new(());
        let shared =
            Arc::new(Shared { server, rules, seen: Mutex::default(), refused: AtomicUsize::new(0), cut });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// From now on these rules.
    pub fn rules(&self, rules: Vec<Rule>) {
        let seed = self.shared.rules.lock().expect("no panic").0;
        self.rules_of(seed, rules);
    }

    /// The same with a seed of their own.
    pub fn rules_of(&self, seed: u64, rules: Vec<Rule>) {
        *self.shared.rules.lock().expect("no panic") =
            (seed, rules.into_iter().map(|rule| (rule, 0)).collect());
    }

    /// Ends every connection there is; new ones are taken.
    pub fn cut(&self) {
        self.shared.cut.send_replace(());
    }

    /// How many requests came that fit.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.times(method, path).len()
    }

    /// The most requests that fit and came within any span of this length.
    pub fn busiest(&self, method: &str, path: &str, span: Duration) -> usize {
        let times = self.times(method, path);
        let within = |from: usize| times[from..].iter().take_while(|at| **at - times[from] < span).count();
        (0..times.len()).map(within).max().unwrap_or(0)
    }

    fn times(&self, method: &str, path: &str) -> Vec<Instant> {
        let seen = self.shared.seen.lock().expect("no panic");
        seen.iter().filter(|it| fits(method, path, &it.method, &it.path)).map(|it| it.at).collect()
    }

    /// All that came, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no panic").clone()
    }

    /// How often the server itself answered 429.
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn fault_for(&self, request: &Received) -> Option<Fault> {
        let path = request.target.split('?').next().unwrap_or_default();
        let fault = self.strikes(&request.method, path);
        let named = request.header("x-workspace-id").map(str::to_owned);
        let in_body = || {
            let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
            Some(body["workspace_id"].as_str()?.to_owned())
        };
        self.seen.lock().expect("no panic").push(Seen {
            at: Instant::now(),
            method: request.method.clone(),
            path: path.to_owned(),
            by: named.or_else(in_body),
            fault: fault.clone(),
        });
        fault
    }

    fn strikes(&self, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().expect("no panic");
        let (seed, rules) = &mut *rules;
        for (at, (rule, count)) in rules.iter_mut().enumerate() {
            if !fits(rule.method, rule.path, method, path) {
                continue;
            }
            *count += 1;
            let strikes = match rule.when {
                When::Always => true,
                When::Nth(nth) => *count == nth,
                When::PerMille(share) => mix(*seed ^ mix(at as u64) ^ *count) % 1000 < share,
            };
            if strikes {
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

fn fits(method: &str, pattern: &str, its_method: &str, path: &str) -> bool {
    if method != "*" && method != its_method {
        return false;
    }
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped together with the proxy, and the connections with them.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, mut cut) = (Arc::clone(&shared), shared.cut.subscribe());
        connections.spawn(async move {
            tokio::select! {
                _ = cut.changed() => {}
                // A side that goes away is what this is for.
                _ = serve(stream, &shared) => {}
            }
        });
    }
}

/// One request a connection: what a server's answer ends with is then its end.
async fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let Some(request) = read(&mut client, &mut Vec::new(), 0).await? else { return Ok(()) };
    match shared.fault_for(&request) {
        None => pass(&mut client, &request, shared).await,
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            pass(&mut client, &request, shared).await
        }
        Some(Fault::DropBefore) => Ok(()),
        Some(Fault::DropAfter) => whole(&request, shared.server).await.map(drop),
        Some(Fault::Truncate(length)) => {
            let answer = whole(&request, shared.server).await?;
            client.write_all(&answer[..length.min(answer.len())]).await
        }
        Some(Fault::Answer(status, headers, body)) => {
            let mut head = format!("HTTP/1.1 {status} Fault\r\nConnection: close\r\n");
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
            client.write_all(&[head.as_bytes(), &body].concat()).await?;
            client.shutdown().await
        }
    }
}

/// Byte by byte as it comes, in both directions: so event streams and sockets pass.
async fn pass(client: &mut TcpStream, request: &Received, shared: &Shared) -> io::Result<()> {
    const REFUSED: &[u8] = b"HTTP/1.1 429";
    let mut server = send(request, shared.server).await?;
    let mut head = Vec::new();
    (&mut server).take(REFUSED.len() as u64).read_to_end(&mut head).await?;
    if head == REFUSED {
        shared.refused.fetch_add(1, Ordering::Relaxed);
    }
    client.write_all(&head).await?;
    tokio::io::copy_bidirectional(client, &mut server).await.map(drop)
}

async fn whole(request: &Received, server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    send(request, server).await?.read_to_end(&mut answer).await?;
    Ok(answer)
}

async fn send(request: &Received, server: SocketAddr) -> io::Result<TcpStream> {
    let upgrade = request.header("upgrade").is_some();
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    if !upgrade {
        head.push_str("Connection: close\r\n");
    }
    for (name, value) in request.headers.iter().filter(|(name, _)| upgrade || name != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut server = TcpStream::connect(server).await?;
    server.write_all(&[head.as_bytes(), b"\r\n", &request.body].concat()).await?;
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{Reply, Scripted};

    async fn ask(proxy: &Faults, path: &str) -> String {
        let mut stream = TcpStream::connect(proxy.address).await.expect("the proxy");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn server() -> Scripted {
        let body = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood".to_vec();
        Scripted::answering(move |_| Reply::Raw(body.clone())).await
    }

    fn rule(when: When, fault: Fault) -> Vec<Rule> {
        vec![Rule { method: "GET", path: "/a/*", when, fault }]
    }

    #[tokio::test]
    async fn only_what_the_rule_names_is_struck_and_all_is_counted() {
        let server = server().await;
        let proxy = Faults::before(server.address(), 1, rule(When::Nth(2), Fault::empty_404())).await;
        assert!(ask(&proxy, "/a/1").await.ends_with("good"));
        assert!(ask(&proxy, "/a/1?q").await.starts_with("HTTP/1.1 404"));
        assert!(ask(&proxy, "/a/1/b").await.ends_with("good"));
        assert_eq!((proxy.count("*", "/a/*"), proxy.count("GET", "/a/**")), (2, 3));
        assert_eq!(proxy.busiest("*", "/**", Duration::from_secs(600)), 3);
    }

    #[tokio::test]
    async fn the_server_hears_of_what_is_dropped_after_and_not_of_what_is_dropped_before() {
        let server = server().await;
        let proxy = Faults::before(server.address(), 1, rule(When::Always, Fault::DropBefore)).await;
        assert_eq!((ask(&proxy, "/a/1").await.as_str(), server.received().len()), ("", 0));
        proxy.rules(rule(When::Always, Fault::DropAfter));
        assert_eq!((ask(&proxy, "/a/1").await.as_str(), server.received().len()), ("", 1));
        proxy.rules(rule(When::Always, Fault::Truncate(40)));
        assert_eq!(ask(&proxy, "/a/1").await.len(), 40);
    }

    #[tokio::test]
    async fn a_cut_ends_an_open_stream_and_the_next_connection_is_served() {
        let server =
            Scripted::start([Reply::Drip(Duration::from_millis(1)), Reply::Raw(b"next".to_vec())]).await;
        let proxy = Faults::before(server.address(), 1, Vec::new()).await;
        let mut stream = TcpStream::connect(proxy.address).await.expect("the proxy");
        stream.write_all(b"GET /s HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        stream.read_exact(&mut [0; 80]).await.expect("the stream passes");
        proxy.cut();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        assert_eq!(ask(&proxy, "/n").await, "next");
    }

    #[tokio::test]
    async fn a_seed_strikes_the_same_requests_again() {
        let server = server().await;
        let mut runs = Vec::new();
        for seed in [7, 7, 8] {
            let proxy =
                Faults::before(server.address(), seed, rule(When::PerMille(500), Fault::html(502))).await;
            let mut run = Vec::new();
            for _ in 0..32 {
                run.push(ask(&proxy, "/a/1").await.starts_with("HTTP/1.1 502"));
            }
            runs.push(run);
        }
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
    }
}
