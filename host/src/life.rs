//! Whether a workspace works, waits or has ended.
//!
//! The platform says it in several voices, some of them misleading: a heartbeat is welcome even after the workspace was
//! deleted, a 404 may come from a proxy, and a deleted workspace's token gets the same 401 as a revoked one. [`Life`]
//! draws the conclusions. It does no I/O and reads no clock: whoever drives it asks what it wants asked, and tells it
//! what was answered.

use std::fmt;
use std::time::{Duration, Instant};

use molecule_protocol::state::{Existence, StateAnswer};
use molecule_protocol::workspace::Status;

use crate::platform::{PlatformError, PlatformFault};

/// The life of one workspace on one host.
///
/// ```text
/// let mut life = Life::start(settings, has_token);
/// loop {
///     match life.next() {
///         Next::Ask(ask)   => do it, and feed the answer to life.on(...)
///         Next::Wait(till) => sleep, then feed Event::Wake; or feed what happens meanwhile
///         Next::Ended(why) => break
///     }
/// }
/// ```
///
/// # The table
///
/// | while | it is told | then |
/// | --- | --- | --- |
/// | any | `removed`, `deleted`, or 410 to a state poll | ended: Removed. Nothing is asked again, least of all a registration: that would bring back a ghost |
/// | any | `paused` | Paused, work stops; asked again every 60 s, never registered. Ended: Paused, if so set |
/// | Starting, Paused | any other status, known or not | registered once; work starts |
/// | Starting, without a token | - | registered at once: there is nothing to ask with |
/// | Running | `awaiting_agent`, `offline` or `failed` twice in a row | registered again, at most every 60 s |
/// | Running | any other status, known or not | goes on |
/// | any | 404 that is not the platform's word, a web page, a redirect | goes on; a warning; asked again after 5, 10 .. 60 s |
/// | any | 5xx, 429, no answer | goes on; asked again after 5, 10 .. 60 s; while Starting after 1, 2 .. 30 s |
/// | any | no such route | goes on as if all were well; asked again every 60 s |
/// | any but Revoked | 401 to a state poll, a heartbeat or a registration | the token is read again |
/// | | another token was found | the state is asked once more with it |
/// | | none was found, or that one got 401 too | the workspace is asked for without a token |
/// | | it is gone | ended: Removed |
/// | | it is there | Revoked, work stops. Ended: Revoked, while Starting or if so set |
/// | | no knowing | as before the 401; asked again after 5, 10 .. 60 s |
/// | Revoked | 60 s have passed, or a token file was touched | the token is read again, and the state asked with it, new or not |
/// | Revoked | a state | whatever that state means; work starts again if it may |
/// | any | a heartbeat succeeded | nothing: it proves nothing |
#[derive(Debug, Clone)]
pub struct Life {
    settings: Settings,
    phase: Phase,
    step: Step,
    /// False before the first registration and after a pause, which takes the URL away.
    registered: bool,
    registered_at: Option<Instant>,
    /// Asked in a row without a clear answer.
    unclear: u32,
}

/// What an operator decides about a life, and its rhythm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// End when paused, instead of waiting.
    pub end_on_pause: bool,
    /// End when the token is revoked, instead of waiting for another. A token refused at the start always ends it.
    pub end_on_revoked: bool,
    /// Between two polls when all is well, and the longest delay while starting.
    pub poll: Duration,
    /// Between two polls when paused or revoked, between two registrations, and the longest delay otherwise.
    pub slow: Duration,
    /// The first delay after an unclear answer. It doubles with each.
    pub retry: Duration,
    /// The same while starting.
    pub retry_start: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            end_on_pause: false,
            end_on_revoked: false,
            poll: Duration::from_secs(30),
            slow: Duration::from_secs(60),
            retry: Duration::from_secs(5),
            retry_start: Duration::from_secs(1),
        }
    }
}

/// Where a workspace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not registered yet.
    Starting,
    /// At work.
    Running {
        /// Polls in a row that said that the platform has lost the agent.
        unwell: u8,
    },
    /// Stopped by an operator of the platform.
    Paused,
    /// Stopped because no token is accepted.
    Revoked {
        /// How often the platform has confirmed it.
        refusals: u32,
    },
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Do this now and feed the answer.
    Ask(Ask),
    /// Feed [`Event::Wake`] at that time, unless something else is fed before.
    Wait(Instant),
    /// It is over.
    Ended(Ending),
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Ask for the state: [`Event::State`] or [`Event::NoStateRoute`].
    State,
    /// Look for another token: [`Event::Reloaded`].
    Reload,
    /// Ask for the workspace without a token: [`Event::Probed`].
    Probe,
    /// Register: [`Event::Registered`].
    Register,
}

/// Why a life has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The workspace is gone.
    Removed,
    /// It is paused, and the operator of the host wants to end then.
    Paused,
    /// Its token is not accepted.
    Revoked,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The state poll was answered, or was not ([`StateAnswer::Unavailable`]).
    State(StateAnswer),
    /// The platform has no such endpoint.
    NoStateRoute,
    /// Another token was found and taken into use, or was not.
    Reloaded {
        /// Whether it is another.
        changed: bool,
    },
    /// The probe was answered, or was not ([`Existence::Unclear`]).
    Probed(Existence),
    /// The registration has ended.
    Registered(Registered),
    /// A heartbeat got 401.
    HeartbeatRefused,
    /// A token file was touched.
    TokenTouched,
    /// The time of [`Next::Wait`] has come.
    Wake,
}

impl Event {
    /// What a state poll came to.
    pub fn of_state(answer: Result<StateAnswer, &PlatformError>) -> Self {
        match answer {
            Ok(answer) => Self::State(answer),
            Err(error) if matches!(error.fault, PlatformFault::RouteMissing) => Self::NoStateRoute,
            Err(_) => Self::State(StateAnswer::Unavailable),
        }
    }

    /// What a probe came to.
    pub fn of_probe(answer: Result<Existence, &PlatformError>) -> Self {
        Self::Probed(answer.unwrap_or(Existence::Unclear))
    }

    /// What a registration came to. A token that could not be kept does not make it fail.
    pub fn of_registration<T>(answer: Result<T, &PlatformError>) -> Self {
        Self::Registered(match answer.map_err(|error| &error.fault) {
            Ok(_) | Err(PlatformFault::NotKept(_)) => Registered::Done,
            Err(PlatformFault::Unauthorized { .. }) => Registered::Refused,
            Err(_) => Registered::Failed,
        })
    }
}

/// How a registration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The platform has it.
    Done,
    /// 401.
    Refused,
    /// Anything else.
    Failed,
}

/// What a move means for the rest of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Fetch and handle messages from now on.
    StartWork,
    /// Fetch and handle no more messages.
    StopWork,
    /// Tell the operator.
    Say(Notice),
}

/// What the operator is told. Prints as one line that ends in what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Work has stopped.
    Paused,
    /// Work goes on after a pause.
    Resumed,
    /// The workspace is gone.
    Removed,
    /// No token is accepted. Said the first and the third time, then every twentieth.
    TokenRefused {
        /// How often by now.
        times: u32,
    },
    /// A token is accepted again.
    TokenAccepted,
    /// Something that is not the platform answers. Said the first time, then every twentieth.
    Misrouted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Poll,
    Reload,
    /// Poll with what the reload has found.
    Retry,
    Probe,
    Register,
    Wait(Instant),
    Ended(Ending),
}

impl Life {
    /// The beginning: the state is asked first, since a registration would un-pause a paused workspace. Without a token
    /// there is nothing to ask with.
    pub fn start(settings: Settings, has_token: bool) -> Self {
        let step = if has_token { Step::Poll } else { Step::Register };
        Self { settings, phase: Phase::Starting, step, registered: false, registered_at: None, unclear: 0 }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What to do next. The same until something is fed that changes it.
    pub fn next(&self) -> Next {
        match self.step {
            Step::Poll | Step::Retry => Next::Ask(Ask::State),
            Step::Reload => Next::Ask(Ask::Reload),
            Step::Probe => Next::Ask(Ask::Probe),
            Step::Register => Next::Ask(Ask::Register),
            Step::Wait(until) => Next::Wait(until),
            Step::Ended(why) => Next::Ended(why),
        }
    }

    /// The one move. Returns what it means for the rest of the host, in this order.
    ///
    /// What does not fit, such as the answer to something that is not asked, changes nothing.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let revoked = matches!(self.phase, Phase::Revoked { .. });
        match (self.step, event) {
            (Step::Wait(_), Event::Wake) => self.go(if revoked { Step::Reload } else { Step::Poll }),
            (Step::Wait(_), Event::TokenTouched) if revoked => self.go(Step::Reload),
            (Step::Wait(_), Event::HeartbeatRefused) if !revoked => self.go(Step::Reload),

            (Step::Poll, Event::State(StateAnswer::Unauthorized)) => self.go(Step::Reload),
            (Step::Retry, Event::State(StateAnswer::Unauthorized)) => self.go(Step::Probe),
            (Step::Poll | Step::Retry, Event::State(answer)) => self.hear(&answer, now),
            (Step::Poll | Step::Retry, Event::NoStateRoute) => self.work(self.settings.slow, now),

            // In Revoked the old token is tried as well: a platform restored from a backup knows it again.
            (Step::Reload, Event::Reloaded { changed }) if changed || revoked => self.go(Step::Retry),
            (Step::Reload, Event::Reloaded { .. }) => self.go(Step::Probe),

            (Step::Probe, Event::Probed(Existence::Removed)) => self.end(Ending::Removed),
            (Step::Probe, Event::Probed(Existence::Exists)) => self.refuse(now),
            (Step::Probe, Event::Probed(Existence::Unclear)) => self.back_off(now),

            (Step::Register, Event::Registered(Registered::Done)) => self.registered(now),
            (Step::Register, Event::Registered(Registered::Refused)) => self.go(Step::Reload),
            (Step::Register, Event::Registered(Registered::Failed)) => self.back_off(now),

            _ => Vec::new(),
        }
    }

    fn go(&mut self, step: Step) -> Vec<Effect> {
        self.step = step;
        Vec::new()
    }

    /// A state that the platform has told.
    fn hear(&mut self, answer: &StateAnswer, now: Instant) -> Vec<Effect> {
        match answer {
            StateAnswer::Removed => self.end(Ending::Removed),
            StateAnswer::Paused if self.settings.end_on_pause => self.end(Ending::Paused),
            StateAnswer::Paused => self.pause(now),
            StateAnswer::Running(status) => {
                let lost = matches!(status, Status::AwaitingAgent | Status::Offline | Status::Failed);
                match &mut self.phase {
                    Phase::Running { unwell } if lost => *unwell = unwell.saturating_add(1),
                    Phase::Running { unwell } => *unwell = 0,
                    Phase::Starting | Phase::Paused | Phase::Revoked { .. } => {}
                }
                self.unclear = 0;
                self.work(self.settings.poll, now)
            }
            StateAnswer::Misrouted => {
                let mut effects = self.back_off(now);
                if self.unclear % 20 == 1 {
                    effects.push(Effect::Say(Notice::Misrouted));
                }
                effects
            }
            StateAnswer::Unavailable | StateAnswer::Unauthorized => self.back_off(now),
        }
    }

    /// The workspace may work: registers if it has to, else goes on for a time.
    fn work(&mut self, time: Duration, now: Instant) -> Vec<Effect> {
        let rested =
            self.registered_at.is_none_or(|at| now.saturating_duration_since(at) >= self.settings.slow);
        let lost = matches!(self.phase, Phase::Running { unwell } if unwell >= 2) && rested;
        if !self.registered || lost {
            return self.go(Step::Register);
        }
        self.step = Step::Wait(now + time);
        match self.phase {
            Phase::Running { .. } => Vec::new(),
            Phase::Starting | Phase::Paused | Phase::Revoked { .. } => self.begin(),
        }
    }

    fn registered(&mut self, now: Instant) -> Vec<Effect> {
        self.registered = true;
        self.registered_at = Some(now);
        self.unclear = 0;
        self.step = Step::Wait(now + self.settings.poll);
        self.begin()
    }

    /// Into Running, from wherever it was.
    fn begin(&mut self) -> Vec<Effect> {
        match std::mem::replace(&mut self.phase, Phase::Running { unwell: 0 }) {
            Phase::Running { .. } => Vec::new(),
            Phase::Starting => vec![Effect::StartWork],
            Phase::Paused => vec![Effect::Say(Notice::Resumed), Effect::StartWork],
            Phase::Revoked { .. } => vec![Effect::Say(Notice::TokenAccepted), Effect::StartWork],
        }
    }

    fn pause(&mut self, now: Instant) -> Vec<Effect> {
        self.registered = false;
        self.unclear = 0;
        self.step = Step::Wait(now + self.settings.slow);
        match std::mem::replace(&mut self.phase, Phase::Paused) {
            Phase::Paused => Vec::new(),
            // One that was revoked is told, too: it was not while it only waited for a token.
            Phase::Running { .. } | Phase::Revoked { .. } => {
                vec![Effect::StopWork, Effect::Say(Notice::Paused)]
            }
            Phase::Starting => vec![Effect::Say(Notice::Paused)],
        }
    }

    /// The workspace is there, and refuses every token.
    fn refuse(&mut self, now: Instant) -> Vec<Effect> {
        if self.phase == Phase::Starting || self.settings.end_on_revoked {
            return self.end(Ending::Revoked);
        }
        self.unclear = 0;
        self.step = Step::Wait(now + self.settings.slow);
        let times = match self.phase {
            Phase::Revoked { refusals } => refusals.saturating_add(1),
            Phase::Starting | Phase::Running { .. } | Phase::Paused => 1,
        };
        let was = std::mem::replace(&mut self.phase, Phase::Revoked { refusals: times });
        let mut effects = Vec::new();
        if matches!(was, Phase::Running { .. }) {
            effects.push(Effect::StopWork);
        }
        if times == 1 || times == 3 || times % 20 == 0 {
            effects.push(Effect::Say(Notice::TokenRefused { times }));
        }
        effects
    }

    /// Nothing was learned: the same again, later.
    fn back_off(&mut self, now: Instant) -> Vec<Effect> {
        let (first, longest) = match self.phase {
            Phase::Starting => (self.settings.retry_start, self.settings.poll),
            Phase::Running { .. } | Phase::Paused | Phase::Revoked { .. } => {
                (self.settings.retry, self.settings.slow)
            }
        };
        let delay = first.saturating_mul(1 << self.unclear.min(16)).min(longest);
        self.unclear = self.unclear.saturating_add(1);
        self.step = Step::Wait(now + delay);
        Vec::new()
    }

    fn end(&mut self, why: Ending) -> Vec<Effect> {
        self.step = Step::Ended(why);
        let notice = match why {
            Ending::Removed => Notice::Removed,
            Ending::Paused => Notice::Paused,
            Ending::Revoked => Notice::TokenRefused { times: 1 },
        };
        let working = matches!(self.phase, Phase::Running { .. });
        working.then_some(Effect::StopWork).into_iter().chain([Effect::Say(notice)]).collect()
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("the workspace is paused; resume it on the platform"),
            Self::Resumed => f.write_str("the workspace is no longer paused, work goes on; nothing to do"),
            Self::Removed => f.write_str(
                "the workspace was removed from the platform; its files stay here, delete them if they are not needed",
            ),
            Self::TokenRefused { times } => write!(
                f,
                "the platform refuses the workspace's token ({times}×), though the workspace exists: it was revoked or replaced; have a new one issued and write it to the token file, which is read again every minute"
            ),
            Self::TokenAccepted => f.write_str("the platform accepts the token again, work goes on; nothing to do"),
            Self::Misrouted => f.write_str(
                "something that is not the platform answers for it, so nothing is known of the workspace; check --platform-url, --org-id and --origin",
            ),
        }
    }
}

#[cfg(test)]
#[path = "life/tests.rs"]
mod tests;
