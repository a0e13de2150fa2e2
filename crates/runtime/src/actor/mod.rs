//! One actor per agent: a bounded mailbox, so many messages at once, and an instance that is built again when it dies.

mod flight;
mod restarts;
mod supervisor;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::agent::Agent;
use crate::component::Component;
use crate::death::Death;
use crate::limits::Limits;
use crate::runtime::Runtime;
use crate::wit::messages::Update;
use crate::wit::{Error, Message, Outcome, StartReason, StopReason};

use supervisor::{Control, Job, Stop, Supervisor};

/// How an actor is run.
#[derive(Debug, Clone)]
pub struct ActorOptions {
    /// Messages in flight at once; with 1 the agent never sees two callbacks interleave. 1.
    pub concurrency: usize,
    /// Messages that may wait for their turn in the actor; whoever delivers one more waits. 64.
    pub mailbox: usize,
    /// How long `on-message`, `on-tick`, `on-pause` and `on-resume` may take, waits included. 10 minutes.
    pub callback_time: Duration,
    /// How long `on-start` may take. 60 s.
    pub start_time: Duration,
    /// How long `on-stop` may take. 5 s.
    pub stop_time: Duration,
    /// How long a callback that was canceled, because its time was up, may take to end before its instance is killed.
    /// 5 s.
    pub cancel_grace: Duration,
    /// How often `on-tick` is called, if at all.
    pub tick: Option<Duration>,
    /// When and how often a dead instance is built again.
    pub restarts: Restarts,
    /// What it may take of the machine.
    pub limits: Limits,
}

impl Default for ActorOptions {
    fn default() -> Self {
        Self {
            concurrency: 1,
            mailbox: 64,
            // An answer of a large model, with its tool calls.
            callback_time: Duration::from_secs(600),
            start_time: Duration::from_secs(60),
            stop_time: Duration::from_secs(5),
            cancel_grace: Duration::from_secs(5),
            tick: None,
            restarts: Restarts::default(),
            limits: Limits::default(),
        }
    }
}

/// When a dead instance is built again.
#[derive(Debug, Clone, Copy)]
pub struct Restarts {
    /// Wait before the first; doubled with every death.
    pub first: Duration,
    /// Longest wait.
    pub max: Duration,
    /// An instance that lived so long has shown that it works: the next death starts from the first wait.
    pub healthy_after: Duration,
    /// So many deaths ...
    pub wedged_deaths: usize,
    /// ... within this time, and the agent counts as wedged.
    pub wedged_within: Duration,
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(60),
            wedged_deaths: 5,
            wedged_within: Duration::from_secs(300),
        }
    }
}

/// Where an actor stands.
#[derive(Debug, Clone, PartialEq)]
pub enum ActorState {
    /// `on-start` has not returned yet.
    Starting,
    /// It takes messages.
    Running,
    /// Its instance died and is built again soon.
    Restarting,
    /// `on-start` returned this error: the agent does not run.
    Refused(Error),
    /// Nothing more comes.
    Stopped,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// The handler returned this, and had told that before. An error is the agent's answer, too.
    Handled(Result<Outcome, Error>, Vec<Update>),
    /// Its own handler died or ran out of time.
    Died(Death),
    /// Its instance died while several messages were in flight: nobody can tell whose doing it was. Deliver it again
    /// [alone](Actor::deliver_alone).
    Suspect(Death),
    /// Its instance was killed because of another message. Deliver it again.
    Bystander,
    /// The actor stopped first. Nothing, or not all, was done.
    Stopped,
}

/// An agent that runs. Cheap to clone; when the last one is dropped, the instance is killed.
#[derive(Debug, Clone)]
pub struct Actor {
    jobs: mpsc::Sender<Job>,
    control: mpsc::UnboundedSender<Control>,
    state: watch::Receiver<ActorState>,
}

impl Actor {
    /// Starts an agent: builds its instance and calls `on-start`. Must be called within a tokio runtime, which then
    /// runs the actor's clock; the guest itself runs on threads of `runtime`.
    pub fn spawn(
        runtime: &Runtime,
        component: &Component,
        agent: Arc<Agent>,
        reason: StartReason,
        options: ActorOptions,
    ) -> Self {
        let (jobs, job_inbox) = mpsc::channel(options.mailbox.max(1));
        let (control, control_inbox) = mpsc::unbounded_channel();
        let (state_sender, state) = watch::channel(ActorState::Starting);
        let supervisor =
            Supervisor::new(runtime.clone(), component.clone(), agent, reason, options, state_sender);
        tokio::spawn(supervisor.run(job_inbox, control_inbox));
        Self { jobs, control, state }
    }

    /// Hands over a message and waits for what becomes of it. Waits for room in the mailbox first.
    pub async fn deliver(&self, message: Message) -> Delivery {
        self.hand_over(message, false).await
    }

    /// The same, with no other message in flight: if the instance dies, it is known whose doing it was.
    pub async fn deliver_alone(&self, message: Message) -> Delivery {
        self.hand_over(message, true).await
    }

    async fn hand_over(&self, message: Message, alone: bool) -> Delivery {
        let (reply, delivery) = oneshot::channel();
        if self.jobs.send(Job { message: Box::new(message), alone, reply }).await.is_err() {
            return Delivery::Stopped;
        }
        delivery.await.unwrap_or(Delivery::Stopped)
    }

    /// Calls `on-pause`, after what is in flight. Neither a message nor a tick starts from now on until it is resumed;
    /// messages wait in the mailbox.
    pub async fn pause(&self) {
        self.order(Control::Pause).await;
    }

    /// Calls `on-resume`, before the messages that wait.
    pub async fn resume(&self) {
        self.order(Control::Resume).await;
    }

    /// Stops: nothing new is started, what is in flight gets `grace` to end, then `on-stop` is called, and the
    /// instance is gone.
    pub async fn stop(&self, reason: StopReason, grace: Duration) {
        self.order(|done| Control::Stop(Stop { reason, grace, done })).await;
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Control) {
        let (done, finished) = oneshot::channel();
        if self.control.send(order(done)).is_ok() {
            // An actor that ends before it is done has nothing left to do.
            let _ = finished.await;
        }
    }

    /// Where it stands, now and from now on.
    pub fn state(&self) -> watch::Receiver<ActorState> {
        self.state.clone()
    }
}
