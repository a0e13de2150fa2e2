//! What many agents in one process cost each other, and the machine. Prints a table; asserts nothing.
//!
//! ```sh
//! cargo bench -p molecule-tests --bench neighbours
//! ```
//!
//! Machines are shared and noisy: compare rows of one run. Each part runs in a process of its own, so that none finds
//! the memory that another has left behind.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod shared;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use molecule_gate::{Gate, Grants};
use molecule_host::{Event, Events, Happened, Host};
use molecule_platform::{Config, Platform};
use molecule_runtime::wit::{Identity, Message, Part, PartContent, Sender, StartReason};
use molecule_runtime::{Actor, ActorOptions, ActorState, Agent, Component, Delivery, Limits, Runtime};
use molecule_tests::canvas::Canvas;
use molecule_tests::embedded;
use molecule_tests::guests::{ECHO, FLIGHTS};
use tokio::sync::broadcast::Receiver;

use shared::Nothing;

/// Agents at which memory is measured.
const COUNTS: [usize; 4] = [1, 100, 1_000, 5_000];
/// Of these, the number whose start is timed.
const STARTED: usize = 1_000;
/// So many register at once.
const AT_ONCE: usize = 32;

fn main() {
    let part = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a tokio runtime");
    match part.as_deref() {
        Some("spinning") => runtime.block_on(spinning()),
        Some("actors") => runtime.block_on(actors()),
        Some("hosted") => runtime.block_on(hosted()),
        Some("platform") => runtime.block_on(platform()),
        _ => {
            for part in ["spinning", "actors", "hosted"] {
                let status = Command::new(this()).arg(part).status().expect("a process");
                assert!(status.success(), "{part}: {status}");
            }
        }
    }
}

fn this() -> std::path::PathBuf {
    std::env::current_exe().expect("this program")
}

fn print(what: &str, value: impl std::fmt::Display) {
    println!("{what:<76} {value:>14}");
}

/// How long a neighbour's answer takes beside agents that spin, and how soon one of these is stopped.
async fn spinning() {
    let runtime = Runtime::new(None).expect("a runtime");
    let neighbour = started(&runtime, &load(&runtime, ECHO).await, ActorOptions::default()).await;
    let component = load(&runtime, FLIGHTS).await;

    let limits = Limits { callback_cpu: Duration::from_millis(100), ..Limits::default() };
    let mut times = Vec::new();
    for _ in 0..10 {
        let options = ActorOptions { limits: limits.clone(), ..ActorOptions::default() };
        let spinner = started(&runtime, &component, options).await;
        let began = Instant::now();
        let delivery = spinner.deliver(message("spin")).await;
        assert!(matches!(delivery, Delivery::Died(_)), "{delivery:?}");
        times.push(began.elapsed());
    }
    times.sort();
    print("one spins, with 100 ms of CPU time: dead after, median", format!("{:.1?}", times[5]));
    print("the same, shortest and longest", format!("{:.1?}, {:.1?}", times[0], times[9]));

    let quiet = answers(&neighbour).await;
    // All that the machine gives: no bound stops them while this measures.
    let limits = Limits {
        callback_cpu: Duration::from_secs(3600),
        cpu_per_minute: Duration::from_secs(60),
        ..Limits::default()
    };
    let mut spinners = Vec::new();
    for _ in 0..4 {
        let options = ActorOptions { limits: limits.clone(), ..ActorOptions::default() };
        let spinner = started(&runtime, &component, options).await;
        let spins = spinner.clone();
        tokio::spawn(async move { spins.deliver(message("spin")).await });
        spinners.push(spinner);
    }
    // Until they do.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let loud = answers(&neighbour).await;
    for (name, times) in [("alone", &quiet), ("beside four that spin", &loud)] {
        print(
            &format!("a neighbour's answer {name}, n={}: median", times.len()),
            show(times[times.len() / 2]),
        );
        print(&format!("a neighbour's answer {name}: p99"), show(p99(times)));
    }
    let ratio = p99(&loud).as_secs_f64() / p99(&quiet).as_secs_f64();
    print("p99 beside four that spin, as a multiple of p99 alone", format!("{ratio:.0}"));
    print("p99: delay by them", show(p99(&loud).saturating_sub(p99(&quiet))));
}

fn show(time: Duration) -> String {
    format!("{time:.1?}")
}

fn p99(times: &[Duration]) -> Duration {
    times[(times.len() - 1) * 99 / 100]
}

/// Times of answers, shortest first.
async fn answers(of: &Actor) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..500 {
        // A person's pace would be slower still; without a pause it would never have been idle.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let began = Instant::now();
        let delivery = of.deliver(message("hello")).await;
        times.push(began.elapsed());
        assert!(matches!(delivery, Delivery::Handled(Ok(_), _)), "{delivery:?}");
    }
    times.sort();
    times
}

/// Agents in the runtime alone: no platform, no state.
async fn actors() {
    let runtime = Runtime::new(None).expect("a runtime");
    let component = load(&runtime, ECHO).await;
    let mut all = vec![started(&runtime, &component, ActorOptions::default()).await];
    all[0].deliver(message("hello")).await;
    all.clear();
    let before = resident();
    let began = Instant::now();
    for count in COUNTS {
        while all.len() < count {
            let actor = started(&runtime, &component, ActorOptions::default()).await;
            actor.deliver(message("hello")).await;
            all.push(actor);
        }
        report_memory("the runtime alone", count, before);
        if count == STARTED {
            print("start and first message of 1,000 agents, the runtime alone", show(began.elapsed()));
        }
    }
}

/// Agents that are workspaces of a platform, which is another process.
async fn hosted() {
    let (mut server, url) = start_platform();
    let canvas = Canvas::of(url.clone());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the real disk");
    let host = Host::builder().state_dir(folder.path()).build().await.expect("a host");
    let agent = host.load(std::fs::read(ECHO).expect("a component")).await.expect("an agent");
    // One channel for all of them, as `up` has it.
    let events = Events::new(64 * 1024);
    let mut listener = events.subscribe();
    let start = |number: usize| {
        let (canvas, host, agent, url, events) = (&canvas, &host, &agent, &url, &events);
        async move {
            let workspace = canvas.create(&format!("agent {number}")).await;
            let mut spec = embedded::spec(url, &workspace);
            spec.events = events.clone();
            // Heartbeats as they are by default; nothing else, which a push platform would not need either.
            spec.intervals = molecule_host::Intervals {
                state: Duration::from_secs(3600),
                poll: Duration::from_secs(3600),
                ..molecule_host::Intervals::default()
            };
            host.start(agent, spec).await.expect("it starts")
        }
    };
    // What the first one brings with it is not counted: connections, threads, the database.
    let first = start(0).await;
    started_all(&mut listener, 1).await;
    let before = resident();
    let mut all = Vec::new();
    for count in COUNTS {
        let began = Instant::now();
        let had = all.len();
        let mut starting =
            futures::stream::iter(had..count).map(|number| start(number + 1)).buffer_unordered(AT_ONCE);
        while let Some(running) = starting.next().await {
            all.push(running);
        }
        drop(starting);
        started_all(&mut listener, count - had).await;
        let each = began.elapsed() / u32::try_from(count - had).expect("a few thousand");
        report_memory("on a platform", count, before);
        print(&format!("start of agents {} to {count}, one", had + 1), show(each));
        if count == STARTED {
            print("which is for 1,000", show(each * 1000));
        }
    }
    let (cpu, began) = (process_time(), Instant::now());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let share = (process_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    print(
        &format!("heartbeats of {} agents, every 30 s: share of a core", all.len() + 1),
        format!("{:.1} %", share * 100.0),
    );
    drop((first, all));
    let _ = server.kill();
    let _ = server.wait();
}

/// Waits until so many more agents have started.
async fn started_all(listener: &mut Receiver<Happened>, mut count: usize) {
    while count > 0 {
        if matches!(listener.recv().await.expect("they go on").event, Event::Started) {
            count -= 1;
        }
    }
}

fn start_platform() -> (Child, String) {
    let mut child = Command::new(this()).arg("platform").stdout(Stdio::piped()).spawn().expect("a process");
    let mut url = String::new();
    let stdout = child.stdout.take().expect("its output");
    BufReader::new(stdout).read_line(&mut url).expect("its address");
    (child, url.trim().to_owned())
}

/// A platform that counts no requests, until it is killed.
async fn platform() {
    let platform =
        Platform::start(Config { rate_limit: u64::MAX, ..Config::default() }).await.expect("a platform");
    println!("{}", platform.url);
    std::future::pending::<()>().await;
}

fn report_memory(where_: &str, count: usize, before: u64) {
    let each = resident().saturating_sub(before) / count as u64;
    print(&format!("resident memory of an idle agent, {where_}, n={count}"), format!("{} KiB", each / 1024));
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a number");
    pages * rustix::param::page_size() as u64
}

/// CPU time of this process so far.
fn process_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a time")
}

async fn load(runtime: &Runtime, guest: &str) -> Component {
    runtime.load(std::fs::read(guest).expect("a guest")).await.expect("an agent")
}

async fn started(runtime: &Runtime, component: &Component, options: ActorOptions) -> Actor {
    let agent = Agent {
        identity: Identity { workspace_id: "w".into(), name: "bench".into() },
        config: Vec::new(),
        instructions: None,
        gate: Arc::new(Gate::new(Grants::default())),
        storage: None,
        services: Arc::new(Nothing),
        observer: Arc::new(Nothing),
    };
    let actor = Actor::spawn(runtime, component, Arc::new(agent), StartReason::FirstStart, options);
    actor.state().wait_for(|state| *state == ActorState::Running).await.expect("it runs");
    actor
}

fn message(text: &str) -> Message {
    Message {
        id: text.to_owned(),
        context_id: "user".into(),
        task_id: None,
        in_reply_to: None,
        sender: Sender::User,
        parts: vec![Part { content: PartContent::Text(text.to_owned()), metadata: None }],
        metadata: None,
        redelivered: 0,
    }
}
