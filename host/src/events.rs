//! What happens to an agent, as its operator or embedder hears of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use molecule_gate::Kind;
use molecule_protocol::WorkspaceId;
use molecule_runtime::wit::Level;
use molecule_runtime::{Cause, Death, LineSource};
use tokio::sync::broadcast;

use crate::secrets::Redactor;

/// Where events are told. Clones tell the same listeners.
///
/// Nothing is kept before somebody listens: an agent that nobody listens to costs nothing for it. A listener that falls
/// behind by more than the capacity loses the oldest events, and is told how many; the agent waits for nobody.
///
/// ```
/// use molecule_host::{AgentSpec, Events};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let events = Events::new(4096);
/// let mut listener = events.subscribe();
/// for id in ["3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11", "7c1e2b9a-1111-4222-8333-444455556666"] {
///     let mut spec = AgentSpec::new("https://acme.moleculesai.app".parse()?, id.parse()?);
///     spec.events = events.clone(); // One listener for both.
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Events(Arc<Channel>);

#[derive(Debug)]
struct Channel {
    capacity: usize,
    /// Its slots are made with it, so that it is made for the first listener.
    sender: OnceLock<broadcast::Sender<Happened>>,
}

impl Events {
    /// Events that a listener may fall behind where nothing is said. A burst of lines of one agent fits in.
    pub const CAPACITY: usize = 1024;

    /// Tells what happens to whoever listens; a listener may fall behind by `capacity` events, at least one. They take
    /// some 200 bytes each from the first listener on, whether there are any or not.
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Channel { capacity: capacity.max(1), sender: OnceLock::new() }))
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Happened> {
        self.0.sender.get_or_init(|| broadcast::Sender::new(self.0.capacity)).subscribe()
    }

    /// Tells it, or gives it back where nobody listens.
    pub(crate) fn tell(&self, happened: Happened) -> Option<Happened> {
        match self.0.sender.get() {
            Some(sender) => sender.send(happened).err().map(|unheard| unheard.0),
            None => Some(happened),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}

/// Something happened to an agent.
///
/// More may be told later: a `match` needs an arm for what it does not know, and `..` in each of its patterns.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The platform knows the agent; heartbeats go out from now on.
    #[non_exhaustive]
    Registered {
        /// The name under which it is registered.
        name: String,
    },
    /// `on-start` has returned; messages are handled from now on.
    Started,
    /// A heartbeat was taken.
    Heartbeat,
    /// A message came in and is kept.
    #[non_exhaustive]
    MessageIn {
        /// The sender's id for it.
        id: String,
        /// Who sent it: `user`, or a workspace id.
        from: String,
    },
    /// A file that somebody uploaded for the agent is here.
    #[non_exhaustive]
    FileIn {
        /// What its uploader called it.
        name: String,
    },
    /// The agent was done with a message.
    #[non_exhaustive]
    Handled {
        /// The message.
        id: String,
        /// Whether there is an answer to send.
        answered: bool,
        /// How long it took.
        took: Duration,
    },
    /// An answer, a notice or a text of the agent has reached the platform.
    #[non_exhaustive]
    Delivered {
        /// To whom: `user`, or a workspace id.
        to: String,
    },
    /// An answer will never reach anybody.
    #[non_exhaustive]
    Undeliverable {
        /// To whom it was.
        to: String,
        /// Why.
        reason: String,
    },
    /// A message was given up.
    #[non_exhaustive]
    DeadLetter {
        /// The message.
        id: String,
        /// Why.
        reason: String,
    },
    /// The gate refused something that the agent wanted to do; it was told so.
    ///
    /// Told at once the first time. The same again within ten seconds is counted, and told when they are over. With
    /// more than 32 different denials in that time the others count as one for each rule, whose target is `…`.
    #[non_exhaustive]
    Denied {
        /// What it wanted to do.
        effect: Kind,
        /// To whom or what; the first 256 bytes of that.
        target: String,
        /// The rule that refused.
        rule: &'static str,
        /// The grant that would allow it, as on the command line, where one can.
        grant: Option<String>,
        /// What a person is told, where no grant is named.
        reason: Option<String>,
        /// The message on whose behalf it was asked for, where it was one.
        message: Option<String>,
        /// How often.
        times: u64,
    },
    /// The agent's instance died; it is built again after a while.
    #[non_exhaustive]
    Died {
        /// Why.
        death: Death,
        /// How long until the next one.
        backoff: Duration,
    },
    /// The agent died too often in too little time; the platform is told.
    #[non_exhaustive]
    Wedged {
        /// The latest death.
        death: Death,
    },
    /// It was wedged and works again.
    Recovered,
    /// The agent wrote a line.
    #[non_exhaustive]
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
    /// Something about a plugin: it was installed or removed, or its `setup.sh` has written a line.
    #[non_exhaustive]
    Plugin {
        /// Its name.
        name: String,
        /// What is to be told.
        line: String,
    },
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
            Self::Denied { effect, target, rule, grant, reason, message, times } => Self::Denied {
                effect,
                target: clean(target),
                rule,
                grant: grant.map(clean),
                reason: reason.map(clean),
                message: message.map(clean),
                times,
            },
            Self::FileIn { name } => Self::FileIn { name: clean(name) },
            Self::Plugin { name, line } => Self::Plugin { name: clean(name), line: clean(line) },
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

/// For the tests of whoever listens: variants with fields cannot be written outside of this crate, where they may get
/// more.
impl Event {
    /// [`Event::MessageIn`].
    pub fn message_in(id: impl Into<String>, from: impl Into<String>) -> Self {
        Self::MessageIn { id: id.into(), from: from.into() }
    }

    /// [`Event::Handled`].
    pub fn handled(id: impl Into<String>, answered: bool, took: Duration) -> Self {
        Self::Handled { id: id.into(), answered, took }
    }

    /// [`Event::Delivered`].
    pub fn delivered(to: impl Into<String>) -> Self {
        Self::Delivered { to: to.into() }
    }

    /// [`Event::Undeliverable`].
    pub fn undeliverable(to: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Undeliverable { to: to.into(), reason: reason.into() }
    }

    /// [`Event::DeadLetter`].
    pub fn dead_letter(id: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::DeadLetter { id: id.into(), reason: reason.into() }
    }

    /// [`Event::Wedged`].
    pub fn wedged(death: Death) -> Self {
        Self::Wedged { death }
    }
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
#[non_exhaustive]
pub struct Happened {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// What happened.
    pub event: Event,
}

impl Happened {
    /// An event of a workspace, for the tests of whoever listens.
    pub fn new(workspace: WorkspaceId, event: Event) -> Self {
        Self { workspace, event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happened() -> Happened {
        Happened::new(WorkspaceId::random(), Event::Started)
    }

    #[tokio::test]
    async fn nothing_is_kept_before_somebody_listens() {
        let events = Events::default();
        assert!(events.tell(happened()).is_some());
        assert!(events.0.sender.get().is_none());

        let mut listener = events.clone().subscribe();
        assert!(events.tell(happened()).is_none());
        assert!(matches!(listener.recv().await.unwrap().event, Event::Started));
        drop(listener);
        assert!(events.tell(happened()).is_some());
    }

    #[test]
    fn an_event_takes_no_more_than_its_documentation_says() {
        assert!(std::mem::size_of::<Happened>() <= 160, "{}", std::mem::size_of::<Happened>());
    }

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
            Event::FileIn { name: key() },
            Event::Handled { id: key(), answered: true, took: Duration::ZERO },
            Event::Delivered { to: key() },
            Event::Undeliverable { to: key(), reason: key() },
            Event::Denied {
                effect: Kind::Fetch,
                target: key(),
                rule: "network",
                grant: Some(key()),
                reason: Some(key()),
                message: Some(key()),
                times: 1,
            },
            Event::DeadLetter { id: key(), reason: key() },
            Event::Wedged { death: dead(Cause::StackOverflow) },
            Event::Log {
                source: LineSource::Log,
                level: Level::Info,
                text: key(),
                fields: vec![(key(), key())],
                message: Some(key()),
            },
            Event::Plugin { name: key(), line: key() },
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
