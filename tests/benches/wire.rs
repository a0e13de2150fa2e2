//! What the host does over the wire in a second: messages in, calls of peers, heartbeats; and how long a message waits before
//! the agent has it, with the platform's events and without. Prints a table; asserts nothing but that all arrives.
//!
//! ```sh
//! cargo bench -p molecule-tests --bench wire
//! ```
//!
//! Machines are shared and noisy: compare rows of one run. The local platform runs in the same process and keeps everything in
//! a file: its share of the time is in every row but the one of the stub, which answers from memory. Where a row has CPU
//! time, that is the process's, both sides together.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use molecule_host::platform::{Client, Identity, Network, TransportSettings};
use molecule_host::token::Credentials;
use molecule_host::{AgentSpec, Event};
use molecule_protocol::HeartbeatRequest;
use molecule_tests::canvas::Workspace;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::world::World;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const MESSAGES: usize = 2_000;
const CALLS: usize = 200;
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

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn row(what: &str, count: usize, began: Instant, used: Duration) {
    let took = began.elapsed();
    let each = (cpu() - used) / u32::try_from(count).unwrap();
    println!("{what:<58} {:>8.0} /s  {each:>9.1?} CPU each", count as f64 / took.as_secs_f64());
}

/// A backlog of messages, fetched a hundred at a time, each answered and durable.
async fn messages_in() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    for text in 0..MESSAGES {
        world.say(&alice, &text.to_string()).await;
    }
    let host = host(&world.path("state")).await;
    let (began, used) = (Instant::now(), cpu());
    let agent = Embedded::start(&host, guests::ECHO, quiet(spec(world.url(), &alice))).await;
    let handled = |event: &Event| matches!(event, Event::MessageIn { .. }).then_some(());
    agent.nth_within(Duration::from_secs(600), MESSAGES, "messages", handled).await;
    row("messages in, batches of 100, from the platform to the inbox", MESSAGES, began, used);
    let delivered = |event: &Event| matches!(event, Event::Delivered { .. }).then_some(());
    agent.nth_within(Duration::from_secs(600), MESSAGES, "answers", delivered).await;
    row("the same until each is answered, answers one after the other", MESSAGES, began, used);
    agent.stop().await;
}

/// One agent asks another on the same platform, one question after the other; both poll.
async fn calls() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let mut asks = quiet(spec(world.url(), &alice));
    asks.grants.peers.push("*".parse().unwrap());
    asks.grants.limits.messages_per_minute = u32::MAX;
    let asking = Embedded::start(&host(&world.path("a")).await, guests::CALLER, asks).await;
    let echo =
        Embedded::start(&host(&world.path("b")).await, guests::ECHO, quiet(spec(world.url(), &bob))).await;
    let (began, used) = (Instant::now(), cpu());
    for text in 0..CALLS {
        world.say(&alice, &format!("ask bob {text}")).await;
    }
    let handled = |event: &Event| matches!(event, Event::Handled { .. }).then_some(());
    asking.nth_within(Duration::from_secs(600), CALLS, "calls", handled).await;
    row("peers.call, one after the other, to an agent that polls", CALLS, began, used);
    asking.stop().await;
    echo.stop().await;
}

/// Heartbeats of one client, one after the other.
async fn heartbeats() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let stub = stub().await;
    for (what, url) in
        [("heartbeats, local platform", world.url()), ("heartbeats, a stub that answers from memory", &stub)]
    {
        let client = client(url, &alice);
        client.heartbeat(HeartbeatRequest::default()).await.expect("a heartbeat");
        let (began, used) = (Instant::now(), cpu());
        for _ in 0..HEARTBEATS {
            client.heartbeat(HeartbeatRequest::default()).await.expect("a heartbeat");
        }
        row(what, HEARTBEATS, began, used);
    }
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
            let handled = |event: &Event| matches!(event, Event::Handled { .. }).then_some(());
            agent.nth_within(Duration::from_secs(60), count, "an answer", handled).await;
            took.push(began.elapsed());
            // Somewhere between two polls.
            tokio::time::sleep(Duration::from_millis(300 * (count as u64 % 5))).await;
        }
        took.sort();
        let with = if event_stream { "with the event stream" } else { "polling every 5 s alone" };
        println!(
            "{:<58} {:>9.1?} median, {:.1?} longest",
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

/// Answers every request with the same few bytes, over connections that stay open.
async fn stub() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("no delay");
            tokio::spawn(async move {
                let (mut buffer, mut read) = (vec![0; 64 * 1024], 0);
                loop {
                    // A request of ours comes in one piece or two; its body ends in a brace.
                    match stream.read(&mut buffer[read..]).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => read += count,
                    }
                    if buffer[..read].ends_with(b"}") {
                        read = 0;
                        let body = r#"{"status":"ok"}"#;
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    url
}
