//! An agent that runs in the scripted host.

use std::rc::Rc;
use std::time::Duration;

use super::Host;
use super::executor::{self, Boxed};
use crate::{Agent, Card, Error, Message, Outcome, StopReason};

/// A started agent. Its methods are what happens to it; each runs the callback to its end.
pub struct Instance<A> {
    host: Host,
    agent: Rc<A>,
    card: Card,
}

impl<A: Agent> Instance<A> {
    pub(super) fn start(host: &Host) -> Result<Self, Error> {
        let card = host.describe::<A>();
        let start = host.inner.start.borrow().clone();
        let agent = Rc::new(host.run(async { A::default() }));
        let instance = Self { host: host.clone(), agent, card };
        instance.run(instance.agent.on_start(start))?;
        Ok(instance)
    }

    /// The card that it gave.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The agent itself, to look at its state.
    pub fn agent(&self) -> &A {
        &self.agent
    }

    /// Somebody writes: text is a message of the user; [`Message::from_user`] and [`Message::from_peer`] make others.
    ///
    /// # Errors
    ///
    /// The callback's error, as the host gets it.
    pub fn message(&self, message: impl Into<Message>) -> Result<Outcome, Error> {
        self.run(self.handle(message.into()))
    }

    /// Somebody writes, and cancels the message after so long: what the agent waits for then, and later, ends with
    /// [`Error::Canceled`].
    ///
    /// # Errors
    ///
    /// The callback's error, as the host gets it.
    pub fn canceled(&self, message: impl Into<Message>, after: Duration) -> Result<Outcome, Error> {
        self.host.inner.canceled_at.set(Some(self.host.elapsed() + after));
        let outcome = self.message(message);
        self.host.inner.canceled_at.set(None);
        outcome
    }

    /// The results of what the agent has [given to peers](crate::peers::delegate) come, in the order in which they are
    /// there; those that are not there yet are waited for. What the agent gives to peers meanwhile comes the next time.
    pub fn deliver(&self) -> Vec<Result<Outcome, Error>> {
        let deliver = |(due, message): (Duration, Message)| {
            let wait = due.saturating_sub(self.host.elapsed());
            self.host.run(self.host.inner.clock.sleep(wait));
            self.message(message)
        };
        self.host.undelivered().into_iter().map(deliver).collect()
    }

    /// Several write at once. As many are handled at once as the agent's card asks for; the outcomes are in the order
    /// of the messages.
    pub fn messages<M: Into<Message>>(
        &self,
        messages: impl IntoIterator<Item = M>,
    ) -> Vec<Result<Outcome, Error>> {
        let limit = self.card.asks.concurrency.unwrap_or(1);
        let callbacks = messages.into_iter().map(|message| -> Boxed<'_, _> {
            let callback = self.handle(message.into());
            Box::pin(async { callback.await.map_err(|error| Error::of_callback(&error)) })
        });
        let callbacks = callbacks.collect();
        self.host.run(executor::at_once(usize::try_from(limit).unwrap_or(usize::MAX), callbacks))
    }

    /// Time has passed.
    ///
    /// # Errors
    ///
    /// The callback's error, as the host gets it.
    pub fn tick(&self) -> Result<(), Error> {
        self.run(self.agent.on_tick())
    }

    /// The workspace is paused.
    pub fn pause(&self) {
        self.host.run(self.agent.on_pause());
    }

    /// The workspace is resumed.
    pub fn resume(&self) {
        self.host.run(self.agent.on_resume());
    }

    /// The agent is stopped.
    pub fn stop(self, reason: StopReason) {
        self.host.run(self.agent.on_stop(reason));
    }

    /// Hands the agent a message. It is part of the history from then on, and its answer, too.
    async fn handle(&self, message: Message) -> crate::Result<Outcome> {
        self.host.say_received(&message);
        let outcome = self.agent.on_message(message.clone()).await?;
        self.host.say_answer(&message, &outcome);
        Ok(outcome)
    }

    fn run<T>(&self, callback: impl Future<Output = crate::Result<T>>) -> Result<T, Error> {
        self.host.run(callback).map_err(|error| Error::of_callback(&error))
    }
}
