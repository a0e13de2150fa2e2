//! A host in this process, as an embedder has it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_host::token::TokenInputs;
use molecule_host::{AgentSpec, Ended, Event, Host, Intervals, LoadedAgent, Running};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use crate::canvas::{PATIENCE, Workspace};

/// Intervals that keep no test waiting.
pub const QUICK: Intervals = Intervals {
    heartbeat: Duration::from_millis(200),
    state: Duration::from_millis(100),
    poll: Duration::from_millis(50),
    poll_eager: Duration::from_millis(50),
    secrets: Duration::from_secs(60 * 60),
};

/// A host that keeps its state in a folder.
pub async fn host(state_dir: &Path) -> Host {
    Host::builder().state_dir(state_dir).build().await.expect("a host")
}

/// A component of `molecule_tests::guests`.
pub async fn load(host: &Host, component: &str) -> LoadedAgent {
    host.load(std::fs::read(component).expect("a component")).await.expect("an agent")
}

/// The agent of a workspace, quick to notice everything. `url` is that of the platform, or of something before it.
pub fn spec(url: &str, workspace: &Workspace) -> AgentSpec {
    let mut spec =
        AgentSpec::new(url.parse().expect("a URL"), workspace.id.parse().expect("the id of a workspace"));
    spec.token = TokenInputs { variable: Some(workspace.token.clone()), ..TokenInputs::default() };
    spec.intervals = QUICK;
    spec
}

/// An agent that runs, and what has happened to it.
pub struct Embedded {
    /// The agent.
    pub running: Running,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    events: Mutex<Vec<Event>>,
    news: Notify,
}

impl Embedded {
    /// Starts an agent.
    pub async fn start(host: &Host, component: &str, spec: AgentSpec) -> Self {
        Self::start_loaded(host, &load(host, component).await, spec).await
    }

    /// Starts an agent that was loaded.
    pub async fn start_loaded(host: &Host, agent: &LoadedAgent, spec: AgentSpec) -> Self {
        let seen = Arc::<Seen>::default();
        let (noted, mut events) = (seen.clone(), spec.events.subscribe());
        let running = host.start(agent, spec).await.expect("the agent starts");
        tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(happened) => noted.events.lock().expect("no panic").push(happened.event),
                    Err(RecvError::Lagged(count)) => panic!("{count} events were missed"),
                    Err(RecvError::Closed) => return,
                }
                noted.news.notify_waiters();
            }
        });
        Self { running, seen }
    }

    /// What has happened so far.
    pub fn events(&self) -> Vec<Event> {
        self.seen.events.lock().expect("no panic").clone()
    }

    /// How many events so far are such.
    pub fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events().iter().filter(|event| is(event)).count()
    }

    /// Waits until something has happened, now or before.
    pub async fn event<T>(&self, what: &str, read: impl Fn(&Event) -> Option<T>) -> T {
        self.nth(1, what, read).await
    }

    /// Waits until something has happened so often.
    pub async fn nth<T>(&self, nth: usize, what: &str, read: impl Fn(&Event) -> Option<T>) -> T {
        self.nth_within(PATIENCE, nth, what, read).await
    }

    /// The same with a deadline of one's own.
    pub async fn nth_within<T>(
        &self,
        patience: Duration,
        nth: usize,
        what: &str,
        read: impl Fn(&Event) -> Option<T>,
    ) -> T {
        let found = async {
            loop {
                let news = self.seen.news.notified();
                if let Some(found) = self.events().iter().filter_map(&read).nth(nth - 1) {
                    return found;
                }
                news.await;
            }
        };
        match tokio::time::timeout(patience, found).await {
            Ok(found) => found,
            Err(_) => panic!("{what} did not happen {nth} times: {:#?}", self.events()),
        }
    }

    /// Waits until the agent has logged a line with these words, and gives it back.
    pub async fn logs(&self, words: &str) -> String {
        self.event(words, |event| match event {
            Event::Log { text, .. } if text.contains(words) => Some(text.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the host has complained with these words, and gives the line back.
    pub async fn complains(&self, words: &str) -> String {
        self.event(words, |event| match event {
            Event::Trouble(line) if line.contains(words) => Some(line.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for the end.
    pub async fn ended(&self) -> Ended {
        tokio::time::timeout(PATIENCE, self.running.ended()).await.expect("the agent ends")
    }

    /// Stops it, with time for what is in hand.
    pub async fn stop(self) {
        assert_eq!(self.running.stop(Duration::from_secs(20)).await, Ended::Shutdown);
    }
}
