//! An agent that runs in the scripted host.

use std::rc::Rc;

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
        self.run(self.agent.on_message(message.into()))
    }

    /// Several write at once. As many are handled at once as the agent's card asks for; the outcomes are in the order
    /// of the messages.
    pub fn messages<M: Into<Message>>(
        &self,
        messages: impl IntoIterator<Item = M>,
    ) -> Vec<Result<Outcome, Error>> {
        let limit = self.card.asks.concurrency.unwrap_or(1);
        let callbacks = messages.into_iter().map(|message| -> Boxed<'_, _> {
            let callback = self.agent.on_message(message.into());
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

    fn run<T>(&self, callback: impl Future<Output = crate::Result<T>>) -> Result<T, Error> {
        self.host.run(callback).map_err(|error| Error::of_callback(&error))
    }
}
