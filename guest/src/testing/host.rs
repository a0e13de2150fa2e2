//! The host, as a test sees it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::Instance;
use super::approvals::{Asked, Question};
use super::delegations::{Assignment, Given};
use super::executor::{self, Clock};
use super::fetch::{Fetch, Response};
use super::imports::Entered;
use super::memory::Store;
use super::script::{Call, Install, Script};
use crate::log::Level;
use crate::memory::{Checkpoint, Memory};
use crate::messages::{Entry, Update};
use crate::plugins::{Installed, Plugin};
use crate::workspace::State;
use crate::{Agent, Card, Content, Error, Identity, Peer, Reply, Start, StartReason};

/// A host that does what the test says. A clone is the same host.
#[derive(Clone)]
pub struct Host {
    pub(super) inner: Rc<Inner>,
}

pub(super) struct Inner {
    pub(super) start: RefCell<Start>,
    pub(super) peers: RefCell<Vec<Peer>>,
    pub(super) script: RefCell<Script>,
    pub(super) call_takes: Cell<Duration>,
    /// The secrets that are granted, with their values where these are revealed.
    pub(super) secrets: RefCell<BTreeMap<String, Option<String>>>,
    pub(super) plugins: RefCell<Vec<Plugin>>,
    pub(super) state: RefCell<State>,
    /// The files that messages can bring, by URI.
    pub(super) files: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(super) said: RefCell<Vec<Entry>>,
    /// When the latest of these was said.
    pub(super) said_at: Cell<Duration>,
    pub(super) delegations: RefCell<Vec<Given>>,
    pub(super) delegation_takes: Cell<Duration>,
    pub(super) memory: RefCell<Store>,
    pub(super) approvals: RefCell<Vec<Asked>>,
    pub(super) decision_takes: Cell<Duration>,
    /// The functions that fail, and how.
    pub(super) failing: RefCell<BTreeMap<String, Error>>,
    /// When the message in hand is canceled, if it is.
    pub(super) canceled_at: Cell<Option<Duration>>,
    pub(super) events: RefCell<Vec<Event>>,
    pub(super) describing: Cell<bool>,
    pub(super) clock: Clock,
}

/// Something that the agent did through the host.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It wrote to the user.
    Notified(Content),
    /// It listed its peers.
    ListedPeers,
    /// It called a peer.
    Called(Call),
    /// It sent a request.
    Fetched(Fetch),
    /// It installed a plugin.
    Installed(Install),
    /// It removed a plugin.
    RemovedPlugin(String),
    /// It asked for the value of a secret.
    Revealed(String),
    /// It said what it works on.
    SetTask(Option<String>),
    /// It announced itself again, perhaps with another card.
    Registered(Option<Card>),
    /// It sent a heartbeat.
    Heartbeat,
    /// It opened a file, by its URI.
    Opened(String),
    /// It told how it goes.
    Told(Update),
    /// It had forgotten where a peer is, or where all of them are.
    Invalidated(Option<String>),
    /// It gave a task to a peer.
    Delegated(Assignment),
    /// It set a value.
    SetValue {
        /// The key.
        key: String,
        /// The value, the text of its JSON.
        json: String,
    },
    /// It committed something to memory.
    Committed(Memory),
    /// It saved a checkpoint.
    Saved(Checkpoint),
    /// It asked for approval.
    Asked(Question),
    /// It wrote a log line.
    Logged {
        /// How much it matters.
        level: Level,
        /// The text.
        message: String,
        /// The fields, in order.
        fields: Vec<(String, String)>,
    },
    /// It began to sleep this long.
    Slept(Duration),
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host of the workspace `workspace-1`, named `agent`, without configuration and without peers.
    pub fn new() -> Self {
        let start = Start {
            reason: StartReason::FirstStart,
            identity: Identity { workspace_id: "workspace-1".into(), name: "agent".into() },
            config: Vec::new(),
            instructions: None,
        };
        Self {
            inner: Rc::new(Inner {
                start: RefCell::new(start),
                peers: RefCell::default(),
                script: RefCell::default(),
                call_takes: Cell::default(),
                secrets: RefCell::default(),
                plugins: RefCell::default(),
                state: RefCell::new(State::new("online")),
                files: RefCell::default(),
                said: RefCell::default(),
                said_at: Cell::default(),
                delegations: RefCell::default(),
                delegation_takes: Cell::default(),
                memory: RefCell::default(),
                approvals: RefCell::default(),
                decision_takes: Cell::default(),
                failing: RefCell::default(),
                canceled_at: Cell::default(),
                events: RefCell::default(),
                describing: Cell::default(),
                clock: Clock::default(),
            }),
        }
    }

    /// Says who the workspace is.
    #[must_use]
    pub fn identity(self, workspace_id: impl Into<String>, name: impl Into<String>) -> Self {
        self.inner.start.borrow_mut().identity =
            Identity { workspace_id: workspace_id.into(), name: name.into() };
        self
    }

    /// Adds a value of the operator's configuration.
    #[must_use]
    pub fn config(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.start.borrow_mut().config.push((key.into(), value.into()));
        self
    }

    /// Gives the platform's instructions for the workspace.
    #[must_use]
    pub fn instructions(self, text: impl Into<String>) -> Self {
        self.inner.start.borrow_mut().instructions = Some(text.into());
        self
    }

    /// Says why the agent starts; for the first time where not said.
    #[must_use]
    pub fn start_reason(self, reason: StartReason) -> Self {
        self.inner.start.borrow_mut().reason = reason;
        self
    }

    /// Adds a peer to the list, without role and card, `online`.
    #[must_use]
    pub fn peer(self, id: impl Into<String>, name: impl Into<String>) -> Self {
        self.inner.peers.borrow_mut().push(Peer {
            id: id.into(),
            name: name.into(),
            role: None,
            status: "online".into(),
            card: None,
        });
        self
    }

    /// Answers the agent's lists of peers, given those of [`Host::peer`].
    #[must_use]
    pub fn on_list(self, script: impl FnMut(&[Peer]) -> Result<Vec<Peer>, Error> + 'static) -> Self {
        self.inner.script.borrow_mut().on_list = Box::new(script);
        self
    }

    /// Answers the agent's calls of peers. Without it there is no peer ([`Error::NotFound`]).
    #[must_use]
    pub fn on_call(self, script: impl FnMut(&Call) -> Result<Reply, Error> + 'static) -> Self {
        self.inner.script.borrow_mut().on_call = Box::new(script);
        self
    }

    /// Lets the answer to a call take this long. Where the agent does not wait as long, the reply is
    /// [`Reply::Queued`].
    #[must_use]
    pub fn call_takes(self, duration: Duration) -> Self {
        self.inner.call_takes.set(duration);
        self
    }

    /// Answers the agent's requests. Without it they are denied.
    #[must_use]
    pub fn on_fetch(self, script: impl FnMut(&Fetch) -> Result<Response, Error> + 'static) -> Self {
        self.inner.script.borrow_mut().on_fetch = Box::new(script);
        self
    }

    /// Grants a secret, to be used by its [reference](crate::secrets::reference) and not to be seen.
    #[must_use]
    pub fn secret(self, name: impl Into<String>) -> Self {
        self.inner.secrets.borrow_mut().insert(name.into(), None);
        self
    }

    /// Grants a secret that may be [revealed](crate::secrets::reveal).
    #[must_use]
    pub fn revealed_secret(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.secrets.borrow_mut().insert(name.into(), Some(value.into()));
        self
    }

    /// Has a plugin installed. Its files are those of the machine that runs the test: a [skill](crate::plugins::Skill::new)
    /// of a test says where.
    #[must_use]
    pub fn plugin(self, plugin: Plugin) -> Self {
        self.inner.plugins.borrow_mut().push(plugin);
        self
    }

    /// Answers the agent's installs; what it returns is installed from then on. Without it they are denied.
    #[must_use]
    pub fn on_install(self, script: impl FnMut(&Install) -> Result<Installed, Error> + 'static) -> Self {
        self.inner.script.borrow_mut().on_install = Box::new(script);
        self
    }

    /// Answers the agent's messages to the user. Without it they arrive.
    #[must_use]
    pub fn on_notify(self, script: impl FnMut(&Content) -> Result<(), Error> + 'static) -> Self {
        self.inner.script.borrow_mut().on_notify = Box::new(script);
        self
    }

    /// Answers the agent when it says what it works on. Without it the host takes it.
    #[must_use]
    pub fn on_set_task(self, mut script: impl FnMut(Option<&str>) -> Result<(), Error> + 'static) -> Self {
        self.inner.script.borrow_mut().on_set_task = Box::new(move |task| script(task.as_deref()));
        self
    }

    /// Says where the platform has the workspace; `online` where not said.
    #[must_use]
    pub fn state(self, state: State) -> Self {
        self.inner.state.replace(state);
        self
    }

    /// Has a function of the SDK fail from now on, named as it is called, such as `memory::set`.
    pub fn fail(&self, function: impl Into<String>, error: Error) {
        self.inner.failing.borrow_mut().insert(function.into(), error);
    }

    /// Has a function that [fails](Host::fail) work again.
    pub fn mend(&self, function: &str) {
        self.inner.failing.borrow_mut().remove(function);
    }

    /// Loads and starts an agent: [`describe`](Agent::describe), then [`on_start`](Agent::on_start).
    ///
    /// # Errors
    ///
    /// What `on_start` returned.
    pub fn start<A: Agent>(&self) -> Result<Instance<A>, Error> {
        Instance::start(self)
    }

    /// Runs a future to its end in this host.
    ///
    /// # Panics
    ///
    /// When the future waits for something that cannot happen here, such as another thread.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let _entered = Entered::new(self);
        executor::block_on(&self.inner.clock, future)
    }

    /// Runs `describe`, during which nothing outside can be reached.
    pub(super) fn describe<A: Agent>(&self) -> Card {
        let _entered = Entered::new(self);
        self.inner.describing.set(true);
        let card = A::describe();
        self.inner.describing.set(false);
        card
    }

    /// All that the agent did through the host, in order.
    pub fn events(&self) -> Vec<Event> {
        self.inner.events.borrow().clone()
    }

    /// The texts of its messages to the user that arrived.
    pub fn notified(&self) -> Vec<String> {
        self.pick(|event| match event {
            Event::Notified(content) => Some(content.text()),
            _ => None,
        })
    }

    /// Its calls of peers.
    pub fn calls(&self) -> Vec<Call> {
        self.pick(|event| match event {
            Event::Called(call) => Some(call.clone()),
            _ => None,
        })
    }

    /// Its requests.
    pub fn fetches(&self) -> Vec<Fetch> {
        self.pick(|event| match event {
            Event::Fetched(fetch) => Some(fetch.clone()),
            _ => None,
        })
    }

    /// The texts of its log lines.
    pub fn logged(&self) -> Vec<String> {
        self.pick(|event| match event {
            Event::Logged { message, .. } => Some(message.clone()),
            _ => None,
        })
    }

    /// What it works on, as it said last.
    pub fn task(&self) -> Option<String> {
        let tasks = self.pick(|event| match event {
            Event::SetTask(task) => Some(task.clone()),
            _ => None,
        });
        tasks.into_iter().next_back().flatten()
    }

    /// How much virtual time has passed.
    pub fn elapsed(&self) -> Duration {
        self.inner.clock.now()
    }

    pub(super) fn pick<T>(&self, pick: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        self.inner.events.borrow().iter().filter_map(pick).collect()
    }
}
