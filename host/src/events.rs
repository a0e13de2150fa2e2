//! What happens to an agent, as its operator or embedder hears of it.

use std::time::Duration;

use molecule_protocol::WorkspaceId;
use molecule_runtime::wit::Level;
use molecule_runtime::{Cause, Death, LineSource};

use crate::secrets::Redactor;

/// Something happened to an agent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The platform knows the agent; heartbeats go out from now on.
    Registered {
        /// The name under which it is registered.
        name: String,
    },
    /// `on-start` has returned; messages are handled from now on.
    Started,
    /// A heartbeat was taken.
    Heartbeat,
    /// A message came in and is kept.
    MessageIn {
        /// The sender's id for it.
        id: String,
        /// Who sent it: `user`, or a workspace id.
        from: String,
    },
    /// The agent was done with a message.
    Handled {
        /// The message.
        id: String,
        /// Whether there is an answer to send.
        answered: bool,
        /// How long it took.
        took: Duration,
    },
    /// An answer, a notice or a text of the agent has reached the platform.
    Delivered {
        /// To whom: `user`, or a workspace id.
        to: String,
    },
    /// An answer will never reach anybody.
    Undeliverable {
        /// To whom it was.
        to: String,
        /// Why.
        reason: String,
    },
    /// A message was given up.
    DeadLetter {
        /// The message.
        id: String,
        /// Why.
        reason: String,
    },
    /// The agent's instance died; it is built again after a while.
    Died {
        /// Why.
        death: Death,
        /// How long until the next one.
        backoff: Duration,
    },
    /// The agent died too often in too little time; the platform is told.
    Wedged {
        /// The latest death.
        death: Death,
    },
    /// It was wedged and works again.
    Recovered,
    /// The agent wrote a line.
    Log {
        /// Where it came from.
        source: LineSource,
        /// How much it matters.
        level: Level,
        /// The text.
        text: String,
        /// Fields that came with it.
        fields: Vec<(String, String)>,
        /// The message it was written on behalf of, where that can be told.
        message: Option<String>,
    },
    /// The workspace was paused.
    Paused,
    /// The workspace was resumed.
    Resumed,
    /// Something is not as it should be; the host goes on. One line that ends in what to do.
    Trouble(String),
    /// The agent has ended.
    Ended(Ended),
}

impl Event {
    /// The same without the values of secrets, in all that an agent, or somebody who writes to it, can fill.
    pub(crate) fn redacted(self, redactor: &Redactor) -> Self {
        let clean = |text: String| redactor.redact_owned(text);
        match self {
            Self::Registered { name } => Self::Registered { name: clean(name) },
            Self::MessageIn { id, from } => Self::MessageIn { id: clean(id), from: clean(from) },
            Self::Handled { id, answered, took } => Self::Handled { id: clean(id), answered, took },
            Self::Delivered { to } => Self::Delivered { to: clean(to) },
            Self::Undeliverable { to, reason } => {
                Self::Undeliverable { to: clean(to), reason: clean(reason) }
            }
            Self::DeadLetter { id, reason } => Self::DeadLetter { id: clean(id), reason: clean(reason) },
            Self::Died { death, backoff } => Self::Died { death: redacted(death, redactor), backoff },
            Self::Wedged { death } => Self::Wedged { death: redacted(death, redactor) },
            Self::Log { source, level, text, fields, message } => Self::Log {
                source,
                level,
                text: clean(text),
                fields: fields.into_iter().map(|(name, value)| (clean(name), clean(value))).collect(),
                message: message.map(clean),
            },
            Self::Trouble(trouble) => Self::Trouble(clean(trouble)),
            Self::Ended(ended) => Self::Ended(ended.redacted(redactor)),
            Self::Started | Self::Heartbeat | Self::Recovered | Self::Paused | Self::Resumed => self,
        }
    }
}

/// A death without the values of secrets.
fn redacted(death: Death, redactor: &Redactor) -> Death {
    let clean = |text: String| redactor.redact_owned(text);
    let cause = match death.cause {
        Cause::Panicked(words) => Cause::Panicked(clean(words)),
        Cause::Trap(words) => Cause::Trap(clean(words)),
        Cause::StartFailed(words) => Cause::StartFailed(clean(words)),
        Cause::Host(words) => Cause::Host(clean(words)),
        cause @ (Cause::Limit(_)
        | Cause::OutOfCpu { .. }
        | Cause::StackOverflow
        | Cause::Exited { .. }
        | Cause::TimedOut { .. }) => cause,
    };
    Death { cause, backtrace: death.backtrace.map(clean) }
}

/// Why an agent no longer runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was asked to stop.
    Shutdown,
    /// The workspace was paused, and the operator had said to stop then.
    Paused,
    /// The workspace was deleted.
    Removed,
    /// The platform no longer takes the token, and the operator had said to stop then.
    Revoked,
    /// The agent refused to start; its words.
    Refused(String),
    /// Another host took the workspace over.
    TakenOver,
    /// The host cannot go on; one line that ends in what to do.
    Failed(String),
}

impl Ended {
    /// The same without the values of secrets.
    pub(crate) fn redacted(self, redactor: &Redactor) -> Self {
        match self {
            Self::Refused(words) => Self::Refused(redactor.redact_owned(words)),
            Self::Failed(words) => Self::Failed(redactor.redact_owned(words)),
            Self::Shutdown | Self::Paused | Self::Removed | Self::Revoked | Self::TakenOver => self,
        }
    }
}

/// An event, and whose it is.
#[derive(Debug, Clone)]
pub struct Happened {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// What happened.
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A variant that is passed on as it came fails here.
    #[test]
    fn no_event_has_the_value_of_a_secret() {
        let redactor = Redactor::default();
        redactor.learn("KEY", "hunter22", false);
        let key = || "<hunter22>".to_owned();
        let dead = |cause| Death { cause, backtrace: Some(key()) };
        let causes: [fn(String) -> Cause; 4] =
            [Cause::Panicked, Cause::Trap, Cause::StartFailed, Cause::Host];
        let mut events = vec![
            Event::Registered { name: key() },
            Event::MessageIn { id: key(), from: key() },
            Event::Handled { id: key(), answered: true, took: Duration::ZERO },
            Event::Delivered { to: key() },
            Event::Undeliverable { to: key(), reason: key() },
            Event::DeadLetter { id: key(), reason: key() },
            Event::Wedged { death: dead(Cause::StackOverflow) },
            Event::Log {
                source: LineSource::Log,
                level: Level::Info,
                text: key(),
                fields: vec![(key(), key())],
                message: Some(key()),
            },
            Event::Trouble(key()),
            Event::Ended(Ended::Refused(key())),
            Event::Ended(Ended::Failed(key())),
        ];
        events.extend(causes.map(|cause| Event::Died { death: dead(cause(key())), backoff: Duration::ZERO }));
        for event in events {
            let shown = format!("{:?}", event.redacted(&redactor));
            assert!(shown.contains("<[secret KEY]>") && !shown.contains("hunter22"), "{shown}");
        }
    }
}
