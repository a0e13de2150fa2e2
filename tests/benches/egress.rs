//! What the way out costs beside a plain client of the same library. Prints a table; asserts nothing but that all
//! arrives.
//!
//! ```sh
//! cargo bench -p molecule-tests --bench egress
//! ```
//!
//! Machines are shared and noisy: compare rows of one run. CPU time is that of the process, the server's included, which
//! is the same for both.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use molecule_gate::{Gate, Grants};
use molecule_host::egress::{Egress, EgressSettings, Outlet};
use molecule_host::secrets::Secrets;
use molecule_protocol::SecretValue;
use molecule_runtime::{Fetch, Payload, Times};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Requests that are timed, one after the other.
const REQUESTS: usize = 5_000;
/// Bytes of the long body.
const LONG: usize = 100 * 1024 * 1024;
/// Streams at once, each of so many bytes.
const STREAMS: usize = 1_000;
const BYTES: usize = 50;
const EVERY: Duration = Duration::from_millis(20);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a tokio runtime");
    runtime.block_on(async {
        let port = serve().await;
        latency(port).await;
        throughput(port).await;
        slow_streams(port).await;
    });
}

/// Answers by path: a few bytes, many, or few and slowly.
async fn serve() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("no delay");
            tokio::spawn(converse(stream));
        }
    });
    port
}

async fn converse(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        if head.starts_with(b"GET /long") {
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n").as_bytes()).await?;
            let piece = vec![b'x'; 64 * 1024];
            for _ in 0..LONG / piece.len() {
                stream.write_all(&piece).await?;
            }
        } else if head.starts_with(b"GET /slow") {
            stream
                .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n").as_bytes())
                .await?;
            let mut ticks = tokio::time::interval(EVERY);
            for _ in 0..BYTES {
                ticks.tick().await;
                stream.write_all(b"x").await?;
            }
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
        }
    }
}

/// The client that it is compared with.
async fn plain(port: u16) -> http1::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    sender
}

async fn ask_plainly(sender: &mut http1::SendRequest<Empty<Bytes>>, path: &str) -> usize {
    sender.ready().await.expect("a connection");
    let request = http::Request::get(path).header("host", "localhost").body(Empty::new()).expect("a request");
    count(sender.send_request(request).await.expect("an answer").into_body()).await
}

struct Agent {
    gate: Arc<Gate>,
    outlet: Outlet,
    port: u16,
}

impl Agent {
    fn new(port: u16, uses_secret: bool) -> Self {
        let mut grants = Grants::default();
        grants.net.push(format!("http://localhost:{port}/** max-response=1GiB").parse().expect("a rule"));
        grants.secrets.push(format!("KEY@localhost:{port}").parse().expect("a grant"));
        grants.limits.requests_per_minute = u32::MAX;
        grants.limits.concurrent_requests = u32::try_from(STREAMS).expect("not so many");
        let (gate, secrets) = (Arc::new(Gate::new(grants)), Arc::new(Secrets::default()));
        if uses_secret {
            let key =
                ("KEY".to_owned(), SecretValue::new("sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-1"));
            secrets.pulled([key].into_iter().collect());
        }
        let egress = Egress::new(EgressSettings::default()).expect("a way out");
        Self { outlet: egress.outlet(gate.clone(), secrets), gate, port }
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> usize {
        let url = format!("http://localhost:{}{path}", self.port);
        let nothing = Payload::Whole(Bytes::new());
        let fetch =
            Fetch::new("GET", &url, headers.iter().copied(), nothing, Times::default()).expect("a request");
        let permit = self.gate.pass(fetch, None).expect("a permit");
        count(self.outlet.send(permit, None).await.expect("an answer").into_body()).await
    }
}

async fn count<B>(body: B) -> usize
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let mut bytes = 0;
    let mut body = body;
    while let Some(frame) = body.frame().await {
        bytes += frame.expect("a frame").data_ref().map_or(0, Bytes::len);
    }
    bytes
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

async fn latency(port: u16) {
    println!("\n{REQUESTS} GETs of 2 bytes, one after the other    median      p99      CPU each");
    let mut sender = plain(port).await;
    let agent = Agent::new(port, false);
    for round in 0..2 {
        let mut times = Vec::with_capacity(REQUESTS);
        let before = cpu();
        for _ in 0..REQUESTS {
            let started = Instant::now();
            assert_eq!(ask_plainly(&mut sender, "/").await, 2);
            times.push(started.elapsed());
        }
        row("plain client", round, times, cpu() - before);
        let mut times = Vec::with_capacity(REQUESTS);
        let before = cpu();
        for _ in 0..REQUESTS {
            let started = Instant::now();
            assert_eq!(agent.ask("/", &[]).await, 2);
            times.push(started.elapsed());
        }
        row("gate and outlet", round, times, cpu() - before);
    }
}

fn row(what: &str, round: usize, mut times: Vec<Duration>, cpu: Duration) {
    times.sort_unstable();
    let each = cpu / u32::try_from(times.len()).expect("not so many");
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{what:30} (round {round})  {median:>12.1?} {p99:>12.1?} {each:>12.1?}");
}

async fn throughput(port: u16) {
    println!("\na body of 100 MiB                              MiB/s      CPU");
    let mut sender = plain(port).await;
    let agent = Agent::new(port, false);
    let keyed = Agent::new(port, true);
    let key = [("authorization", "Bearer {{secret:KEY}}")];
    for round in 0..2 {
        for what in ["plain client", "gate and outlet", "the same, masking a secret"] {
            let (started, before) = (Instant::now(), cpu());
            let bytes = match what {
                "plain client" => ask_plainly(&mut sender, "/long").await,
                "gate and outlet" => agent.ask("/long", &[]).await,
                _ => keyed.ask("/long", &key).await,
            };
            assert_eq!(bytes, LONG);
            let rate = 100.0 / started.elapsed().as_secs_f64();
            println!("{what:30} (round {round})  {rate:>10.0} {:>10.0?}", cpu() - before);
        }
    }
}

async fn slow_streams(port: u16) {
    let agent = Agent::new(port, false);
    let (before, started, cpu_before) = (resident(), Instant::now(), cpu());
    let mut streams: FuturesUnordered<_> = (0..STREAMS).map(|_| agent.ask("/slow", &[])).collect();
    let (mut done, mut most) = (0, before);
    while let Some(bytes) = streams.next().await {
        assert_eq!(bytes, BYTES);
        done += 1;
        if done == 1 {
            most = resident();
        }
    }
    let took = started.elapsed();
    let least = EVERY * u32::try_from(BYTES - 1).expect("not so many");
    println!(
        "\n{done} streams at once, of {BYTES} bytes each {EVERY:?}: {took:.1?} (at least {least:.1?}), {:.1?} of CPU, \
         {} KiB of memory each, the server's end included",
        cpu() - cpu_before,
        most.saturating_sub(before) / 1024 / STREAMS
    );
}

/// Bytes of memory in use.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default();
    pages * rustix::param::page_size()
}
