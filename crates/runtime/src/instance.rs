//! A live instance: a store, the callbacks it exports, and a task on the guests' threads that serves them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use molecule_gate::{Gate, Permit, SecretName};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::{Accessor, TypedFunc};
use wasmtime::{AsContextMut, Store};

use crate::agent::{Agent, AgentEvent, Line, Observer};
use crate::bindings::exports::molecule::agent as exports;
use crate::component::Component;
use crate::cpu::{self, Meter, OutOfCpu};
use crate::death::{Cause, Death};
use crate::fetch::{Fetch, FetchError, FetchResponse};
use crate::guest::{Allowance, Call, Guest};
use crate::limits::Limits;
use crate::runtime::Runtime;
use crate::services::{CallPeer, InstallPlugin, ListPeers, Notify, RemovePlugin, Reveal, Services, SetTask};
use crate::wit::plugins::{Installed, Plugin};
use crate::wit::{Card, Error, Identity, Message, Outcome, Peer, PeerRef, Reply, Start, StopReason};

/// What to call.
#[derive(Debug)]
pub(crate) enum Callback {
    Start(Start),
    Message(Box<Message>),
    Tick,
    Pause,
    Resume,
    Stop(StopReason),
}

impl Callback {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Callback::Start(_) => "on-start",
            Callback::Message(_) => "on-message",
            Callback::Tick => "on-tick",
            Callback::Pause => "on-pause",
            Callback::Resume => "on-resume",
            Callback::Stop(_) => "on-stop",
        }
    }
}

/// What a callback returned; callbacks without a result, and those that the agent does not have, return nothing.
pub(crate) type Returned = Result<Outcome, Error>;

enum Command {
    Call { callback: Callback, call: Arc<Call>, done: oneshot::Sender<Returned> },
    Ping(oneshot::Sender<()>),
}

/// A live instance. Dropping it ends it.
pub(crate) struct Instance {
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<End>,
}

/// The end of an instance.
pub(crate) struct End {
    pub(crate) death: Death,
    /// Whose doing it was, where that is known.
    pub(crate) culprit: Option<Arc<Call>>,
}

impl End {
    fn of(cause: Cause) -> Self {
        Self { death: Death::of(cause), culprit: None }
    }
}

impl Instance {
    /// Builds an instance; that it could not be built is known when it [ends](Self::ended).
    pub(crate) fn spawn(
        runtime: &Runtime,
        component: &Component,
        agent: Arc<Agent>,
        allowance: Allowance,
    ) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let stillborn = |why: String| tokio::spawn(async { End::of(Cause::Host(why)) });
        let task = match (new_store(runtime, agent, allowance), runtime.threads()) {
            (Ok((store, meter)), Some(threads)) => {
                threads.spawn(meter.around(serve(store, component.clone(), inbox)))
            }
            (Ok(_), None) => stillborn("the runtime was shut down".to_owned()),
            (Err(error), _) => stillborn(format!("the agent's folder cannot be opened: {error:#}")),
        };
        Self { commands, task }
    }

    /// Starts a callback. The receiver fails when the instance ends before the callback does.
    pub(crate) fn call(&self, callback: Callback, call: Arc<Call>) -> oneshot::Receiver<Returned> {
        let (done, returned) = oneshot::channel();
        // An instance that has ended drops the sender, which is how the caller learns of it.
        let _ = self.commands.send(Command::Call { callback, call, done });
        returned
    }

    /// Answers when the instance takes a turn: it is neither spinning nor blocked.
    pub(crate) fn ping(&self) -> oneshot::Receiver<()> {
        let (pong, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Ping(pong));
        answer
    }

    /// Waits for its end. May be asked again after it was dropped halfway.
    pub(crate) async fn ended(&mut self) -> End {
        match (&mut self.task).await {
            Ok(end) => end,
            Err(error) => End::of(Cause::Host(error.to_string())),
        }
    }

    /// Ends it, and waits until it is gone. Must not be asked of one that has been seen to [end](Self::ended).
    pub(crate) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Takes effect where the guest yields next: a tick later at most.
        self.task.abort();
    }
}

/// Serves commands until the instance dies.
async fn serve(
    mut store: Store<Guest>,
    component: Component,
    mut commands: mpsc::UnboundedReceiver<Command>,
) -> End {
    let budget = store.data().budget.clone();
    let result = match instantiate(&mut store, &component).await {
        Ok((_, callbacks)) => match store
            .run_concurrent(async |accessor| {
                let mut calls = FuturesUnordered::new();
                let mut serving = pin!(async {
                    loop {
                        tokio::select! {
                            Some(ended) = calls.next(), if !calls.is_empty() => ended?,
                            command = commands.recv() => match command {
                                Some(Command::Call { callback, call, done }) => {
                                    calls.push(callbacks.call(accessor, callback, call, done));
                                }
                                Some(Command::Ping(pong)) => { let _ = pong.send(()); }
                                None => return Ok(()),
                            },
                        }
                    }
                });
                // Nothing of the guest runs while this is polled, and this is not polled while a guest runs on.
                poll_fn(|context| {
                    budget.paused();
                    serving.as_mut().poll(context)
                })
                .await
            })
            .await
        {
            Ok(result) => result,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => End::of(Cause::Host("nobody needs it any more".to_owned())),
        Err(error) => End {
            death: read_death(&store, &error),
            culprit: error.downcast_ref::<OutOfCpu>().and_then(|error| error.call.clone()),
        },
    }
}

/// A store, and what counts its time.
fn new_store(
    runtime: &Runtime,
    agent: Arc<Agent>,
    allowance: Allowance,
) -> wasmtime::Result<(Store<Guest>, Meter)> {
    let (quota, observer) = (allowance.quota.clone(), agent.observer.clone());
    let mut store = Store::new(&runtime.inner.engine, Guest::new(agent, allowance)?);
    store.limiter(|guest| &mut guest.limiter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(cpu::at_tick);
    let meter =
        Meter { ticker: runtime.inner.ticker.clone(), budget: store.data().budget.clone(), quota, observer };
    Ok((store, meter))
}

fn read_death(store: &Store<Guest>, error: &wasmtime::Error) -> Death {
    let guest = store.data();
    Death::read(error, &guest.limiter, &guest.stderr.tail())
}

/// The callbacks of an instance.
struct Callbacks {
    on_start: Option<exports::on_start::Guest>,
    on_message: Option<exports::on_message::Guest>,
    on_tick: Option<exports::on_tick::Guest>,
    on_pause: Option<exports::on_pause::Guest>,
    on_resume: Option<exports::on_resume::Guest>,
    on_stop: Option<exports::on_stop::Guest>,
}

async fn instantiate(
    store: &mut Store<Guest>,
    component: &Component,
) -> wasmtime::Result<(wasmtime::component::Instance, Callbacks)> {
    let instance = component.inner.pre.instantiate_async(&mut *store).await?;
    let found = &component.inner.callbacks;
    macro_rules! load {
        ($callback:ident) => {
            found.$callback.as_ref().map(|indices| indices.load(&mut *store, &instance)).transpose()?
        };
    }
    let callbacks = Callbacks {
        on_start: load!(on_start),
        on_message: load!(on_message),
        on_tick: load!(on_tick),
        on_pause: load!(on_pause),
        on_resume: load!(on_resume),
        on_stop: load!(on_stop),
    };
    Ok((instance, callbacks))
}

impl Callbacks {
    /// Runs one callback to its end and hands over what it returned. An error ends the instance.
    async fn call(
        &self,
        accessor: &Accessor<Guest>,
        callback: Callback,
        call: Arc<Call>,
        done: oneshot::Sender<Returned>,
    ) -> wasmtime::Result<()> {
        let nothing = |()| Outcome::Nothing;
        let returned = match callback {
            Callback::Start(start) => match &self.on_start {
                Some(export) => run(accessor, call, export.func_on_start(), (start,)).await?.0.map(nothing),
                None => Ok(Outcome::Nothing),
            },
            Callback::Message(message) => match &self.on_message {
                Some(export) => run(accessor, call, export.func_on_message(), (*message,)).await?.0,
                None => Err(Error::Invalid("this agent takes no messages".to_owned())),
            },
            Callback::Tick => match &self.on_tick {
                Some(export) => run(accessor, call, export.func_on_tick(), ()).await?.0.map(nothing),
                None => Ok(Outcome::Nothing),
            },
            Callback::Pause => match &self.on_pause {
                Some(export) => Ok(nothing(run(accessor, call, export.func_on_pause(), ()).await?)),
                None => Ok(Outcome::Nothing),
            },
            Callback::Resume => match &self.on_resume {
                Some(export) => Ok(nothing(run(accessor, call, export.func_on_resume(), ()).await?)),
                None => Ok(Outcome::Nothing),
            },
            Callback::Stop(reason) => match &self.on_stop {
                Some(export) => Ok(nothing(run(accessor, call, export.func_on_stop(), (reason,)).await?)),
                None => Ok(Outcome::Nothing),
            },
        };
        // Whoever asked may have gone: the answer was dropped with the question.
        let _ = done.send(returned);
        Ok(())
    }
}

/// Runs an export as a task of its own, known to the imports by the call it is.
async fn run<P, R>(
    accessor: &Accessor<Guest>,
    call: Arc<Call>,
    export: TypedFunc<P, R>,
    params: P,
) -> wasmtime::Result<R>
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync + 'static,
    R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift + Send + Sync + 'static,
{
    let started = accessor.with(|mut access| -> wasmtime::Result<_> {
        let started = export.start_call_concurrent(access.as_context_mut(), params)?;
        access.get().began(started.task(), call);
        Ok(started)
    })?;
    let task = started.task();
    let returned = export.finish_call_concurrent(accessor, started).await;
    accessor.with(|mut access| access.get().ended(task));
    returned
}

/// Calls `describe` in an instance that can reach nothing and is then gone.
pub(crate) async fn describe(
    runtime: &Runtime,
    component: &Component,
    limits: Limits,
    time: Duration,
) -> Result<Card, Death> {
    let agent = Agent {
        identity: Identity { workspace_id: String::new(), name: String::new() },
        config: Vec::new(),
        instructions: None,
        gate: Arc::new(Gate::closed()),
        storage: None,
        services: Arc::new(Nowhere),
        observer: Arc::new(Nobody),
    };
    let allowance = Allowance::new(&agent, limits, true);
    let (mut store, meter) = new_store(runtime, Arc::new(agent), allowance)
        .map_err(|error| Death::of(Cause::Host(format!("{error:#}"))))?;
    let component = component.clone();
    let describing = meter.around(async move {
        let result = async {
            // A callback of the right name and another shape is found out here.
            let (instance, _) = instantiate(&mut store, &component).await?;
            let describe = component.inner.callbacks.describe.load(&mut store, &instance)?;
            let run = store.run_concurrent(async |accessor| {
                run(accessor, Call::new("describe"), describe.func_describe(), ()).await
            });
            run.await?
        };
        result.await.map(|(card,)| card).map_err(|error| read_death(&store, &error))
    });
    let Some(threads) = runtime.threads() else {
        return Err(Death::of(Cause::Host("the runtime was shut down".to_owned())));
    };
    // Dropped at the end of its time, or with whoever waits for it.
    let task = AbortOnDropHandle::new(threads.spawn(describing));
    match tokio::time::timeout(time, task).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(Death::of(Cause::Host(error.to_string()))),
        Err(_) => Err(Death::of(Cause::TimedOut { callback: "describe", limit: time, throttled: false })),
    }
}

/// No services: behind a closed gate nothing is ever asked of them.
struct Nowhere;

#[async_trait]
impl Services for Nowhere {
    async fn notify(&self, _: Permit<Notify>, _: &Call) -> Result<(), Error> {
        Err(Error::NotFound("no host".to_owned()))
    }

    async fn list_peers(&self, _: Permit<ListPeers>, _: &Call) -> Result<Vec<Peer>, Error> {
        Err(Error::NotFound("no host".to_owned()))
    }

    async fn resolve_peer(&self, _: &str) -> Result<PeerRef, Error> {
        Err(Error::NotFound("no host".to_owned()))
    }

    async fn call_peer(&self, _: Permit<CallPeer>, _: &Call) -> Result<Reply, Error> {
        Err(Error::NotFound("no host".to_owned()))
    }

    fn set_task(&self, _: Permit<SetTask>) {}

    async fn fetch(&self, _: Permit<Fetch>, _: &Call) -> Result<FetchResponse, FetchError> {
        Err(FetchError::Invalid("no host".to_owned()))
    }

    fn secret_names(&self) -> Vec<SecretName> {
        Vec::new()
    }

    async fn reveal(&self, _: Permit<Reveal>, _: &Call) -> Result<String, Error> {
        Err(Error::NotFound("no host".to_owned()))
    }

    async fn install_plugin(&self, _: Permit<InstallPlugin>, _: &Call) -> Result<Installed, Error> {
        Err(Error::NotFound("no host".to_owned()))
    }

    async fn list_plugins(&self) -> Result<Vec<Plugin>, Error> {
        Err(Error::NotFound("no host".to_owned()))
    }

    async fn remove_plugin(&self, _: Permit<RemovePlugin>, _: &Call) -> Result<(), Error> {
        Err(Error::NotFound("no host".to_owned()))
    }
}

/// Nobody watches.
struct Nobody;

impl Observer for Nobody {
    fn line(&self, _: Line<'_>) {}
    fn event(&self, _: AgentEvent) {}
}
