//! One agent in one workspace: started, run by independent loops, stopped.
//!
//! ```text
//!   watch ──────▶ mode: Working, Paused, Revoked          heartbeat (waits for nothing)
//!                   │
//!   inbound ──▶ state ──▶ dispatch ──▶ actor ──▶ services
//!                   │                               │
//!                   └──▶ outbox ──▶ platform ◀──────┘
//! ```

mod appeals;
mod context;
mod decisions;
mod delegations;
mod denials;
mod direct;
mod directory;
mod dispatch;
pub(crate) mod errors;
mod files;
mod fold;
mod handle;
mod heartbeat;
mod history;
mod inbound;
mod inbox;
mod kept;
mod lanes;
mod letter;
mod observer;
mod outbox;
mod plugins;
mod presence;
mod secrets;
mod services;
mod situation;
mod tally;
mod vitals;
mod waiting;
mod wake;
mod watch;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use molecule_gate::Gate;
use molecule_protocol::Json;
use molecule_runtime::wit::{Card, Identity, StartReason, StopReason};
use molecule_runtime::{Actor, ActorOptions, Agent, Storage};
use molecule_store::state::Retention;
use tokio::sync::{Notify, mpsc, oneshot, watch as watched};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::events::{Ended, Event};
use crate::host::{Host, LoadedAgent, Running, StartError};
use crate::lock::WorkspaceLock;
use crate::platform::{self, Client, PlatformFault};
use crate::plugins::Plugins;
use crate::secrets::Secrets;
use crate::spec::AgentSpec;
use crate::token::{Credentials, TokenFile, TokenInputs, TokenSource};

pub(crate) use handle::{Handle, dead_letter};

use appeals::Hearings;
use context::{Context, Mode};
use denials::Denials;
use directory::Directory;
use dispatch::Handling;
use files::{Files, Shelf};
use lanes::Lanes;
use observer::WorkspaceObserver;
use services::WorkspaceServices;
use situation::Situation;
use tally::Tally;
use vitals::Vitals;
use waiting::Waiting;

/// How long what is ready may take to be sent when the workspace stops.
const LAST_SENDS: Duration = Duration::from_secs(5);
/// How often what has ended long ago is dropped.
const RETAIN_EVERY: Duration = Duration::from_secs(3600);

/// Starts an agent; see [`Host::start`]. Why it starts is told from the state where nothing is said.
pub(crate) async fn start(
    host: &Host,
    agent: &LoadedAgent,
    mut spec: AgentSpec,
    reason: Option<StartReason>,
) -> Result<Running, StartError> {
    spec.clamp();
    let (credentials, lock) = identity(host, &mut spec).await?;
    let client = Client::new(&host.network, who(&spec), credentials);
    let folder = host.state_dir.as_ref().map(|dir| dir.workspace(spec.workspace_id)).transpose()?;
    let plugins = Plugins::new(
        Some(client.clone()),
        spec.plugins.clone(),
        host.network.clock.clone(),
        folder.as_ref().map(|folder| folder.plugins()),
    );
    let name =
        spec.name.clone().or_else(|| Some(agent.card.name.clone()).filter(|name| !name.trim().is_empty()));
    let name = name.unwrap_or_else(|| default_name(&spec));
    let card = wire_card(&name, &agent.card);
    let shelf = folder.as_ref().map(|folder| Shelf::new(folder.uploads()));

    let outbox = Arc::new(Notify::new());
    let (end, ends) = mpsc::unbounded_channel();
    let events = spec.events.clone();
    let secrets = Arc::new(Secrets::new(spec.secrets.clone()));
    let context = Arc::new_cyclic(|context: &Weak<Context>| {
        let gate = Arc::new(gate(host, &spec, context.clone()));
        Context {
            outlet: host.egress.outlet(gate.clone(), secrets.clone()),
            gate,
            secrets,
            plugins,
            files: Files::new(shelf),
            card: Mutex::new(card),
            denials: Denials::default(),
            hearings: Hearings::default(),
            vitals: Vitals::new(),
            tally: Tally::new(),
            directory: Directory::new(client.clone()),
            places: direct::Places::default(),
            waiting: Waiting::default(),
            lanes: Lanes::new(outbox.clone()),
            mode: watched::Sender::new(Mode::Paused),
            situation: Mutex::new(Situation::Unclear),
            end,
            stopping: CancellationToken::new(),
            inbox: Notify::new(),
            outbox,
            beat: Notify::new(),
            look: Notify::new(),
            poll: Notify::new(),
            pull_secrets: Notify::new(),
            delegated: Notify::new(),
            decided: Notify::new(),
            eager: AtomicUsize::new(0),
            seen_all: watched::Sender::new(None),
            state: host.state.clone(),
            clock: host.network.clock.clone(),
            random: host.network.random.clone(),
            lease: OnceLock::new(),
            client,
            name: name.clone(),
            spec,
        }
    });

    let mut loops = JoinSet::new();
    let (started, starts) = oneshot::channel();
    loops.spawn(watch::run(context.clone(), started));
    starts.await.unwrap_or_else(|_| Err(StartError::Misconfigured("the start was given up".to_owned())))?;
    // Not before: the first lease stands for the agent's first start.
    let _ = context.lease.set(host.state.lease(&context.spec.workspace_id.to_string()).await?);
    context.say(Event::Registered { name: name.clone() });

    let (stop, stops) = watched::channel(None);
    let (ended, has_ended) = watched::channel(None);
    let handle = Handle(context.clone());
    let running = Running { name: name.clone(), events, stop, ended: has_ended, handle };
    let session =
        Session { host: host.clone(), agent: agent.clone(), name, reason, context, ends, stops, _lock: lock };
    tokio::spawn(async move {
        let context = session.context.clone();
        let why = session.run(loops).await;
        context.say(Event::Ended(why.clone()));
        ended.send_replace(Some(why));
    });
    Ok(running)
}

/// The gate of an agent, which tells the workspace what it decides.
fn gate(host: &Host, spec: &AgentSpec, context: Weak<Context>) -> Gate {
    let clock = host.network.clock.clone();
    let gate = Gate::with_clock(spec.grants.clone(), Arc::new(move || clock.steady()));
    let gate = gate.heard_by(Arc::new(move |receipt| {
        if let Some(context) = context.upgrade() {
            context.decided(receipt);
        }
    }));
    match &host.policy {
        Some(policy) => gate.judged_by(spec.workspace_id.to_string(), policy.clone()),
        None => gate,
    }
}

/// A client for a workspace that may be another host's: takes no lock, and keeps nothing.
pub(crate) async fn visitor(host: &Host, spec: AgentSpec) -> Result<Client, StartError> {
    let (identity, source) = token_source(host, spec).await?;
    Ok(Client::new(&host.network, identity, Credentials::in_memory(source.load()?)))
}

/// Who speaks for a workspace, and where its token comes from.
pub(crate) async fn token_source(
    host: &Host,
    mut spec: AgentSpec,
) -> Result<(platform::Identity, TokenSource), StartError> {
    let inputs = std::mem::take(&mut spec.token);
    let cached = match &host.state_dir {
        Some(state_dir) => state_dir.workspace(spec.workspace_id)?.token_file(),
        None => TokenFile::new(""),
    };
    Ok((who(&spec), choose_token(inputs, cached).await?))
}

/// Who speaks, and to which platform.
fn who(spec: &AgentSpec) -> platform::Identity {
    platform::Identity {
        org: spec.org_id.clone(),
        origin: spec.origin.clone(),
        ..platform::Identity::new(spec.platform_url.clone(), spec.workspace_id)
    }
}

/// Who we are: the token, and the lock that keeps other hosts away.
async fn identity(
    host: &Host,
    spec: &mut AgentSpec,
) -> Result<(Credentials, Option<WorkspaceLock>), StartError> {
    let inputs = std::mem::take(&mut spec.token);
    let Some(state_dir) = &host.state_dir else {
        // Nothing is kept: no cached token is read, and there is no folder to lock.
        let source = choose_token(inputs, TokenFile::new("")).await?;
        return Ok((Credentials::in_memory(source.load()?), None));
    };
    let folder = state_dir.workspace(spec.workspace_id)?;
    let lock = folder.lock()?;
    let (cached, inbound) = (folder.token_file(), folder.inbound_secret_file());
    Ok((Credentials::open(choose_token(inputs, cached).await?, inbound)?, Some(lock)))
}

/// Standard input, should the token come from there, may take its time.
async fn choose_token(inputs: TokenInputs, cached: TokenFile) -> Result<TokenSource, StartError> {
    let chosen = tokio::task::spawn_blocking(move || TokenSource::choose(inputs, std::io::stdin(), cached));
    Ok(chosen.await.map_err(|error| StartError::Misconfigured(error.to_string()))??)
}

/// A workspace that has been started.
struct Session {
    host: Host,
    agent: LoadedAgent,
    name: String,
    reason: Option<StartReason>,
    context: Arc<Context>,
    ends: mpsc::UnboundedReceiver<Ended>,
    stops: watched::Receiver<Option<(StopReason, Duration)>>,
    _lock: Option<WorkspaceLock>,
}

impl Session {
    async fn run(mut self, mut loops: JoinSet<()>) -> Ended {
        let context = self.context.clone();
        loops.spawn(heartbeat::run(context.clone()));
        let set_up = async {
            // Before anything is sent, by the outbox or the agent.
            outbox::take_over(&context).await;
            loops.spawn(outbox::run(context.clone()));
            loops.spawn(retain(context.clone()));
            loops.spawn(decisions::run(context.clone()));
            loops.spawn(denials::run(context.clone()));
            // A workspace that was found paused has no agent until it is resumed.
            context.may_work().await;
            let mut troubles = secrets::Troubles::default();
            secrets::pull(&context, &mut troubles).await;
            loops.spawn(secrets::run(context.clone(), troubles));
            plugins::at_start(&context).await;
            instructions(&context).await
        };
        let instructions = tokio::select! {
            (why, _, _) = self.ended() => return why,
            instructions = set_up => instructions,
        };
        let actor = self.spawn_actor(instructions);
        context.mode.send_if_modified(Mode::resumed);
        loops.spawn(inbound::run(context.clone()));
        loops.spawn(delegations::run(context.clone()));
        loops.spawn(wake::run(context.clone()));
        loops.spawn(tell_pauses(context.clone(), actor.clone()));
        let handling = Handling { slots: self.concurrency(), on_death: self.agent.card.asks.on_death };
        let mut dispatching = tokio::spawn(dispatch::run(context.clone(), actor.clone(), handling));

        let (why, reason, grace) = self.ended().await;
        context.stopping.cancel();
        // Messages still come in meanwhile: a call in flight may wait for one.
        actor.stop(reason, grace).await;
        if tokio::time::timeout(LAST_SENDS, &mut dispatching).await.is_err() {
            dispatching.abort();
        }
        if !matches!(why, Ended::Removed | Ended::Revoked | Ended::TakenOver) {
            let _ = tokio::time::timeout(LAST_SENDS, outbox::drained(&context)).await;
        }
        loops.shutdown().await;
        for denied in context.denials.counted() {
            context.say(denied);
        }
        why
    }

    /// Waits for the end: why, what the agent is told, and how long it has.
    async fn ended(&mut self) -> (Ended, StopReason, Duration) {
        let grace = self.context.spec.shutdown_grace;
        tokio::select! {
            biased;
            Some(why) = self.ends.recv() => {
                let reason = match why {
                    Ended::Removed => StopReason::Removed,
                    Ended::Revoked => StopReason::Revoked,
                    _ => StopReason::Shutdown,
                };
                // What a removed workspace still does is of no use to anybody.
                let grace = if why == Ended::Removed { grace.min(Duration::from_secs(2)) } else { grace };
                (why, reason, grace)
            }
            Some((reason, grace)) = stop_order(&mut self.stops) => (Ended::Shutdown, reason, grace),
            // Nobody holds it any more, and it runs on.
            else => std::future::pending().await,
        }
    }

    fn spawn_actor(&self, instructions: Option<String>) -> Actor {
        let context = &self.context;
        let spec = &context.spec;
        let agent = Agent {
            identity: Identity { workspace_id: spec.workspace_id.to_string(), name: self.name.clone() },
            config: spec.config.clone(),
            instructions,
            gate: context.gate.clone(),
            storage: self.storage(),
            services: Arc::new(WorkspaceServices::new(context.clone())),
            observer: Arc::new(WorkspaceObserver(context.clone())),
        };
        // The first lease of a workspace is its first start on this state.
        let known = if context.fence().token == 1 { StartReason::FirstStart } else { StartReason::Restart };
        let reason = self.reason.unwrap_or(known);
        let asks = &self.agent.card.asks;
        let options = ActorOptions {
            concurrency: self.concurrency(),
            callback_time: spec.callback_time,
            tick: asks
                .tick_ms
                .filter(|ms| *ms > 0)
                .map(|ms| Duration::from_millis(ms.max(MIN_TICK_MS).into())),
            restarts: spec.restarts,
            limits: spec.limits.clone(),
            ..ActorOptions::default()
        };
        Actor::spawn(&self.host.runtime, &self.agent.component, Arc::new(agent), reason, options)
    }

    /// The agent's own folder, where it has been granted one.
    fn storage(&self) -> Option<Storage> {
        self.context.gate.grants().storage_bytes?;
        let trouble = |why: &dyn std::fmt::Display| {
            self.context
                .say(Event::Trouble(format!("the agent has no storage, though it was granted some: {why}")));
        };
        let Some(state_dir) = &self.host.state_dir else {
            trouble(&"this host keeps nothing; give it a state folder");
            return None;
        };
        match state_dir.workspace(self.context.spec.workspace_id).and_then(|folder| folder.data()) {
            Ok(folder) => Some(Storage::new(folder)),
            Err(error) => {
                trouble(&error);
                None
            }
        }
    }

    fn concurrency(&self) -> usize {
        let asked = self.agent.card.asks.concurrency.unwrap_or(1) as usize;
        self.context.spec.concurrency.unwrap_or(asked.min(AgentSpec::MAX_ASKED_CONCURRENCY)).max(1)
    }
}

/// The order to stop, once it comes; `None` when nobody is left to give it.
async fn stop_order(
    stops: &mut watched::Receiver<Option<(StopReason, Duration)>>,
) -> Option<(StopReason, Duration)> {
    *stops.wait_for(Option::is_some).await.ok()?
}

/// A tick is no busy loop.
const MIN_TICK_MS: u32 = 10;

/// Tells the agent of pauses, and lets messages in again once it knows that they are over.
async fn tell_pauses(context: Arc<Context>, actor: Actor) {
    let mut mode = context.mode.subscribe();
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Paused => actor.pause().await,
            Mode::Resuming => {
                actor.resume().await;
                // Unless it was paused again meanwhile.
                context.mode.send_if_modified(Mode::resumed);
            }
            Mode::Working | Mode::Revoked => {}
        }
        if mode.changed().await.is_err() {
            return;
        }
    }
}

/// What the platform wants its agents to know. An agent runs without it, too.
async fn instructions(context: &Context) -> Option<String> {
    match context.client.instructions().await {
        Ok(instructions) => instructions,
        Err(error) if matches!(error.fault, PlatformFault::RouteMissing) => None,
        Err(error) => {
            context.say(Event::Trouble(format!(
                "the agent starts without the platform's instructions: {error}"
            )));
            None
        }
    }
}

/// Drops what has ended long ago, now and then.
async fn retain(context: Arc<Context>) {
    loop {
        match context.state.retain(context.fence(), Retention::default(), context.unix_millis()).await {
            Ok(dropped) if dropped != Default::default() => {
                tracing::debug!(?dropped, "what had ended long ago was dropped")
            }
            Ok(_) => {}
            Err(error) => tracing::warn!("what has ended long ago could not be dropped: {error}"),
        }
        tokio::time::sleep(RETAIN_EVERY).await;
    }
}

fn default_name(spec: &AgentSpec) -> String {
    let id = spec.workspace_id.to_string();
    format!("remote-agent-{}", id.get(..8).unwrap_or(&id))
}

/// The card as the platform and other agents see it: no address, since nobody can call us.
fn wire_card(name: &str, card: &Card) -> Json {
    let skills: Vec<_> = card
        .skills
        .iter()
        .map(|skill| {
            serde_json::json!({
                "id": skill.id, "name": skill.name, "description": skill.description, "tags": skill.tags,
            })
        })
        .collect();
    let card = serde_json::json!({
        "name": name, "description": card.description, "version": card.version, "skills": skills, "capabilities": {},
    });
    // A value always serializes. What an agent says of itself may hold U+0000, which the platform's database refuses.
    let text = card.to_string().replace("\\u0000", "");
    Json::from_text(text).unwrap_or_else(|_| Json::null())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that a loop of a workspace takes while it waits.
    fn size<F: Future>(_: impl FnOnce(Arc<Context>) -> F) -> usize {
        std::mem::size_of::<F>()
    }

    #[test]
    fn what_waits_for_an_idle_agent_is_small() {
        let loops = [
            ("heartbeat", size(heartbeat::run)),
            ("inbound", size(inbound::run)),
            ("outbox", size(outbox::run)),
            ("decisions", size(decisions::run)),
            ("denials", size(denials::run)),
            ("retain", size(retain)),
            ("watch", size(|context| watch::run(context, oneshot::channel().0))),
            ("delegations", size(delegations::run)),
            ("wake", size(wake::run)),
            ("context", std::mem::size_of::<Context>()),
            ("session", std::mem::size_of::<Session>()),
        ];
        let all: usize = loops.iter().map(|(_, bytes)| bytes).sum();
        assert!(all < 16 * 1024, "{loops:?}");
    }
}
