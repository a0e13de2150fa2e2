//! The trait that an agent implements.

use crate::{Card, Message, Outcome, Result, Start, StopReason};

/// An agent: what it is, and what it does when something happens.
///
/// Only [`describe`](Agent::describe) must be written; the other callbacks do nothing unless they are. Callbacks
/// wait with `.await`, and while one waits, another may run: so they take `&self`, and what changes is in a
/// `Cell` or a `RefCell`. See [State and concurrency](crate#state-and-concurrency).
///
/// The host makes the agent with [`Default`], before the first callback. It makes a new one after a crash and after
/// an upgrade, so that what an agent knows by heart does not last.
// An instance of a component has one thread: futures that cannot be sent to another are no loss.
#[allow(async_fn_in_trait)]
pub trait Agent: Default + 'static {
    /// Says who the agent is. Called once at load, before there is anything to reach: every call of the host is denied.
    fn describe() -> Card;

    /// The agent starts. Called after registration, before the first message.
    ///
    /// # Errors
    ///
    /// An error stops the start and is shown to the operator: for an agent that cannot work as configured.
    async fn on_start(&self, start: Start) -> Result<()> {
        let _ = start;
        Ok(())
    }

    /// Somebody wrote. Called once per message, and again for a message whose handler died.
    ///
    /// An agent without this callback answers nothing.
    ///
    /// # Errors
    ///
    /// An error is an answer, too: the sender is told that the message failed, and why.
    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let _ = message;
        Ok(Outcome::Nothing)
    }

    /// Time has passed. Called at the interval of [`Card::tick_every`], never twice at once.
    ///
    /// # Errors
    ///
    /// An error is logged, and the next tick comes.
    async fn on_tick(&self) -> Result<()> {
        Ok(())
    }

    /// The workspace was paused: no message comes until it is resumed.
    async fn on_pause(&self) {}

    /// The workspace was resumed. Called before the messages that came meanwhile.
    async fn on_resume(&self) {}

    /// The agent stops. Called last, with a few seconds to finish.
    async fn on_stop(&self, reason: StopReason) {
        let _ = reason;
    }
}
