//! Hands messages to the agent, and keeps what comes of them.

use std::sync::Arc;
use std::time::Duration;

use molecule_runtime::wit::messages::Update;
use molecule_runtime::wit::{self, Error, OnDeath, Outcome};
use molecule_runtime::{Actor, Death, Delivery};
use molecule_store::state::{Claimed, MessageKey, NewSend};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::{Backoff, Context, Mode};
use super::inbox::Received;
use super::letter::{self, Answer, Letter, Receiver};
use super::{files, fold};
use crate::events::{Ended, Event};

/// How an agent's messages are handled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handling {
    /// Messages in flight at once.
    pub(super) slots: usize,
    /// What happens to a message whose handler died.
    pub(super) on_death: OnDeath,
}

/// Hands out messages until the workspace stops, then waits for those in flight.
pub(super) async fn run(context: Arc<Context>, actor: Actor, handling: Handling) {
    let slots = Arc::new(Semaphore::new(handling.slots));
    let mut handlers = JoinSet::new();
    while let Some(mut free) = next_slots(&context, &slots).await {
        let claimed = context.keep(|| context.state.claim(context.fence(), free.len()));
        let Some(claimed) = claimed.await else { break };
        if claimed.is_empty() {
            drop(free);
            tokio::select! {
                () = context.inbox.notified() => {}
                () = context.stopping.cancelled() => {}
            }
            continue;
        }
        for claimed in claimed {
            let Some(slot) = free.pop() else { break };
            let handler =
                Handler { context: context.clone(), actor: actor.clone(), on_death: handling.on_death };
            handlers.spawn(handler.handle(claimed, slot));
        }
        while handlers.try_join_next().is_some() {}
    }
    while handlers.join_next().await.is_some() {}
}

/// All slots that are free, once there is one and the workspace works; `None` when it stops.
async fn next_slots(context: &Context, slots: &Arc<Semaphore>) -> Option<Vec<OwnedSemaphorePermit>> {
    loop {
        let slot = tokio::select! {
            biased;
            () = context.stopping.cancelled() => return None,
            slot = async { context.working().await; slots.clone().acquire_owned().await } => slot.ok()?,
        };
        // It may have been paused while this waited for a slot.
        if *context.mode.borrow() != Mode::Working {
            continue;
        }
        let mut free = vec![slot];
        while let Ok(slot) = slots.clone().try_acquire_owned() {
            free.push(slot);
        }
        return Some(free);
    }
}

struct Handler {
    context: Arc<Context>,
    actor: Actor,
    on_death: OnDeath,
}

impl Handler {
    /// Takes one message to its end.
    async fn handle(self, claimed: Claimed, slot: OwnedSemaphorePermit) {
        let key = claimed.key;
        let Some(received) = Received::read(&claimed.body) else {
            return self.bury(key, "?", "it cannot be read back".to_owned(), None).await;
        };
        if claimed.runs.exhausted() {
            return self.give_up(key, &received, "the host itself died each time it was handled").await;
        }
        let mut runs = claimed.runs;
        let mut innocent_runs = 0;
        let mut alone = false;
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
        loop {
            let redelivered = runs.deliveries.saturating_sub(1) + innocent_runs;
            match self.deliver(&received, redelivered, alone).await {
                Delivery::Handled(result, told) => {
                    return self.finish(key, &received, result, told, slot).await;
                }
                Delivery::Died(death) => {
                    let Some(counted) = self.died(key, &received, &death).await else { return };
                    runs = counted;
                    tokio::select! {
                        () = backoff.wait() => {}
                        () = self.context.stopping.cancelled() => return self.release(key).await,
                    }
                }
                Delivery::Suspect(_) => {
                    alone = true;
                    innocent_runs += 1;
                }
                Delivery::Bystander => innocent_runs += 1,
                Delivery::Stopped => {
                    if !self.context.stopping.is_cancelled() {
                        // It would be handed out again, and again. Where there is a better reason, that came first.
                        self.context.end(Ended::Failed(
                            "the agent takes no messages any more; start it again".into(),
                        ));
                    }
                    return self.release(key).await;
                }
            }
        }
    }

    async fn deliver(&self, received: &Received, redelivered: u32, alone: bool) -> Delivery {
        let context = &self.context;
        let name = received.peer.as_ref().and_then(|peer| context.directory.name_of(peer.as_str()));
        let message = received.to_message(name, redelivered);
        let _busy = context.vitals.busy();
        let started = Instant::now();
        let delivery =
            if alone { self.actor.deliver_alone(message).await } else { self.actor.deliver(message).await };
        match &delivery {
            Delivery::Handled(result, told) => {
                context.vitals.ran(result.as_ref().err().map(wit::words));
                let says = !told.is_empty() || !matches!(result, Ok(Outcome::Nothing));
                let answered = says && received.answer_to().is_some();
                context.say(Event::Handled {
                    id: received.id().to_owned(),
                    answered,
                    took: started.elapsed(),
                });
            }
            Delivery::Died(death) => context.vitals.ran(Some(death.to_string())),
            Delivery::Suspect(_) | Delivery::Bystander | Delivery::Stopped => {}
        }
        delivery
    }

    /// Ends a message, with the answer if there is one.
    async fn finish(
        &self,
        key: MessageKey,
        received: &Received,
        result: Result<Outcome, Error>,
        told: Vec<Update>,
        slot: OwnedSemaphorePermit,
    ) {
        // The next message is claimed while this one is being kept: both go to the disk together.
        drop(slot);
        let parts = match result {
            Ok(outcome) => fold::parts(told, outcome),
            Err(error) => Some(fold::with_error(told, &error)),
        };
        let context = &self.context;
        let answer = match (parts, received.answer_to()) {
            (Some(parts), Some(to)) => self.answer(parts, to, received).await,
            _ => None,
        };
        let kept = context.keep(|| context.state.finish(context.fence(), key, answer.clone())).await;
        if kept.is_some() && answer.is_some() {
            context.outbox.notify_one();
        }
    }

    /// An answer to be sent. What the gate refuses is said instead, and so is a file that cannot be uploaded.
    async fn answer(&self, mut parts: Vec<wit::Part>, to: Receiver, received: &Received) -> Option<NewSend> {
        let (context, gate) = (&self.context, &self.context.gate);
        if to == Receiver::User {
            parts = files::attached_or_said(context, parts, received.id()).await;
        }
        let letter = Letter::of(&parts).redacted(context.redactor()).answering(received);
        if letter.is_empty() {
            // A text of nothing says nothing, and the platform refuses it.
            return None;
        }
        let permit = gate.pass(Answer { letter, to: to.clone() }, Some(received.id())).or_else(|denial| {
            let grant =
                denial.grant.as_deref().map(|grant| format!(" (the operator can allow it with {grant})"));
            let line = format!("The agent's answer was not sent: {denial}{}", grant.unwrap_or_default());
            self.context.say(Event::Trouble(line.clone()));
            gate.pass(Answer { letter: Letter::line(line, received), to }, Some(received.id()))
        });
        Some(letter::answer(permit.ok()?, self.context.message_id()))
    }

    /// Counts a run that killed its handler. `None` when there will be no other.
    async fn died(
        &self,
        key: MessageKey,
        received: &Received,
        death: &Death,
    ) -> Option<molecule_store::state::Runs> {
        if self.on_death == OnDeath::Fail {
            let reason = self.context.redactor().redact_owned(death.to_string());
            self.give_up(key, received, &reason).await;
            return None;
        }
        let context = &self.context;
        let reason = context.redactor().redact_owned(death.to_string());
        let runs = context.keep(|| context.state.fault(context.fence(), key, &reason)).await?;
        if runs.exhausted() {
            self.give_up(key, received, &reason).await;
            return None;
        }
        Some(runs)
    }

    /// A dead letter, and one honest line to whoever wrote.
    async fn give_up(&self, key: MessageKey, received: &Received, reason: &str) {
        let line = format!("Your message could not be handled and was set aside: {reason}.");
        let notice = received
            .answer_to()
            .map(|to| Letter::line(line, received).into_send(self.context.message_id(), &to));
        self.bury(key, received.id(), reason.to_owned(), notice).await;
    }

    async fn bury(&self, key: MessageKey, id: &str, reason: String, notice: Option<NewSend>) {
        let context = &self.context;
        let at = context.unix_millis();
        let kept =
            context.keep(|| context.state.bury(context.fence(), key, &reason, notice.clone(), at)).await;
        if kept.is_some() {
            context.say(Event::DeadLetter { id: id.to_owned(), reason });
            context.outbox.notify_one();
        }
    }

    async fn release(&self, key: MessageKey) {
        let context = &self.context;
        context.keep(|| context.state.release(context.fence(), key)).await;
    }
}
