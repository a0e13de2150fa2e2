//! One agent, as the runtime sees it: who it is, what it may do, and who watches.

use std::fmt;
use std::sync::Arc;

use molecule_gate::Gate;

use crate::death::Death;
use crate::services::Services;
use crate::storage::Storage;
use crate::wit::{Error, Identity, Level};

/// Everything an agent's imports need, shared by all its instances.
pub struct Agent {
    /// Who it is.
    pub identity: Identity,
    /// The operator's configuration, in the order given.
    pub config: Vec<(String, String)>,
    /// The platform's instructions for it.
    pub instructions: Option<String>,
    /// What it may do.
    pub gate: Arc<Gate>,
    /// The folder that is its own, to be used as far as the gate allows; none where there is no place for one.
    pub storage: Option<Storage>,
    /// How it is done.
    pub services: Arc<dyn Services>,
    /// Who hears of it.
    pub observer: Arc<dyn Observer>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Hears what an agent says and what happens to it. Called from the guest's threads: return at once.
pub trait Observer: Send + Sync + 'static {
    /// The agent wrote a line.
    fn line(&self, line: Line<'_>);

    /// Something happened to its instance.
    fn event(&self, event: AgentEvent);

    /// Its instance has so many bytes of linear memory now; none when it is gone.
    fn memory(&self, _bytes: usize) {}

    /// All its instances together have used so much CPU time since it was started. Told at each turn that one takes.
    fn cpu_time(&self, _used: std::time::Duration) {}
}

/// A line that an agent wrote.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Where it came from.
    pub source: LineSource,
    /// How much it matters.
    pub level: Level,
    /// The text, without its line end; at most [`Line::MAX`] bytes.
    pub text: &'a str,
    /// Fields that came with it.
    pub fields: &'a [(String, String)],
    /// The message it was written on behalf of, where that can be told.
    pub message: Option<&'a str>,
}

impl Line<'_> {
    /// Bytes of a line's text; what is longer is cut and ends in `…`.
    pub const MAX: usize = 8 * 1024;
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineSource {
    /// The import `log.write`.
    Log,
    /// The agent's standard output.
    Stdout,
    /// The agent's standard error.
    Stderr,
}

/// What happened to an agent's instance.
#[derive(Debug, Clone)]
pub enum AgentEvent {
    /// `on-start` has returned; messages are handled from now on.
    Started,
    /// `on-start` returned an error: the agent does not run.
    Refused(Error),
    /// The instance is gone; it is built again after this long.
    Died {
        /// Why.
        death: Death,
        /// How long until the next one.
        backoff: std::time::Duration,
    },
    /// It died too often in too little time. It is still built again, ever more slowly.
    Wedged {
        /// The latest death.
        death: Death,
    },
    /// It was wedged and works again.
    Recovered,
    /// `on-tick` returned an error.
    TickFailed(Error),
    /// It has used up the CPU time of its minute, and waits for more. Said once until it has had a minute's rest.
    Throttled {
        /// What a minute gives it.
        cpu_per_minute: std::time::Duration,
    },
    /// It wrote more lines than it may in a minute; so much was dropped. Said when the minute is over.
    LogDropped {
        /// Lines.
        lines: u64,
        /// Bytes of these lines.
        bytes: u64,
    },
    /// `on-stop` has returned or ran out of time; nothing more comes.
    Stopped,
}
