//! How fast the main job is. Prints a table; asserts nothing.
//!
//! ```sh
//! cargo build --release -p molecule-host && cargo bench -p molecule-tests --bench main_job
//! ```
//!
//! Machines are shared and noisy: compare rows of one run.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod shared;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use molecule_gate::{Act, Effect, Gate, Grants};
use molecule_platform::{Config, Platform};
use molecule_runtime::wit::{Identity, Message, Outcome, Part, PartContent, Sender, StartReason};
use molecule_runtime::{Actor, ActorOptions, Agent, Component, Delivery, Limits, Runtime};
use molecule_store::state::{Fence, Incoming, NewSend, Page, Row, RowKind, State};
use molecule_store::{MemoryState, Options, SqliteState};
use molecule_tests::guests::ECHO;

use shared::Nothing;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a tokio runtime");
    runtime.block_on(async {
        start_to_first_heartbeat().await;
        let agents = Runtime::new(None).expect("a runtime");
        let component =
            agents.load(std::fs::read(ECHO).expect("the echo agent")).await.expect("it is an agent");
        instantiate(&agents, &component).await;

        warm_message("in memory", &agents, &component, Arc::new(MemoryState::default())).await;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the real disk");
        let durable = || {
            let path = folder.path().join(format!("{}.db", unused_name()));
            Arc::new(SqliteState::open(&path, Options::default()).expect("a database"))
        };
        warm_message("durable", &agents, &component, durable()).await;
        for count in [1, 16, 64] {
            throughput(count, &agents, &component, durable()).await;
        }
    });
}

fn print(what: &str, value: impl std::fmt::Display) {
    println!("{what:<64} {value:>14}");
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    print(&format!("{what}, n={}: median", times.len()), format!("{:.1?}", at(0.5)));
    print(&format!("{what}, n={}: p99", times.len()), format!("{:.1?}", at(0.99)));
}

/// From the start of the process to the platform's first heartbeat of it, compiling and with compiled code at hand.
async fn start_to_first_heartbeat() {
    let binary = release_binary();
    let platform = Platform::start(Config::default()).await.expect("a local platform");
    let state = tempfile::tempdir().expect("a folder");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let made: serde_json::Value = http
        .post(platform.url.join("/workspaces"))
        .json(&serde_json::json!({ "name": "bench", "external": true, "runtime": "external" }))
        .send()
        .await
        .expect("the platform answers")
        .json()
        .await
        .expect("JSON");
    let (id, token) = (made["id"].as_str().unwrap(), made["connection"]["auth_token"].as_str().unwrap());
    let mut later = Vec::new();
    for round in 0..12 {
        let events = platform.url.join(&format!("/workspaces/{id}/events/stream"));
        let mut events = http.get(events).bearer_auth(token).send().await.expect("the platform answers");
        let started = Instant::now();
        let mut child = Command::new(&binary)
            .args([ECHO, "--platform-url", platform.url.as_url().as_str(), "--workspace-id", id])
            .arg("--state-dir")
            .arg(state.path())
            .env("MOLECULE_WORKSPACE_TOKEN", token)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("molecule-host starts");
        let mut heard = String::new();
        while !heard.contains("WORKSPACE_HEARTBEAT") {
            let chunk = events.chunk().await.expect("the stream goes on").expect("it does not end");
            heard.push_str(&String::from_utf8_lossy(&chunk));
        }
        let took = started.elapsed();
        let _ = child.kill();
        let _ = child.wait();
        if round == 0 {
            print("process start to first heartbeat, first start", format!("{took:.1?}"));
        } else {
            later.push(took);
        }
    }
    print_times("process start to first heartbeat, later starts", later);
    platform.shutdown().await;
}

fn release_binary() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target");
    let binary = target.join("release/molecule-host");
    assert!(binary.exists(), "build it first: cargo build --release -p molecule-host");
    binary
}

async fn instantiate(runtime: &Runtime, component: &Component) {
    let mut times = Vec::new();
    for _ in 0..2000 {
        let started = Instant::now();
        runtime.describe(component, Limits::default()).await.expect("it describes itself");
        times.push(started.elapsed());
    }
    print_times("instantiate, describe, drop", times);
}

/// One message at a time: accept, claim, deliver, gate, finish.
async fn warm_message(kind: &str, runtime: &Runtime, component: &Component, state: Arc<dyn State>) {
    let mut lane = Lane::new(runtime, component, state, 0).await;
    for _ in 0..100 {
        lane.message().await;
    }
    let mut times = Vec::new();
    for _ in 0..2000 {
        let started = Instant::now();
        lane.message().await;
        times.push(started.elapsed());
    }
    print_times(&format!("warm message, accept to finish, {kind}"), times);
}

/// Many agents at once, each with pages of messages waiting.
async fn throughput(agents: usize, runtime: &Runtime, component: &Component, state: Arc<dyn State>) {
    const PAGE: usize = 50;
    let pages = (6000 / (agents * PAGE)).max(4);
    let mut tasks = Vec::new();
    let mut lanes = Vec::new();
    for number in 0..agents {
        lanes.push(Lane::new(runtime, component, state.clone(), number).await);
    }
    let started = Instant::now();
    for mut lane in lanes {
        tasks.push(tokio::spawn(async move {
            for _ in 0..pages {
                lane.page(PAGE).await;
            }
        }));
    }
    for task in tasks {
        task.await.expect("it ran");
    }
    let rate = (agents * pages * PAGE) as f64 / started.elapsed().as_secs_f64();
    print(&format!("messages/s, accept to finish, durable, {agents} agents"), format!("{rate:.0}"));
}

/// One agent and its state.
struct Lane {
    state: Arc<dyn State>,
    fence: Fence,
    actor: Actor,
    gate: Arc<Gate>,
    next: usize,
}

impl Lane {
    async fn new(runtime: &Runtime, component: &Component, state: Arc<dyn State>, number: usize) -> Self {
        let gate = Arc::new(Gate::new(Grants::default()));
        let agent = Agent {
            identity: Identity { workspace_id: number.to_string(), name: "bench".into() },
            config: vec![],
            instructions: None,
            gate: gate.clone(),
            storage: None,
            services: Arc::new(Nothing),
            observer: Arc::new(Nothing),
        };
        let actor = Actor::spawn(
            runtime,
            component,
            Arc::new(agent),
            StartReason::FirstStart,
            ActorOptions::default(),
        );
        let fence = state.lease(&number.to_string()).await.expect("a lease");
        Self { state, fence, actor, gate, next: 0 }
    }

    async fn accept(&mut self, count: usize) {
        let rows = (0..count).map(|_| {
            self.next += 1;
            let id = format!("{}-{}", self.fence.workspace, self.next);
            let body = format!("message {id}");
            let incoming = Incoming { sender: "user".into(), message_id: Some(id.clone()), body };
            Row { id, kind: RowKind::Message(incoming) }
        });
        let rows: Vec<Row> = rows.collect();
        let cursor = rows.last().map(|row| row.id.clone());
        self.state
            .accept(&self.fence, Page { rows, cursor, at: 0, ..Page::default() })
            .await
            .expect("accepted");
    }

    async fn message(&mut self) {
        self.accept(1).await;
        let claimed = self.state.claim(&self.fence, 1).await.expect("claimed");
        let (key, answer) = self.handle(&claimed[0]).await;
        self.state.finish(&self.fence, key, Some(answer)).await.expect("finished");
    }

    /// As the dispatcher does it: the next one is claimed while the last one is being kept.
    async fn page(&mut self, count: usize) {
        self.accept(count).await;
        let mut claimed = self.state.claim(&self.fence, 1).await.expect("claimed");
        while let Some(message) = claimed.pop() {
            let (key, answer) = self.handle(&message).await;
            let finish = self.state.finish(&self.fence, key, Some(answer));
            let claim = self.state.claim(&self.fence, 1);
            let (finished, next) = futures::join!(finish, claim);
            finished.expect("finished");
            claimed = next.expect("claimed");
        }
    }

    async fn handle(&self, claimed: &molecule_store::state::Claimed) -> (i64, NewSend) {
        let part = Part { content: PartContent::Text(claimed.body.clone()), metadata: None };
        let message = Message {
            id: claimed.key.to_string(),
            context_id: "user".into(),
            task_id: None,
            in_reply_to: None,
            sender: Sender::User,
            parts: vec![part],
            metadata: None,
            redelivered: 0,
        };
        let Delivery::Handled(Ok(Outcome::Message(content)), _) = self.actor.deliver(message).await else {
            panic!("echo answers");
        };
        let PartContent::Text(text) = &content.parts[0].content else { panic!("with a text") };
        let answer = self.gate.pass(Answer(text.clone()), None).expect("an answer passes").into_act();
        let id = format!("{}-{}", self.fence.workspace, claimed.key);
        (claimed.key, NewSend { id, to: "user".into(), digest: Some(answer.0.clone()), body: answer.0 })
    }
}

struct Answer(String);

impl Act for Answer {
    fn effect(&self) -> Effect<'_> {
        Effect::Answer { bytes: self.0.len() }
    }
}

/// A name that no other database of this run has.
fn unused_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}
