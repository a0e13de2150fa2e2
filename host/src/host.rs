//! The embedding API: build a host, load a component, run it, watch its events, stop it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use molecule_gate::{Grants, Policy};
use molecule_protocol::WorkspaceId;
use molecule_runtime::wit::{Card, StartReason, StopReason};
use molecule_runtime::{AotStore, Component, Limits, LoadError, Runtime, RuntimeError, RuntimeOptions};
use molecule_store::state::{MessageKey, State, StateError};
use molecule_store::{MemoryState, SqliteState, StoreError};
use tokio::sync::{broadcast, watch};

use crate::clock::Clock;
use crate::egress::{Egress, EgressSettings, InvalidEgress};
use crate::events::{Ended, Events, Happened};
use crate::lock::LockError;
use crate::platform::{InvalidTransport, Network, TransportSettings};
use crate::plugins::Plugins;
use crate::random::Random;
use crate::session;
use crate::spec::AgentSpec;
use crate::state_dir::{StateDir, StateDirError};
use crate::status::Status;
use crate::token::TokenError;

/// Runs agents. One for a process is enough; cheap to clone.
///
/// Everything it needs is in it: there is no global state, no signal handler and no logger of its own. It must be used
/// within a tokio runtime.
///
/// ```no_run
/// use molecule_host::{AgentSpec, Host};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Host::builder().state_dir("/var/lib/my-service/agents").build().await?;
/// let agent = host.load(std::fs::read("agent.wasm")?).await?;
///
/// let spec = AgentSpec::new(
///     "https://acme.moleculesai.app".parse()?,
///     "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse()?,
/// );
/// let mut events = spec.events.subscribe();
/// tokio::spawn(async move {
///     while let Ok(happened) = events.recv().await {
///         println!("{happened:?}");
///     }
/// });
/// let running = host.start(&agent, spec).await?;
/// println!("ended: {:?}", running.ended().await);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Host {
    pub(crate) runtime: Runtime,
    pub(crate) network: Network,
    pub(crate) egress: Egress,
    pub(crate) state: Arc<dyn State>,
    pub(crate) state_dir: Option<StateDir>,
    pub(crate) policy: Option<Arc<dyn Policy>>,
}

impl Host {
    /// A host to be.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Compiles a component, or takes what was compiled before, and asks it who it is.
    ///
    /// # Errors
    /// [`LoadError`] says what it is instead of an agent.
    pub async fn load(&self, bytes: Vec<u8>) -> Result<LoadedAgent, LoadError> {
        self.load_within(bytes, Limits::default()).await
    }

    /// The same, for an agent that may take more of the machine than others, or less: it is asked who it is within
    /// these limits. Those it runs with are in its [`AgentSpec`].
    ///
    /// # Errors
    /// As above.
    pub async fn load_within(&self, bytes: Vec<u8>, limits: Limits) -> Result<LoadedAgent, LoadError> {
        let component = self.runtime.load(bytes).await?;
        let card = self.runtime.describe(&component, limits).await?;
        Ok(LoadedAgent { component, card })
    }

    /// Makes an agent a workspace: takes the workspace for this process, registers, and runs it from then on.
    ///
    /// Returns once it is registered (or found paused). A platform that cannot be reached is tried again until it can;
    /// drop the future to give up.
    ///
    /// # Errors
    /// [`StartError`], when it makes no sense to go on.
    pub async fn start(&self, agent: &LoadedAgent, spec: AgentSpec) -> Result<Running, StartError> {
        session::start(self, agent, spec, None).await
    }

    /// Puts another version, or other settings, in the place of an agent that runs.
    ///
    /// The old instance gets its grace for what is in hand, and is told that it makes room for a newer one; what it has
    /// not done, the new one does, and is told that it takes over. Heartbeats go on until the old one has ended. When
    /// the new one cannot be started, neither runs.
    ///
    /// # Errors
    /// [`StartError`], and at once where `spec` is of another workspace than `running`.
    pub async fn upgrade(
        &self,
        running: &Running,
        agent: &LoadedAgent,
        spec: AgentSpec,
    ) -> Result<Running, StartError> {
        if spec.workspace_id != running.workspace() {
            return Err(StartError::Misconfigured(format!(
                "workspace {} cannot be upgraded to workspace {}; stop the agent and start another one",
                running.workspace(),
                spec.workspace_id
            )));
        }
        running.make_room().await;
        session::start(self, agent, spec, Some(StartReason::Upgrade)).await
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("state_dir", &self.state_dir).finish_non_exhaustive()
    }
}

/// Builds a [`Host`].
#[derive(Default)]
pub struct HostBuilder {
    state_dir: Option<PathBuf>,
    compiled: Option<PathBuf>,
    state: Option<Arc<dyn State>>,
    network: Option<Network>,
    egress: EgressSettings,
    outside: Option<Egress>,
    clock: Option<Arc<dyn Clock>>,
    random: Option<Random>,
    policy: Option<Arc<dyn Policy>>,
    transport: TransportSettings,
    stack_bytes: Option<usize>,
}

impl HostBuilder {
    /// Keeps everything in this folder: messages, tokens, compiled components. Without one, nothing survives the
    /// process.
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(path.into());
        self
    }

    /// Keeps compiled components in this folder instead of in one of the state folder, and also without one. It may be
    /// shared.
    pub fn compiled_in(mut self, path: impl Into<PathBuf>) -> Self {
        self.compiled = Some(path.into());
        self
    }

    /// Keeps the state of messages here instead of in `host.db` of the state folder.
    pub fn state(mut self, state: Arc<dyn State>) -> Self {
        self.state = Some(state);
        self
    }

    /// Bytes of stack that functions of an agent may use, each instance for itself; 1 MiB where nothing is said.
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = Some(bytes);
        self
    }

    /// How requests go out.
    pub fn transport(mut self, settings: TransportSettings) -> Self {
        self.transport = settings;
        self
    }

    /// A network of one's own, with other HTTP clients.
    pub fn network(mut self, network: Network) -> Self {
        self.network = Some(network);
        self
    }

    /// How the requests of agents go out.
    pub fn egress(mut self, settings: EgressSettings) -> Self {
        self.egress = settings;
        self
    }

    /// A way out of one's own for the requests of agents, with other names and sockets.
    pub fn egress_through(mut self, egress: Egress) -> Self {
        self.outside = Some(egress);
        self
    }

    /// Asks this clock for the time instead of the machine's; see [`Clock`] for what it is asked.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Draws random numbers here instead of from the system: for the names of messages, and for what is spread out, so
    /// that hosts do not act in step. Agents draw theirs from the system all the same.
    pub fn random(mut self, random: Random) -> Self {
        self.random = Some(random);
        self
    }

    /// Has this policy judge, beside the grants, what each agent does. It can refuse, and grants nothing.
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Opens what has to be opened.
    ///
    /// # Errors
    /// [`BuildError`] says what could not be, and what to do.
    pub async fn build(self) -> Result<Host, BuildError> {
        let state_dir = self.state_dir.map(StateDir::open).transpose()?;
        let aot = match self.compiled.or_else(|| state_dir.as_ref().map(StateDir::aot)) {
            Some(path) => Some(
                AotStore::open(&path, AotStore::MAX_BYTES)
                    .map_err(|error| BuildError::Aot { path, error })?,
            ),
            None => None,
        };
        let state: Arc<dyn State> = match (self.state, &state_dir) {
            (Some(state), _) => state,
            (None, Some(dir)) => {
                Arc::new(SqliteState::open(&dir.database(), molecule_store::Options::default())?)
            }
            (None, None) => Arc::new(MemoryState::default()),
        };
        let network = match self.network {
            Some(network) => network,
            None => Network::new(&self.transport)?,
        };
        let egress = match self.outside {
            Some(egress) => egress,
            None => Egress::new(self.egress)?,
        };
        let network = match self.clock {
            Some(clock) => network.with_clock(clock),
            None => network,
        };
        let network = match self.random {
            Some(random) => network.with_random(random),
            None => network,
        };
        let default = RuntimeOptions::default();
        let stack_bytes = self.stack_bytes.unwrap_or(default.stack_bytes);
        let runtime = Runtime::with(RuntimeOptions { aot, stack_bytes })?;
        Ok(Host { runtime, network, egress, state, state_dir, policy: self.policy })
    }
}

/// A host could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The state folder.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The folder of compiled components.
    #[error("the folder of compiled components {} cannot be used: {error}; repair it or choose another one", path.display())]
    Aot {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP client.
    #[error(transparent)]
    Transport(#[from] InvalidTransport),
    /// The way out of agents.
    #[error(transparent)]
    Egress(#[from] InvalidEgress),
    /// The WebAssembly runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The threads of a [blocking](crate::blocking) host.
    #[error(
        "no threads can be started: {0}; raise the limit of threads of this user (ulimit -u), or run less"
    )]
    Threads(std::io::Error),
}

/// A component that is an agent, and what it says of itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadedAgent {
    /// The component.
    pub component: Component,
    /// Its card.
    pub card: Card,
}

/// An agent could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Another host has the workspace.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The folder of the workspace.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The database.
    #[error(transparent)]
    Store(#[from] molecule_store::state::StateError),
    /// The platform takes neither the token nor its absence.
    #[error(
        "the platform does not accept the token of workspace {workspace}: {reason}; give a valid one with --token-file \
         (an operator makes one with POST /workspaces/{workspace}/tokens)"
    )]
    Unauthorized {
        /// The workspace.
        workspace: String,
        /// What the platform said.
        reason: String,
    },
    /// The workspace was deleted.
    #[error("workspace {workspace} was deleted on the platform; create another one and use its id and token")]
    Removed {
        /// The workspace.
        workspace: String,
    },
    /// The platform's answer leaves nothing to try again; one line that ends in what to do.
    #[error("{0}")]
    Misconfigured(String),
}

/// An agent that runs. Dropping it lets it run on; [`Running::stop`] stops it.
#[derive(Debug, Clone)]
pub struct Running {
    pub(crate) name: String,
    pub(crate) events: Events,
    pub(crate) stop: watch::Sender<Option<(StopReason, Duration)>>,
    pub(crate) ended: watch::Receiver<Option<Ended>>,
    pub(crate) handle: session::Handle,
}

impl Running {
    /// The name under which it is registered.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The workspace that it is.
    pub fn workspace(&self) -> WorkspaceId {
        self.handle.workspace()
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        self.handle.status(self.ended.borrow().clone())
    }

    /// Reads the operator's own secrets and pulls those of the platform again: they may have changed. Happens every hour
    /// by itself; what cannot be read keeps its old value and is told as an event.
    pub fn pull_secrets(&self) {
        self.handle.pull_secrets();
    }

    /// Puts other grants in the place of those that hold, from the next effect on. False where they are the same.
    ///
    /// What has been used of a rate stays used, and connections that were made under the old ones are used no more.
    /// Storage that is granted anew is there from the next instance on.
    pub fn set_grants(&self, grants: Grants) -> bool {
        self.handle.set_grants(grants)
    }

    /// Its plugins: to list them, to install one, and to remove one. What is installed here needs no grant.
    pub fn plugins(&self) -> Plugins {
        self.handle.plugins()
    }

    /// Lets a message that was given up wait again, in its old place and with its runs forgotten.
    ///
    /// # Errors
    /// [`StateError::Unknown`] where there is no such dead letter, and when the state cannot be written.
    pub async fn retry(&self, key: MessageKey) -> Result<(), StateError> {
        self.handle.retry(key).await
    }

    /// Drops a message that was given up for good.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn discard(&self, key: MessageKey) -> Result<(), StateError> {
        self.handle.discard(key).await
    }

    /// What happens from now on, [`Event::Ended`](crate::Event::Ended) the last; nothing where that was told before. To
    /// miss nothing, listen to [`AgentSpec::events`] before the start. A reader that falls far behind loses the oldest
    /// events and is told how many.
    pub fn events(&self) -> broadcast::Receiver<Happened> {
        self.events.subscribe()
    }

    /// Lets what is in flight end, within so much time, tells the agent, and stops. Messages that are not done are kept
    /// for the next start.
    pub async fn stop(&self, grace: Duration) -> Ended {
        let grace = grace.min(AgentSpec::LONGEST);
        self.stop.send_replace(Some((StopReason::Shutdown, grace)));
        self.ended().await
    }

    /// Stops it in favour of another version of itself, with the grace of its own settings.
    async fn make_room(&self) -> Ended {
        self.stop.send_replace(Some((StopReason::Upgrade, self.handle.grace())));
        self.ended().await
    }

    /// Waits for its end and says why.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or(Ended::Shutdown),
            Err(_) => Ended::Failed("the agent's task was dropped with the runtime it ran on".to_owned()),
        }
    }
}
