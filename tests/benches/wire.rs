//! What the host does over the wire in a second: messages in, calls of peers, heartbeats; and how long a message waits before
//! the agent has it, with the platform's events and without. Prints a table; asserts nothing but that all arrives.
//!
//! ```sh
//! cargo bench -p molecule-tests --bench wire
//! ```
//!
//! Machines are shared and noisy: compare rows of one run. Each row has the rate, the CPU time of everything in this process
//! for one of them, and of that the part that is the host's: against the stub the host's time is all but that of the stub's
//! own thread; against the platform it is what the host took against the stub. What is left is the platform's and its file's.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::unwrap_used)]

use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use molecule_host::platform::{Client, Identity, Network, TransportSettings};
use molecule_host::token::Credentials;
use molecule_host::{AgentSpec, Event};
use molecule_protocol::HeartbeatRequest;
use molecule_tests::canvas::Workspace;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

const MESSAGES: usize = 2_000;
const CALLS: usize = 500;
const HEARTBEATS: usize = 2_000;
/// Messages of which the wait is taken.
const WAITS: usize = 12;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a tokio runtime");
    runtime.block_on(async {
        messages_in().await;
        calls().await;
        heartbeats().await;
        waits().await;
    });
}

fn clock(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

/// Takes the time of many things.
struct Watch {
    began: Instant,
    used: Duration,
}

impl Watch {
    fn start() -> Self {
        Self { began: Instant::now(), used: clock(ClockId::ProcessCPUTime) }
    }

    /// Prints a row against the stub, and gives back what the host took for one.
    fn against_stub(&self, what: &str, count: usize, stub: Duration) -> Duration {
        let all = clock(ClockId::ProcessCPUTime) - self.used;
        let host = (all - stub) / u32::try_from(count).unwrap();
        self.print(&format!("{what}, stub"), count, host);
        host
    }

    /// Prints a row of which the host took so much for one.
    fn print(&self, what: &str, count: usize, host: Duration) {
        let each = (clock(ClockId::ProcessCPUTime) - self.used) / u32::try_from(count).unwrap();
        let rate = count as f64 / self.began.elapsed().as_secs_f64();
        let share = 100.0 * host.as_secs_f64() / each.as_secs_f64();
        println!("{what:<62} {rate:>7.0} /s  {each:>9.1?} CPU each, {share:>3.0} % the host's");
    }
}

fn handled(event: &Event) -> Option<()> {
    matches!(event, Event::Handled { .. }).then_some(())
}

fn delivered(event: &Event) -> Option<()> {
    matches!(event, Event::Delivered { .. }).then_some(())
}

/// How long anything may take at most.
const PATIENCE: Duration = Duration::from_secs(600);

/// A backlog of messages, fetched a hundred at a time, each answered by the echo and durable.
async fn messages_in() {
    let what = "messages in by 100, each answered";
    let texts = || (0..MESSAGES).map(|number| number.to_string());
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start(texts().collect());
    let agent_host = host(folder.path()).await;
    let (watch, before) = (Watch::start(), stub.used());
    let agent = Embedded::start(&agent_host, guests::ECHO, quiet(spec(&stub.url, &stub.workspace))).await;
    agent.nth_within(PATIENCE, MESSAGES, "answers", delivered).await;
    let each = watch.against_stub(what, MESSAGES, stub.used() - before);
    agent.stop().await;

    let world = World::new().await;
    let alice = world.create("alice").await;
    for text in texts() {
        world.say(&alice, &text).await;
    }
    let agent_host = host(&world.path("state")).await;
    let watch = Watch::start();
    let agent = Embedded::start(&agent_host, guests::ECHO, quiet(spec(world.url(), &alice))).await;
    agent.nth_within(PATIENCE, MESSAGES, "answers", delivered).await;
    watch.print(&format!("{what}, local platform"), MESSAGES, each);
    agent.stop().await;
}

/// One agent asks another, one question after the other.
async fn calls() {
    let what = "peers.call one by one";
    let asks = |spec: AgentSpec| {
        let mut spec = quiet(spec);
        spec.grants.peers.push("*".parse().unwrap());
        spec.grants.limits.messages_per_minute = u32::MAX;
        spec
    };
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::start((0..CALLS).map(|number| format!("ask bob {number}")).collect());
    let agent_host = host(folder.path()).await;
    let (watch, before) = (Watch::start(), stub.used());
    let asking = Embedded::start(&agent_host, guests::CALLER, asks(spec(&stub.url, &stub.workspace))).await;
    asking.nth_within(PATIENCE, CALLS, "calls", handled).await;
    let each = watch.against_stub(what, CALLS, stub.used() - before);
    asking.stop().await;

    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let agent_host = host(&world.path("state")).await;
    let echo = Embedded::start(&agent_host, guests::ECHO, quiet(spec(world.url(), &bob))).await;
    let asking = Embedded::start(&agent_host, guests::CALLER, asks(spec(world.url(), &alice))).await;
    let watch = Watch::start();
    for number in 0..CALLS {
        world.say(&alice, &format!("ask bob {number}")).await;
    }
    asking.nth_within(PATIENCE, CALLS, "calls", handled).await;
    watch.print(&format!("{what}, local platform, the peer polls on this host"), CALLS, each);
    asking.stop().await;
    echo.stop().await;
}

/// Heartbeats of one client, one after the other.
async fn heartbeats() {
    let what = "heartbeats of one client";
    let beat = async |client: &Client| {
        for _ in 0..HEARTBEATS {
            client.heartbeat(HeartbeatRequest::default()).await.expect("a heartbeat");
        }
    };
    let stub = Stub::start(Vec::new());
    let (watch, before) = (Watch::start(), stub.used());
    beat(&client(&stub.url, &stub.workspace)).await;
    let each = watch.against_stub(what, HEARTBEATS, stub.used() - before);

    let world = World::new().await;
    let alice = world.create("alice").await;
    let watch = Watch::start();
    beat(&client(world.url(), &alice)).await;
    watch.print(&format!("{what}, local platform"), HEARTBEATS, each);
}

/// How long a user's message waits until the agent has it, at the usual interval of 5 s.
async fn waits() {
    for event_stream in [true, false] {
        let world = World::new().await;
        let alice = world.create("alice").await;
        let mut spec = spec(world.url(), &alice);
        spec.intervals.poll = Duration::from_secs(5);
        spec.intervals.poll_eager = Duration::from_secs(5);
        spec.event_stream = event_stream;
        let agent = Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec).await;
        let mut took = Vec::new();
        for count in 1..=WAITS {
            let began = Instant::now();
            world.say(&alice, &count.to_string()).await;
            agent.nth_within(Duration::from_secs(60), count, "an answer", handled).await;
            took.push(began.elapsed());
            // Somewhere between two polls.
            tokio::time::sleep(Duration::from_millis(300 * (count as u64 % 5))).await;
        }
        took.sort();
        let with = if event_stream { "with the event stream" } else { "polling every 5 s alone" };
        println!(
            "{:<62} {:>9.1?} median, {:.1?} longest",
            format!("from a user's message until it is handled, {with}"),
            took[WAITS / 2],
            took[WAITS - 1]
        );
        agent.stop().await;
    }
}

fn quiet(mut spec: AgentSpec) -> AgentSpec {
    spec.intervals.heartbeat = Duration::from_secs(30);
    spec.intervals.state = Duration::from_secs(30);
    spec.events = molecule_host::Events::new(1 << 16);
    spec
}

fn client(url: &str, workspace: &Workspace) -> Client {
    let network = Network::new(&TransportSettings::default()).expect("a network");
    let identity = Identity::new(url.parse().unwrap(), workspace.id.parse().unwrap());
    Client::new(&network, identity, Credentials::in_memory(Some(workspace.token.parse().unwrap())))
}

/// A server that does nothing but answer, on a thread of its own: a log of texts from the user, peers that answer at once.
struct Stub {
    url: String,
    workspace: Workspace,
    used: Sender<Sender<Duration>>,
}

impl Stub {
    fn start(texts: Vec<String>) -> Self {
        let workspace =
            Workspace::elsewhere("3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11", "a-token-of-the-stub-0123456789");
        let rows: Vec<String> =
            texts.iter().enumerate().map(|(number, text)| row(number + 1, text)).collect();
        let (found, urls) = channel();
        let (used, asked) = channel::<Sender<Duration>>();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let server = Scripted::answering(move |request| answer(&rows, request)).await;
                found.send(server.url()).expect("somebody waits");
                loop {
                    match asked.try_recv() {
                        Ok(told) => told.send(clock(ClockId::ThreadCPUTime)).expect("somebody waits"),
                        Err(TryRecvError::Empty) => tokio::time::sleep(Duration::from_millis(2)).await,
                        Err(TryRecvError::Disconnected) => return,
                    }
                }
            });
        });
        Self { url: urls.recv().expect("it starts"), workspace, used }
    }

    /// The CPU time that it has used.
    fn used(&self) -> Duration {
        let (told, time) = channel();
        self.used.send(told).expect("it runs");
        time.recv().expect("it answers")
    }
}

fn row_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn row(number: usize, text: &str) -> String {
    let message = json!({ "messageId": format!("m-{number}"), "role": "user", "parts": [{ "kind": "text", "text": text }] });
    json!({
        "id": row_id(number), "activity_type": "a2a_receive", "method": "message/send", "source_id": null,
        "created_at": "2026-04-27T11:36:15.000001Z", "request_body": { "params": { "message": message } },
    })
    .to_string()
}

/// Like a platform that polls and has cursors.
fn answer(rows: &[String], request: &Received) -> Reply {
    let path = request.target.split('?').next().unwrap_or_default();
    let after = || request.target.split_once("since_id=").map(|(_, rest)| rest[..36].to_owned());
    match (request.method.as_str(), path.rsplit('/').next().unwrap_or_default()) {
        ("POST", "register") => Reply::json(200, r#"{"status":"registered","delivery_mode":"poll"}"#),
        ("GET", "state") => Reply::json(200, r#"{"status":"online","paused":false,"deleted":false}"#),
        ("GET", "values") => Reply::json(200, "{}"),
        ("GET", "peers") => {
            Reply::json(200, r#"[{"id":"7c1e2b9a-1111-4222-8333-444455556666","name":"bob"}]"#)
        }
        ("GET", "activity") => {
            let page = match after().map(|id| id[24..].parse::<usize>()) {
                // The first look: its first row is where the others go on from.
                None => rows.get(..1).unwrap_or_default(),
                Some(Ok(known)) if known > 0 => &rows[known..rows.len().min(known + 100)],
                Some(_) => return Reply::empty(410),
            };
            Reply::json(200, &format!("[{}]", page.join(",")))
        }
        ("POST", "a2a") => Reply::json(
            200,
            r#"{"jsonrpc":"2.0","id":"1","result":{"kind":"message","parts":[{"kind":"text","text":"fine"}]}}"#,
        ),
        ("POST", _) => Reply::json(200, r#"{"status":"ok"}"#),
        _ => Reply::typed(404, "text/plain", "404 page not found"),
    }
}
