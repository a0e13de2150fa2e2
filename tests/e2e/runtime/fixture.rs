//! An agent and its world: the services that its imports reach, and whoever hears of it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use molecule_gate::{Denial, Gate, Grants, Permit, SecretName};
use molecule_runtime::wit::plugins::{Installed, Plugin, SetupOutcome};
use molecule_runtime::wit::{
    Content, Error, Identity, Level, Message, Outcome, Part, PartContent, Peer, PeerRef, Reply, Sender,
    StartReason,
};
use molecule_runtime::{
    Actor, ActorOptions, Agent, AgentEvent, AotStore, Appeal, Call, CallPeer, Component, Delivery, Fetch,
    FetchError, FetchParts, FetchResponse, InstallPlugin, Line, LineSource, ListPeers, Notify, Observer,
    Payload, RemovePlugin, Restarts, Reveal, Runtime, Services, SetTask, Storage,
};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Nothing here takes so long, unless it never comes.
const NEVER: Duration = Duration::from_secs(60);

/// The one runtime of all tests, with a store, so that a guest is compiled once and not once per run.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aot");
        Runtime::new(Some(AotStore::open(&dir, AotStore::MAX_BYTES).unwrap())).unwrap()
    })
}

/// A guest, loaded by the first who asks for it.
pub(super) async fn component(guest: &'static str) -> Component {
    type Loaded = Arc<OnceCell<Component>>;
    static COMPONENTS: OnceLock<Mutex<HashMap<&'static str, Loaded>>> = OnceLock::new();
    let loaded = COMPONENTS.get_or_init(Mutex::default).lock().unwrap().entry(guest).or_default().clone();
    let load = || async { runtime().load(std::fs::read(guest).unwrap()).await.unwrap() };
    loaded.get_or_init(load).await.clone()
}

/// Waits for what must come.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(NEVER, what).await.expect("it comes")
}

/// An agent that is not started yet.
pub(super) struct Setup {
    guest: &'static str,
    gate: Gate,
    config: Vec<(String, String)>,
    options: ActorOptions,
    reason: StartReason,
    storage: Option<Storage>,
    holds: bool,
    appeal: Option<Appeal>,
}

/// An agent of this guest, with nothing granted, which restarts at once when it dies.
pub(super) fn agent(guest: &'static str) -> Setup {
    let restarts = Restarts { first: Duration::from_millis(1), ..Restarts::default() };
    Setup {
        guest,
        gate: Gate::new(Grants::default()),
        config: Vec::new(),
        options: ActorOptions { restarts, ..ActorOptions::default() },
        reason: StartReason::FirstStart,
        storage: None,
        holds: false,
        appeal: None,
    }
}

/// Grants of these peers and nothing else.
pub(super) fn peers(peers: &[&str]) -> Grants {
    Grants { peers: peers.iter().map(|peer| peer.parse().unwrap()).collect(), ..Grants::default() }
}

impl Setup {
    pub(super) fn granted(self, grants: Grants) -> Self {
        self.gate(Gate::new(grants))
    }

    pub(super) fn gate(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    pub(super) fn config(mut self, key: &str, value: &str) -> Self {
        self.config.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn options(mut self, change: impl FnOnce(&mut ActorOptions)) -> Self {
        change(&mut self.options);
        self
    }

    pub(super) fn concurrency(self, concurrency: usize) -> Self {
        self.options(|options| options.concurrency = concurrency)
    }

    pub(super) fn restarts(self, change: impl FnOnce(&mut Restarts)) -> Self {
        self.options(|options| change(&mut options.restarts))
    }

    pub(super) fn reason(self, reason: StartReason) -> Self {
        Self { reason, ..self }
    }

    /// With this folder, as far as the gate allows.
    pub(super) fn storage(self, folder: &Path) -> Self {
        Self { storage: Some(Storage::new(folder)), ..self }
    }

    /// Services answer only when the test [says so](Asked::answer).
    pub(super) fn held(self) -> Self {
        Self { holds: true, ..self }
    }

    /// Somebody hears its appeals, and rules so.
    pub(super) fn appealing(self, appeal: Appeal) -> Self {
        Self { appeal: Some(appeal), ..self }
    }

    /// Starts it, and waits until it has started.
    pub(super) async fn start(self) -> Running {
        let mut running = self.spawn().await;
        let event = running.event().await;
        assert!(matches!(event, AgentEvent::Started), "{event:?}");
        running
    }

    /// Starts it on the shared runtime, and does not wait.
    pub(super) async fn spawn(self) -> Running {
        let component = component(self.guest).await;
        self.spawn_on(runtime(), &component)
    }

    pub(super) fn spawn_on(self, runtime: &Runtime, component: &Component) -> Running {
        let (ask, asked) = mpsc::unbounded_channel();
        let (tell_line, lines) = mpsc::unbounded_channel();
        let (tell_event, events) = mpsc::unbounded_channel();
        let gate = Arc::new(self.gate);
        let agent = Agent {
            identity: Identity { workspace_id: "w-1".to_owned(), name: "alice".to_owned() },
            config: self.config,
            instructions: Some("Be brief.".to_owned()),
            gate: gate.clone(),
            storage: self.storage,
            services: Arc::new(Desk { ask, holds: self.holds, appeal: self.appeal }),
            observer: Arc::new(Ear { lines: tell_line, events: tell_event }),
        };
        let actor = Actor::spawn(runtime, component, Arc::new(agent), self.reason, self.options);
        Running { actor, gate, asked, lines, events }
    }
}

/// A message from the user, whose id is its text.
pub(super) fn message(text: &str) -> Message {
    Message {
        id: text.to_owned(),
        context_id: "user".to_owned(),
        task_id: None,
        in_reply_to: None,
        sender: Sender::User,
        parts: vec![Part { content: PartContent::Text(text.to_owned()), metadata: None }],
        metadata: None,
        redelivered: 0,
    }
}

/// The text of what an agent answered.
pub(super) fn text(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Handled(Ok(Outcome::Message(content)), _) => text_of(content),
        other => panic!("no answer but {other:?}"),
    }
}

pub(super) fn text_of(content: &Content) -> String {
    let texts = content.parts.iter().map(|part| match &part.content {
        PartContent::Text(text) => text.as_str(),
        other => panic!("no text but {other:?}"),
    });
    texts.collect()
}

/// An agent that runs, and all that comes of it.
pub(super) struct Running {
    pub(super) actor: Actor,
    pub(super) gate: Arc<Gate>,
    asked: mpsc::UnboundedReceiver<Asked>,
    lines: mpsc::UnboundedReceiver<Heard>,
    events: mpsc::UnboundedReceiver<AgentEvent>,
}

impl Running {
    /// Hands over a message, without waiting for what becomes of it.
    pub(super) fn send(&self, text: &str) -> JoinHandle<Delivery> {
        let (actor, message) = (self.actor.clone(), message(text));
        tokio::spawn(async move { actor.deliver(message).await })
    }

    /// Hands over a message and waits for what becomes of it.
    pub(super) async fn say(&self, text: &str) -> Delivery {
        soon(self.actor.deliver(message(text))).await
    }

    /// Hands over a message and waits for the text of its answer.
    pub(super) async fn ask(&self, it: &str) -> String {
        text(&self.say(it).await)
    }

    /// The next thing that was asked of the services.
    pub(super) async fn asked(&mut self) -> Asked {
        soon(self.asked.recv()).await.expect("an agent that runs")
    }

    /// What was asked of the services and not taken yet.
    pub(super) fn all_asked(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }

    pub(super) async fn line(&mut self) -> Heard {
        soon(self.lines.recv()).await.expect("an agent that runs")
    }

    /// Waits for a line of this text, whatever comes before it.
    pub(super) async fn hears(&mut self, text: &str) {
        while self.line().await.text != text {}
    }

    /// The lines so far that were not taken yet.
    pub(super) fn all_lines(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }

    pub(super) async fn event(&mut self) -> AgentEvent {
        soon(self.events.recv()).await.expect("an agent that runs")
    }

    /// Lets go of the actor, and waits until nothing of the agent is left.
    pub(super) async fn gone(self) {
        let Self { actor, mut events, .. } = self;
        drop(actor);
        while soon(events.recv()).await.is_some() {}
    }

    /// The events so far that were not taken yet.
    pub(super) fn all_events(&mut self) -> Vec<AgentEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

/// Something that an agent asked of the services.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) what: What,
    /// The message on whose behalf, as the runtime says.
    pub(super) message: Option<String>,
    /// The callback in which, as the runtime says.
    pub(super) callback: &'static str,
    answer: oneshot::Sender<()>,
}

impl Asked {
    /// Lets the agent have its answer.
    pub(super) fn answer(self) {
        // Nobody waits where services do not hold anything.
        let _ = self.answer.send(());
    }

    /// Waits until nobody waits for the answer any more.
    pub(super) async fn given_up(mut self) {
        soon(self.answer.closed()).await;
    }
}

/// What an agent asked of the services.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Notify(String),
    ListPeers,
    CallPeer {
        id: String,
        text: String,
    },
    SetTask {
        task: Option<String>,
        receipt: u64,
    },
    /// The method, the URL, and the body where there is one.
    Fetch(String),
    Reveal(String),
    /// The plugin and its source.
    InstallPlugin(String),
    RemovePlugin(String),
    /// The grants that would allow what was denied.
    Appeal(String),
}

/// Services that tell the test of every request, and do what every test expects.
struct Desk {
    ask: mpsc::UnboundedSender<Asked>,
    holds: bool,
    appeal: Option<Appeal>,
}

impl Desk {
    /// Tells the test, and waits for it if told to.
    async fn ask(&self, what: What, call: &Call) {
        let (answer, answered) = oneshot::channel();
        let _ = self.ask.send(Asked { what, message: call.message.clone(), callback: call.callback, answer });
        if self.holds {
            let _ = answered.await;
        }
    }
}

#[async_trait]
impl Services for Desk {
    async fn notify(&self, permit: Permit<Notify>, call: &Call) -> Result<(), Error> {
        self.ask(What::Notify(text_of(&permit.into_act().content)), call).await;
        Ok(())
    }

    async fn list_peers(&self, _: Permit<ListPeers>, call: &Call) -> Result<Vec<Peer>, Error> {
        self.ask(What::ListPeers, call).await;
        let peer = |name: &str| Peer {
            id: format!("id-of-{name}"),
            name: name.to_owned(),
            role: None,
            status: "online".to_owned(),
            card: None,
        };
        Ok(vec![peer("bob"), peer("eve")])
    }

    async fn resolve_peer(&self, written: &str) -> Result<PeerRef, Error> {
        Ok(PeerRef { id: format!("id-of-{written}"), name: Some(written.to_owned()) })
    }

    async fn call_peer(&self, permit: Permit<CallPeer>, call: &Call) -> Result<Reply, Error> {
        let CallPeer { peer, content, .. } = permit.into_act();
        self.ask(What::CallPeer { id: peer.id, text: text_of(&content) }, call).await;
        Ok(Reply::Answer(content))
    }

    fn set_task(&self, permit: Permit<SetTask>) {
        let receipt = permit.receipt();
        let what = What::SetTask { task: permit.into_act().task, receipt };
        let (answer, _) = oneshot::channel();
        // Whose call it is stands in the receipt.
        let _ = self.ask.send(Asked { what, message: None, callback: "", answer });
    }

    /// Answers with the request itself, a word a piece, and with its headers.
    async fn fetch(&self, permit: Permit<Fetch>, call: &Call) -> Result<FetchResponse, FetchError> {
        let FetchParts { target, headers, payload, .. } = permit.into_act().into_parts();
        let body = match payload {
            Payload::Whole(body) => body,
            Payload::Stream { body, .. } => body.collect().await?.to_bytes(),
        };
        let request = format!("{} {} {}", target.method(), target.url(), String::from_utf8_lossy(&body));
        let request = request.trim_end().to_owned();
        self.ask(What::Fetch(request.clone()), call).await;
        let words: Vec<_> = request.split_inclusive(' ').map(|word| Bytes::from(word.to_owned())).collect();
        let pieces = stream::iter(words.into_iter().map(|word| Ok(Frame::data(word))));
        let mut response = FetchResponse::new(StreamBody::new(pieces).boxed_unsync());
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn secret_names(&self) -> Vec<SecretName> {
        vec!["KEY".parse().unwrap()]
    }

    async fn reveal(&self, permit: Permit<Reveal>, call: &Call) -> Result<String, Error> {
        let name = permit.into_act().name.to_string();
        self.ask(What::Reveal(name.clone()), call).await;
        Ok(format!("value of {name}"))
    }

    async fn install_plugin(&self, permit: Permit<InstallPlugin>, call: &Call) -> Result<Installed, Error> {
        let InstallPlugin { name, source, .. } = permit.into_act();
        self.ask(What::InstallPlugin(format!("{name} from {source}")), call).await;
        let plugin = Plugin {
            name,
            version: None,
            description: None,
            source: Some(source),
            installed_at: None,
            verified: false,
            sha256: None,
            skills: Vec::new(),
            rules: Vec::new(),
        };
        Ok(Installed { plugin, setup: SetupOutcome::Absent, warnings: Vec::new() })
    }

    async fn list_plugins(&self) -> Result<Vec<Plugin>, Error> {
        Ok(Vec::new())
    }

    async fn remove_plugin(&self, permit: Permit<RemovePlugin>, call: &Call) -> Result<(), Error> {
        self.ask(What::RemovePlugin(permit.into_act().name), call).await;
        Ok(())
    }

    fn hears_appeals(&self) -> bool {
        self.appeal.is_some()
    }

    async fn appeal(&self, denial: &Denial, call: &Call) -> Appeal {
        self.ask(What::Appeal(denial.grant.clone().unwrap_or_default()), call).await;
        self.appeal.expect("nobody hears appeals")
    }
}

/// A line that was heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    pub(super) source: LineSource,
    pub(super) level: Level,
    pub(super) text: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) message: Option<String>,
}

struct Ear {
    lines: mpsc::UnboundedSender<Heard>,
    events: mpsc::UnboundedSender<AgentEvent>,
}

impl Observer for Ear {
    fn line(&self, line: Line<'_>) {
        let _ = self.lines.send(Heard {
            source: line.source,
            level: line.level,
            text: line.text.to_owned(),
            fields: line.fields.to_vec(),
            message: line.message.map(str::to_owned),
        });
    }

    fn event(&self, event: AgentEvent) {
        let _ = self.events.send(event);
    }
}
