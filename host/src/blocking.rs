//! The same for a program without tokio: calls that wait.
//!
//! A [`Host`] here has a tokio runtime of its own, with threads of its own; everything else is the one of
//! [`crate::Host`], with the same builder, settings and events.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use molecule_host::{AgentSpec, Host};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::builder().state_dir("/var/lib/my-service/agents").build_blocking()?;
//! let agent = host.load(std::fs::read("agent.wasm")?)?;
//! let spec = AgentSpec::new(
//!     "https://acme.moleculesai.app".parse()?,
//!     "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse()?,
//! );
//! let running = host.start(&agent, spec)?;
//! // ... what the service is there for ...
//! println!("ended: {:?}", running.stop(Duration::from_secs(10)));
//! # Ok(())
//! # }
//! ```
//!
//! # Within a tokio runtime
//!
//! Nothing here panics there, but every call holds its thread up until it is done: use [`crate::Host`] instead. What is
//! given to the builder must not wait for the thread that calls: an HTTP client that lives on a current-thread runtime
//! would wait for ever.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use molecule_protocol::WorkspaceId;
use molecule_runtime::{Limits, LoadError};
use molecule_store::state::{MessageKey, StateError};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::events::{Ended, Happened};
use crate::host::{BuildError, HostBuilder, LoadedAgent, StartError};
use crate::plugins::{InstallRequest, Installed, Plugin, PluginError, PluginName, Progress};
use crate::spec::AgentSpec;
use crate::status::Status;

/// Runs agents; see [`crate::Host`]. Cheap to clone.
///
/// Its threads end with the last of its clones and of the agents it started: agents that were not stopped until then
/// end as if the program had been killed, which loses no message.
#[derive(Debug, Clone)]
pub struct Host {
    host: crate::Host,
    threads: Threads,
}

impl Host {
    /// A host to be; ends in [`HostBuilder::build_blocking`].
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// The host that this one calls, for what waits for nothing.
    pub fn as_async(&self) -> &crate::Host {
        &self.host
    }

    /// Compiles a component, or takes what was compiled before, and asks it who it is.
    ///
    /// # Errors
    /// [`LoadError`] says what it is instead of an agent.
    pub fn load(&self, bytes: Vec<u8>) -> Result<LoadedAgent, LoadError> {
        self.load_within(bytes, Limits::default())
    }

    /// The same within these limits; see [`crate::Host::load_within`].
    ///
    /// # Errors
    /// As above.
    pub fn load_within(&self, bytes: Vec<u8>, limits: Limits) -> Result<LoadedAgent, LoadError> {
        self.threads.run(self.host.load_within(bytes, limits))
    }

    /// Makes an agent a workspace; see [`crate::Host::start`]. Returns once it is registered, or found paused: a
    /// platform that cannot be reached is waited for.
    ///
    /// # Errors
    /// [`StartError`], when it makes no sense to go on.
    pub fn start(&self, agent: &LoadedAgent, spec: AgentSpec) -> Result<Running, StartError> {
        let running = self.threads.run(self.host.start(agent, spec))?;
        Ok(Running { running, threads: self.threads.clone() })
    }

    /// Puts another version, or other settings, in the place of an agent that runs; see [`crate::Host::upgrade`].
    ///
    /// # Errors
    /// [`StartError`].
    pub fn upgrade(
        &self,
        running: &Running,
        agent: &LoadedAgent,
        spec: AgentSpec,
    ) -> Result<Running, StartError> {
        let running = self.threads.run(self.host.upgrade(&running.running, agent, spec))?;
        Ok(Running { running, threads: self.threads.clone() })
    }
}

impl HostBuilder {
    /// Opens what has to be opened, and starts threads: for a program without tokio. They are two, beside those of the
    /// agents.
    ///
    /// # Errors
    /// [`BuildError`] says what could not be, and what to do.
    pub fn build_blocking(self) -> Result<Host, BuildError> {
        let threads = Threads::start().map_err(BuildError::Threads)?;
        let host = threads.run(self.build())?;
        Ok(Host { host, threads })
    }
}

/// An agent that runs; see [`crate::Running`]. Dropping it lets it run on, as long as its [`Host`] lives.
#[derive(Debug, Clone)]
pub struct Running {
    running: crate::Running,
    threads: Threads,
}

impl Running {
    /// The same for asynchronous code.
    pub fn as_async(&self) -> &crate::Running {
        &self.running
    }

    /// The name under which it is registered.
    pub fn name(&self) -> &str {
        self.running.name()
    }

    /// The workspace that it is.
    pub fn workspace(&self) -> WorkspaceId {
        self.running.workspace()
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        self.running.status()
    }

    /// Its plugins; see [`crate::Running::plugins`].
    pub fn plugins(&self) -> Plugins {
        Plugins { plugins: self.running.plugins(), threads: self.threads.clone() }
    }

    /// Lets a message that was given up wait again; see [`crate::Running::retry`].
    ///
    /// # Errors
    /// [`StateError::Unknown`] where there is no such dead letter, and when the state cannot be written.
    pub fn retry(&self, key: MessageKey) -> Result<(), StateError> {
        self.threads.run(self.running.retry(key))
    }

    /// Drops a message that was given up for good.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub fn discard(&self, key: MessageKey) -> Result<(), StateError> {
        self.threads.run(self.running.discard(key))
    }

    /// What happens from now on, [`Event::Ended`](crate::Event::Ended) the last; nothing where that was told before. To
    /// miss nothing, listen to [`AgentSpec::events`] before the start: it goes [into](Events::from) such as these.
    pub fn events(&self) -> Events {
        self.running.events().into()
    }

    /// Lets what is in flight end, within so much time, tells the agent, and stops.
    pub fn stop(&self, grace: Duration) -> Ended {
        self.threads.run(self.running.stop(grace))
    }

    /// Waits for its end and says why.
    pub fn ended(&self) -> Ended {
        self.threads.run(self.running.ended())
    }
}

/// The plugins of a workspace; see [`crate::plugins::Plugins`].
#[derive(Debug, Clone)]
pub struct Plugins {
    plugins: crate::plugins::Plugins,
    threads: Threads,
}

impl Plugins {
    /// What is installed, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Plugin>, PluginError> {
        self.threads.run(self.plugins.list())
    }

    /// Installs a plugin, or puts another version in the place of the one that is there. `observe` is called on threads of
    /// the host's.
    ///
    /// # Errors
    /// As [`crate::plugins::Plugins::install`].
    pub fn install(
        &self,
        request: InstallRequest,
        observe: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Installed, PluginError> {
        self.threads.run(self.plugins.install(request, observe))
    }

    /// Removes a plugin.
    ///
    /// # Errors
    /// As [`crate::plugins::Plugins::remove`].
    pub fn remove(&self, name: &PluginName) -> Result<(), PluginError> {
        self.threads.run(self.plugins.remove(name))
    }
}

/// What happens, one after the other; ends when nothing more can come, that is with the last [`Running`] and
/// [`AgentSpec`] that could tell it.
///
/// ```no_run
/// # fn example(spec: molecule_host::AgentSpec) {
/// use molecule_host::blocking::Events;
///
/// // Before it is started, so that nothing is missed.
/// let events = Events::from(spec.events.subscribe());
/// std::thread::spawn(move || events.flatten().for_each(|happened| println!("{happened:?}")));
/// # }
/// ```
#[derive(Debug)]
pub struct Events(Receiver<Happened>);

/// Whoever listens was too slow: so many events were told and are lost. The agent has missed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} events came too fast and are lost; listen faster, or give AgentSpec::events more capacity")]
pub struct Missed(pub u64);

impl Events {
    /// The next one, if it comes within so much time. `None` when it does not, and when nothing more can come.
    pub fn next_within(&mut self, time: Duration) -> Option<Result<Happened, Missed>> {
        let end = Instant::now().checked_add(time);
        wait_until(self.0.recv(), end).and_then(read)
    }
}

impl From<Receiver<Happened>> for Events {
    fn from(receiver: Receiver<Happened>) -> Self {
        Self(receiver)
    }
}

impl Iterator for Events {
    type Item = Result<Happened, Missed>;

    fn next(&mut self) -> Option<Self::Item> {
        read(wait(self.0.recv()))
    }
}

fn read(received: Result<Happened, RecvError>) -> Option<Result<Happened, Missed>> {
    match received {
        Ok(happened) => Some(Ok(happened)),
        Err(RecvError::Lagged(count)) => Some(Err(Missed(count))),
        Err(RecvError::Closed) => None,
    }
}

/// The threads of a host. Clones share them.
#[derive(Debug, Clone)]
struct Threads(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // In place, a tokio runtime would wait for its threads, and panic within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Threads {
    fn start() -> std::io::Result<Self> {
        // Two: what holds one up, as a slow disk does when a folder is opened, does not hold up heartbeats.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("molecule-host")
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(Owned { handle: runtime.handle().clone(), runtime: Some(runtime) })))
    }

    /// Waits for something that needs tokio: what it starts, and its timers, run on these threads.
    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let _within = self.0.handle.enter();
        wait(work)
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread, whatever it is: tokio's own `block_on` panics on one of tokio's.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Some(output) = wait_until(future.as_mut(), None) {
            return output;
        }
    }
}

/// The same until a point in time; for ever where there is none.
fn wait_until<T>(future: impl Future<Output = T>, end: Option<Instant>) -> Option<T> {
    // Within a task of tokio, what shares its budget would wait for it to yield.
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        match end.map(|end| end.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return None,
            Some(rest) => std::thread::park_timeout(rest),
            None => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Event;

    fn happened() -> Happened {
        Happened::new(WorkspaceId::random(), Event::Started)
    }

    #[test]
    fn events_come_to_whoever_waits_and_end_with_what_tells_them() {
        let events = crate::Events::new(2);
        let mut listener = Events::from(events.subscribe());
        assert!(listener.next_within(Duration::ZERO).is_none());
        let telling = std::thread::spawn(move || {
            for _ in 0..5 {
                assert!(events.tell(happened()).is_none());
            }
        });
        telling.join().unwrap();
        assert_eq!(listener.next().map(|it| it.err()), Some(Some(Missed(3))));
        assert_eq!(listener.flatten().count(), 2);
    }

    /// A task of tokio may take so many turns before it must yield, which here it cannot.
    #[tokio::test]
    async fn thousands_of_events_can_be_read_within_tokio() {
        let events = crate::Events::new(5000);
        let listener = Events::from(events.subscribe());
        for _ in 0..5000 {
            assert!(events.tell(happened()).is_none());
        }
        drop(events);
        assert_eq!(listener.flatten().count(), 5000);
    }
}
