//! The loop that runs an actor. It never waits for the guest: every callback has a deadline that is kept here, outside
//! the instance, whose own timers do not fire while a guest holds it.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::flight::{Flight, What};
use super::restarts::Deaths;
use super::{ActorOptions, ActorState, Delivery};
use crate::agent::{Agent, AgentEvent};
use crate::component::Component;
use crate::death::{Cause, Death};
use crate::guest::{Allowance, Call};
use crate::instance::{Callback, End, Instance, Returned};
use crate::runtime::Runtime;
use crate::wit::{self, Error, Message, Start, StartReason, StopReason};

/// A message that waits for its turn.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) message: Box<Message>,
    pub(super) alone: bool,
    pub(super) reply: oneshot::Sender<Delivery>,
}

/// An order to the actor.
#[derive(Debug)]
pub(super) enum Control {
    Pause(oneshot::Sender<()>),
    Resume(oneshot::Sender<()>),
    Stop(Stop),
}

/// The order to stop.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) reason: StopReason,
    /// How long what is in flight may still take.
    pub(super) grace: Duration,
    pub(super) done: oneshot::Sender<()>,
}

/// Where the instance stands.
enum Life {
    /// There is none; the next is built at this instant.
    Until(Instant),
    /// Built, and `on-start` has not returned.
    Starting,
    /// It takes callbacks.
    Running,
    /// There is none and there will be none: `on-start` refused.
    Refused,
}

/// Whose doing a death was.
enum Blame {
    /// That of the one in flight, if there was only one; else nobody can tell.
    Unknown,
    /// That of this call: its time was up and the instance took turns all the while, or it took too much of the CPU.
    Call(Arc<Call>),
}

/// A callback's end, by the number of its flight; `None` when the instance ended first.
type Return = Pin<Box<dyn Future<Output = (u64, Option<Returned>)> + Send>>;

pub(super) struct Supervisor {
    runtime: Runtime,
    component: Component,
    agent: Arc<Agent>,
    allowance: Allowance,
    options: ActorOptions,
    state: watch::Sender<ActorState>,

    life: Life,
    instance: Option<Instance>,
    born: Instant,
    deaths: Deaths,
    /// Why the next instance starts.
    reason: StartReason,

    queue: VecDeque<Job>,
    orders: VecDeque<(Callback, oneshot::Sender<()>)>,
    flights: Vec<Flight>,
    returns: FuturesUnordered<Return>,
    next_number: u64,
    next_tick: Option<Instant>,
    paused: bool,
}

impl Supervisor {
    pub(super) fn new(
        runtime: Runtime,
        component: Component,
        agent: Arc<Agent>,
        reason: StartReason,
        options: ActorOptions,
        state: watch::Sender<ActorState>,
    ) -> Self {
        let now = Instant::now();
        Self {
            runtime,
            component,
            allowance: Allowance::new(&agent, options.limits.clone(), options.concurrency <= 1),
            agent,
            deaths: Deaths::new(options.restarts),
            next_tick: options.tick.map(|every| now + every),
            options,
            state,
            life: Life::Until(now),
            instance: None,
            born: now,
            reason,
            queue: VecDeque::new(),
            orders: VecDeque::new(),
            flights: Vec::new(),
            returns: FuturesUnordered::new(),
            next_number: 0,
            paused: false,
        }
    }

    pub(super) async fn run(
        mut self,
        mut jobs: mpsc::Receiver<Job>,
        mut control: mpsc::UnboundedReceiver<Control>,
    ) {
        loop {
            self.launch();
            let wake = self.next_wake();
            tokio::select! {
                // What has returned counts as returned, also when its instance died right after.
                biased;
                Some((number, returned)) = self.returns.next(), if !self.returns.is_empty() => {
                    self.returned(number, returned);
                }
                end = ended(self.instance.as_mut()) => self.ended(end),
                order = control.recv() => match order {
                    Some(Control::Pause(done)) => self.pause(done),
                    Some(Control::Resume(done)) => self.resume(done),
                    Some(Control::Stop(stop)) => return self.stop(stop).await,
                    // Nobody holds the actor any more: there is nobody to stop for.
                    None => return,
                },
                // One beyond those in flight; the others wait in the channel, which is the mailbox.
                Some(job) = jobs.recv(), if self.queue.is_empty() => self.queue.push_back(job),
                () = until(wake) => self.time_passed(),
            }
        }
    }

    /// Starts all that may be started now.
    fn launch(&mut self) {
        let now = Instant::now();
        match self.life {
            Life::Until(at) if at <= now => self.build(),
            Life::Running => while self.launch_next(now) {},
            // Whoever waits is told.
            Life::Refused => {
                self.queue.clear();
                self.orders.clear();
            }
            Life::Until(_) | Life::Starting => {}
        }
    }

    /// Builds an instance and calls `on-start`.
    fn build(&mut self) {
        let allowance = self.allowance.clone();
        self.instance = Some(Instance::spawn(&self.runtime, &self.component, self.agent.clone(), allowance));
        self.born = Instant::now();
        self.life = Life::Starting;
        let start = Start {
            reason: std::mem::replace(&mut self.reason, StartReason::Restart),
            identity: self.agent.identity.clone(),
            config: self.agent.config.clone(),
            instructions: self.agent.instructions.clone(),
        };
        self.fly(Callback::Start(start), What::Start, self.options.start_time);
    }

    /// Starts the next callback, if there is one that may run beside those in flight.
    fn launch_next(&mut self, now: Instant) -> bool {
        let flying = !self.flights.is_empty();
        let time = self.options.callback_time;
        if let Some((callback, done)) = self.orders.pop_front_if(|_| !flying) {
            self.fly(callback, What::Order(done), time);
            return true;
        }
        if self.tick_at().is_some_and(|at| at <= now) {
            // The next one is due a while after this one has ended, however it ends.
            self.next_tick = None;
            self.fly(Callback::Tick, What::Tick, time);
            return true;
        }
        if self.paused || !self.has_room() {
            return false;
        }
        match self.queue.pop_front_if(|job| !(job.alone && flying)) {
            Some(Job { message, alone, reply }) => {
                self.fly(Callback::Message(message), What::Message { alone, reply }, time);
                true
            }
            None => false,
        }
    }

    /// Whether a message or a tick may start beside those in flight. Orders go first, and alone.
    fn has_room(&self) -> bool {
        self.orders.is_empty()
            && self.flights.len() < self.options.concurrency.max(1)
            && !self.flights.iter().any(Flight::is_alone)
    }

    /// When the next tick starts, if nothing stands in its way.
    fn tick_at(&self) -> Option<Instant> {
        let ticking = self.flights.iter().any(|flight| matches!(flight.what, What::Tick));
        self.next_tick.filter(|_| !self.paused && !ticking && self.has_room())
    }

    /// Sends a callback off, with so much time to return.
    fn fly(&mut self, callback: Callback, what: What, time: Duration) {
        let Some(instance) = &self.instance else { return };
        let message = match &callback {
            Callback::Message(message) => Some(&**message),
            _ => None,
        };
        let call = Call::on(callback.name(), message);
        let number = self.next_number;
        self.next_number += 1;
        let returned = instance.call(callback, call.clone());
        self.returns.push(Box::pin(async move { (number, returned.await.ok()) }));
        self.flights.push(Flight { number, call, what, time, deadline: Instant::now() + time, pong: None });
    }

    fn land(&mut self, number: u64) -> Option<Flight> {
        let index = self.flights.iter().position(|flight| flight.number == number)?;
        let flight = self.flights.swap_remove(index);
        if matches!(flight.what, What::Tick) {
            // From its end, so that a slow one leaves time for messages.
            self.next_tick = self.options.tick.map(|every| Instant::now() + every);
        }
        Some(flight)
    }

    /// A callback has ended. One that was canceled returned too late: its output is dropped.
    fn returned(&mut self, number: u64, returned: Option<Returned>) {
        // Without a result its instance is ending, which is heard separately and lands all flights at once.
        let Some(returned) = returned else { return };
        let Some(flight) = self.land(number) else { return };
        if flight.is_canceled() && !matches!(flight.what, What::Start) {
            let death = flight.timed_out(self.allowance.quota.is_scarce());
            if matches!(flight.what, What::Tick) {
                let failure = wit::Failure { message: death.to_string(), sent: wit::Sent::No };
                self.event(AgentEvent::TickFailed(Error::Timeout(failure)));
            }
            flight.end(Delivery::Died(death));
            return;
        }
        match flight.what {
            What::Start => match returned {
                Ok(_) => self.started(),
                Err(error) => self.refused(error),
            },
            What::Message { reply, .. } => {
                if self.deaths.recovered() {
                    self.event(AgentEvent::Recovered);
                }
                let _ = reply.send(Delivery::Handled(returned, flight.call.told()));
            }
            What::Tick => {
                if self.deaths.recovered() {
                    self.event(AgentEvent::Recovered);
                }
                if let Err(error) = returned {
                    self.event(AgentEvent::TickFailed(error));
                }
            }
            What::Order(done) => {
                let _ = done.send(());
            }
        }
    }

    fn started(&mut self) {
        self.life = Life::Running;
        self.state.send_replace(ActorState::Running);
        self.event(AgentEvent::Started);
    }

    /// `on-start` returned an error. The first time that is the end; an agent that has started before is tried again.
    fn refused(&mut self, error: Error) {
        let first = matches!(*self.state.borrow(), ActorState::Starting);
        if first {
            self.instance = None;
            self.life = Life::Refused;
            self.state.send_replace(ActorState::Refused(error.clone()));
            self.event(AgentEvent::Refused(error));
        } else {
            self.died(&Death::of(Cause::StartFailed(wit::words(&error))), &Blame::Unknown);
        }
    }

    /// The instance has ended by itself.
    fn ended(&mut self, End { death, culprit }: End) {
        self.died(&death, &culprit.map_or(Blame::Unknown, Blame::Call));
    }

    /// The instance has ended, or must: lands what was in flight, and builds another one after a while.
    fn died(&mut self, death: &Death, blame: &Blame) {
        self.instance = None;
        let now = Instant::now();
        let (backoff, wedged) = self.deaths.count(self.born, now);
        self.life = Life::Until(now + backoff);
        self.next_tick = self.options.tick.map(|every| now + backoff + every);
        if !matches!(*self.state.borrow(), ActorState::Starting) {
            self.state.send_replace(ActorState::Restarting);
        }
        self.event(AgentEvent::Died { death: death.clone(), backoff });
        if wedged {
            self.event(AgentEvent::Wedged { death: death.clone() });
        }
        let alone = self.flights.len() == 1;
        for flight in self.flights.drain(..) {
            let delivery = match blame {
                Blame::Call(call) if Arc::ptr_eq(call, &flight.call) => Delivery::Died(death.clone()),
                Blame::Call(_) => Delivery::Bystander,
                Blame::Unknown if alone => Delivery::Died(death.clone()),
                Blame::Unknown => Delivery::Suspect(death.clone()),
            };
            flight.end(delivery);
        }
    }

    /// When something has to be done although nothing comes.
    fn next_wake(&self) -> Option<Instant> {
        let deadline = self.flights.iter().map(|flight| flight.deadline).min();
        let own = match self.life {
            Life::Until(at) => Some(at),
            Life::Running => self.tick_at(),
            Life::Starting | Life::Refused => None,
        };
        deadline.into_iter().chain(own).min()
    }

    /// Cancels callbacks whose time is up, and kills the instance of one that does not heed it.
    fn time_passed(&mut self) {
        let now = Instant::now();
        let grace = self.options.cancel_grace;
        for flight in &mut self.flights {
            if flight.deadline > now {
                continue;
            }
            match &mut flight.pong {
                None => {
                    flight.call.canceled.cancel();
                    flight.deadline = now + grace;
                    flight.pong = self.instance.as_ref().map(Instance::ping);
                }
                Some(pong) => {
                    let takes_turns = pong.try_recv().is_ok();
                    let blame = if takes_turns { Blame::Call(flight.call.clone()) } else { Blame::Unknown };
                    let death = flight.timed_out(self.allowance.quota.is_scarce());
                    self.died(&death, &blame);
                    return;
                }
            }
        }
    }

    fn pause(&mut self, done: oneshot::Sender<()>) {
        self.paused = true;
        self.orders.push_back((Callback::Pause, done));
    }

    fn resume(&mut self, done: oneshot::Sender<()>) {
        self.paused = false;
        self.next_tick = self.options.tick.map(|every| Instant::now() + every);
        self.orders.push_back((Callback::Resume, done));
    }

    /// Lets what is in flight end, within its grace, and says goodbye.
    async fn stop(mut self, Stop { reason, grace, done }: Stop) {
        // Whoever waits is told.
        self.queue.clear();
        self.orders.clear();
        let give_up = Instant::now() + grace;
        while !self.flights.is_empty() {
            tokio::select! {
                biased;
                Some((number, returned)) = self.returns.next(), if !self.returns.is_empty() => {
                    self.returned(number, returned);
                }
                end = ended(self.instance.as_mut()) => self.ended(end),
                () = until(Some(give_up)) => break,
            }
        }
        for flight in self.flights.drain(..) {
            flight.call.canceled.cancel();
        }
        if let (Life::Running, Some(instance)) = (&self.life, &mut self.instance) {
            let said = instance.call(Callback::Stop(reason), Call::new("on-stop"));
            tokio::select! {
                // Without an answer its instance is ending, which is heard separately.
                Ok(_) = said => {}
                end = instance.ended() => {
                    tracing::warn!("on-stop: {}", end.death);
                    self.instance = None;
                }
                () = tokio::time::sleep(self.options.stop_time) => {
                    tracing::warn!("on-stop did not return within {:?}", self.options.stop_time);
                }
            }
        }
        if let Some(instance) = self.instance.take() {
            instance.kill().await;
        }
        self.allowance.journal.flush();
        self.state.send_replace(ActorState::Stopped);
        self.event(AgentEvent::Stopped);
        let _ = done.send(());
    }

    fn event(&self, event: AgentEvent) {
        self.agent.observer.event(event);
    }
}

async fn ended(instance: Option<&mut Instance>) -> End {
    match instance {
        Some(instance) => instance.ended().await,
        None => pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}
