//! In somebody else's program: whatever its runtime is, and with what it brings along.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use molecule_host::gate::{Effect, Kind, Policy, Verdict};
use molecule_host::platform::{HttpTransport, Limits, Network, Transport, TransportError, TransportSettings};
use molecule_host::store::MemoryState;
use molecule_host::store::state::State as _;
use molecule_host::{Clock, DeadLetters, Ended, Event, Events, Happened, Host, HostBuilder, Phase, blocking};
use molecule_tests::canvas::{PATIENCE, Workspace};
use molecule_tests::embedded::{Embedded, load, spec};
use molecule_tests::guests;
use molecule_tests::world::World;

const GRACE: Duration = Duration::from_secs(20);

/// The whole life of an agent, within the runtime of this test.
async fn lives(world: &World) {
    let alice = world.create("alice").await;
    let host = Host::builder().build().await.unwrap();
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    world.say(&alice, "hello").await;
    assert_eq!(world.answered(&alice, 1).await, ["hello"]);
    let status = agent.running.status();
    assert_eq!(status.phase, Phase::Working);
    assert!(status.cpu_time > Duration::ZERO && status.memory_bytes > 0, "{status:?}");
    agent.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_host_lives_in_a_current_thread_runtime() {
    lives(&World::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_lives_in_a_multi_thread_runtime() {
    lives(&World::new().await).await;
}

/// The same with calls that wait, on this thread.
fn lives_blocking(url: &str, alice: &Workspace) {
    let host = blocking::Host::builder().build_blocking().unwrap();
    let agent = host.load(std::fs::read(guests::ECHO).unwrap()).unwrap();
    let first = spec(url, alice);
    let mut events = blocking::Events::from(first.events.subscribe());
    let running = host.start(&agent, first).unwrap();
    assert_eq!(running.workspace().to_string(), alice.id);
    let delivered = |happened: &Happened| matches!(happened.event, Event::Delivered { .. });
    assert!(events.by_ref().flatten().any(|happened| delivered(&happened)));
    let newer = host.upgrade(&running, &agent, spec(url, alice)).unwrap();
    assert_eq!(running.ended(), Ended::Shutdown);
    assert_eq!(newer.status().phase, Phase::Working);
    let again = newer.events();
    assert_eq!(newer.stop(GRACE), Ended::Shutdown);
    drop((running, newer));
    // They end with what tells them.
    assert!(again.flatten().any(|happened| matches!(happened.event, Event::Ended(Ended::Shutdown))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_lives_in_a_program_without_a_runtime() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    world.say(&alice, "hello").await;
    let (url, workspace) = (world.url().to_owned(), alice.clone());
    // A thread that knows nothing of this runtime.
    let living = std::thread::spawn(move || {
        assert!(tokio::runtime::Handle::try_current().is_err());
        lives_blocking(&url, &workspace);
    });
    tokio::task::spawn_blocking(|| living.join()).await.unwrap().unwrap();
    assert_eq!(world.answers(&alice).await, ["hello"]);
}

/// Which holds one of its threads up, and is all that it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_wait_panic_nowhere_within_a_runtime() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    world.say(&alice, "hello").await;
    let (url, workspace) = (world.url().to_owned(), alice.clone());
    tokio::spawn(async move { lives_blocking(&url, &workspace) }).await.unwrap();
}

/// A time of day that stands still, and a steady one that leaps an hour each time it is asked.
struct OddClock(Mutex<Instant>);

const THEN: u64 = 1_000_000_000_000;

impl Clock for OddClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(THEN)
    }

    fn steady(&self) -> Instant {
        let mut at = self.0.lock().unwrap();
        *at += Duration::from_secs(3600);
        *at
    }
}

#[tokio::test]
async fn a_given_clock_says_when_something_was_and_how_much_of_a_rate_is_left() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let clock = Arc::new(OddClock(Mutex::new(Instant::now())));
    let host = Host::builder().state_dir(world.path("state")).clock(clock).build().await.unwrap();

    let mut panics = spec(world.url(), &bob);
    panics.restarts.first = Duration::from_millis(1);
    let dies = Embedded::start(&host, guests::PANICS, panics).await;
    world.say(&bob, "panic").await;
    dies.event("a dead letter", |event| matches!(event, Event::DeadLetter { .. }).then_some(())).await;
    dies.stop().await;
    let letters = DeadLetters::open(&world.path("state")).unwrap().list(None).await.unwrap();
    assert_eq!(letters[0].at, i64::try_from(THEN).unwrap());

    let echo = Embedded::start(&host, guests::ECHO, spec(world.url(), &bob)).await;
    let mut seldom = spec(world.url(), &alice);
    seldom.grants.peers.push("bob".parse().unwrap());
    seldom.grants.limits.messages_per_minute = 1;
    let asks = Embedded::start(&host, guests::CALLER, seldom).await;
    for number in 1..=3 {
        world.say(&alice, &format!("ask bob {number}")).await;
        assert_eq!(world.answered(&alice, number).await[number - 1], format!("heard: {number}"));
    }
    asks.stop().await;
    echo.stop().await;
}

#[tokio::test]
async fn given_randomness_names_messages() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let drawn = Arc::new(AtomicU64::new(0));
    let numbers = drawn.clone();
    let random = Arc::new(move || numbers.fetch_add(1, Ordering::Relaxed));
    let host = Host::builder().random(random).build().await.unwrap();
    let echo = Embedded::start(&host, guests::ECHO, spec(world.url(), &bob)).await;
    let mut asking = spec(world.url(), &alice);
    asking.grants.peers.push("bob".parse().unwrap());
    let asks = Embedded::start(&host, guests::CALLER, asking).await;
    world.say(&alice, "ask bob hello").await;
    let id = echo
        .event("the message", |event| match event {
            Event::MessageIn { id, .. } => Some(id.clone()),
            _ => None,
        })
        .await;
    // Small numbers, one after the other.
    assert!(id.starts_with("00000000-0000-4"), "{id}");
    // Heartbeats are spread by it, too.
    asks.nth(3, "heartbeats", |event| matches!(event, Event::Heartbeat).then_some(())).await;
    assert!(drawn.load(Ordering::Relaxed) > 6);
    asks.stop().await;
    echo.stop().await;
}

/// Counts what it sends.
struct Counted {
    inner: HttpTransport,
    sent: AtomicUsize,
    paths: Mutex<HashSet<String>>,
}

impl Counted {
    fn new() -> Arc<Self> {
        let inner = HttpTransport::new(&TransportSettings::default()).unwrap();
        Arc::new(Self { inner, sent: AtomicUsize::new(0), paths: Mutex::default() })
    }

    fn last_words(&self) -> Vec<String> {
        let paths = self.paths.lock().unwrap();
        let mut words: Vec<_> =
            paths.iter().filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect();
        words.sort();
        words
    }
}

#[async_trait]
impl Transport for Counted {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.paths.lock().unwrap().insert(request.uri().path().to_owned());
        self.inner.send(request, limits).await
    }
}

#[tokio::test]
async fn a_given_http_client_sends_everything() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let (requests, heartbeats) = (Counted::new(), Counted::new());
    let network = Network::with_transports(requests.clone(), heartbeats.clone());
    let host = Host::builder().network(network).build().await.unwrap();
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    world.say(&alice, "hello").await;
    world.answered(&alice, 1).await;
    agent.event("a heartbeat", |event| matches!(event, Event::Heartbeat).then_some(())).await;
    agent.stop().await;
    for path in ["register", "state", "activity", "notify"] {
        assert!(requests.last_words().iter().any(|word| word == path), "{path}: {:?}", requests.last_words());
    }
    assert_eq!(heartbeats.last_words(), ["heartbeat"]);
}

#[tokio::test]
async fn a_given_state_keeps_what_there_is_to_keep() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = Arc::new(MemoryState::default());
    // One host after the other, as two machines with one database would be.
    for round in 1..=2 {
        let host = Host::builder().state(state.clone()).build().await.unwrap();
        let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
        world.say(&alice, &round.to_string()).await;
        world.answered(&alice, round).await;
        agent.stop().await;
    }
    assert_eq!(world.answers(&alice).await, ["1", "2"], "the second took nothing in again");
    let fence = state.lease(&alice.id).await.unwrap();
    assert_eq!(fence.token, 3);
    assert!(state.position(&fence).await.unwrap().cursor.is_some());
}

/// Lets nobody talk to bob.
struct NotBob;

impl Policy for NotBob {
    fn judge(&self, agent: &str, effect: &Effect<'_>) -> Verdict {
        match effect {
            Effect::CallPeer { name: Some("bob"), .. } => {
                Verdict::Deny(format!("bob is not to be disturbed by {agent}").into())
            }
            _ => Verdict::AsGranted,
        }
    }
}

/// Asks bob with every peer granted; what came of it, and the denials that were told.
async fn asks_bob(builder: HostBuilder, granted: bool) -> (String, Vec<Event>) {
    let world = World::new().await;
    let (alice, _bob) = (world.create("alice").await, world.create("bob").await);
    let host = builder.build().await.unwrap();
    let mut asking = spec(world.url(), &alice);
    if granted {
        asking.grants.peers.push("*".parse().unwrap());
    }
    let agent = Embedded::start(&host, guests::CALLER, asking).await;
    for number in 1..=3 {
        world.say(&alice, "ask bob hello").await;
        world.answered(&alice, number).await;
    }
    let answer = world.answers(&alice).await.swap_remove(0).replace(&alice.id, "ALICE");
    let Embedded { running, .. } = &agent;
    running.stop(GRACE).await;
    agent.event("the end", |event| matches!(event, Event::Ended(_)).then_some(())).await;
    let mut denials = agent.events();
    denials.retain(|event| matches!(event, Event::Denied { .. }));
    (answer, denials)
}

#[tokio::test]
async fn a_given_policy_refuses_what_the_grants_allow() {
    let (answer, denials) = asks_bob(Host::builder().policy(Arc::new(NotBob)), true).await;
    assert!(answer.contains("peers.call: bob is not to be disturbed by ALICE"), "{answer}");
    let Event::Denied { effect, target, rule, grant, message, .. } = &denials[0] else {
        panic!("{denials:?}")
    };
    assert_eq!((*effect, target.as_str(), *rule, grant), (Kind::CallPeer, "bob", "policy", &None));
    assert!(message.is_some());
}

#[tokio::test]
async fn a_denial_is_told_at_once_and_the_same_again_is_counted() {
    let (_, denials) = asks_bob(Host::builder(), false).await;
    let told: Vec<_> = denials
        .iter()
        .map(|event| match event {
            Event::Denied { rule, grant, times, .. } => (*rule, grant.as_deref(), *times),
            _ => panic!("{event:?}"),
        })
        .collect();
    let grant = Some("--allow-peer bob");
    assert_eq!(told, [("peer", grant, 1), ("peer", grant, 2)]);
}

#[tokio::test]
async fn many_agents_tell_one_listener() {
    let world = World::new().await;
    let host = Host::builder().build().await.unwrap();
    let agent = load(&host, guests::ECHO).await;
    let events = Events::new(4096);
    let mut listener = events.subscribe();
    let mut all = Vec::new();
    let mut silent = HashSet::new();
    for name in ["alice", "bob", "carol"] {
        let workspace = world.create(name).await;
        let mut spec = spec(world.url(), &workspace);
        spec.events = events.clone();
        silent.insert(workspace.id);
        all.push(host.start(&agent, spec).await.unwrap());
    }
    let heard = async {
        while !silent.is_empty() {
            let happened = listener.recv().await.unwrap();
            if matches!(happened.event, Event::Started) {
                silent.remove(&happened.workspace.to_string());
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.unwrap();
    for running in all {
        running.stop(GRACE).await;
    }
}
