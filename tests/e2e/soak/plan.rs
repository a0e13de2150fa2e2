//! What happens on a day, drawn from a seed.

use std::fmt;
use std::time::Duration;

use molecule_tests::dice::Dice;
use molecule_tests::faults::{Fault, Rule, When};

/// The weather holds so long.
pub(super) const SLICE: Duration = Duration::from_secs(2);
/// One incident in so many slices.
const CALM: usize = 4;
/// In ten minutes.
const CALLS: u64 = 1000;
const DELEGATIONS: u64 = 100;
const TEXTS: u64 = 200;

/// A day.
pub(super) struct Plan {
    pub(super) slices: Vec<Slice>,
}

/// A part of it.
pub(super) struct Slice {
    pub(super) weather: Weather,
    pub(super) incident: Option<Incident>,
    pub(super) jobs: Vec<Job>,
    /// Makes the faults of this slice.
    pub(super) seed: u64,
}

/// What the network does to three requests of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Clear,
    Storm,
    Trouble,
    Refused,
    Reset,
    Slow,
    Truncated,
    Html,
    EmptyNotFound,
    CursorLost,
}

/// Something that is done to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incident {
    HostKilled,
    HostRestarted,
    PlatformKilled,
    PlatformRestarted,
    TokenRotated(Who),
    Paused(Who),
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Alice,
    Bob,
}

/// What a user wants.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Alice asks Bob.
    Relay(u64),
    /// Alice has Bob do it.
    Delegate(u64),
    /// Somebody answers himself.
    Text(Who, u64),
}

impl Plan {
    pub(super) fn draw(dice: &mut Dice, minutes: u64) -> Self {
        let count = minutes * 60 / SLICE.as_secs();
        let (mut weathers, mut incidents) = (Vec::new(), Vec::new());
        let mut slices: Vec<Slice> = (0..usize::try_from(count).expect("few"))
            .map(|number| {
                if weathers.is_empty() {
                    weathers = Weather::all();
                }
                if incidents.is_empty() {
                    incidents = Incident::all(dice);
                }
                Slice {
                    weather: dice.draw(&mut weathers),
                    incident: (number % CALM == 1).then(|| dice.draw(&mut incidents)),
                    jobs: Vec::new(),
                    seed: dice.below(u64::MAX),
                }
            })
            .collect();
        let part = |whole: u64| 0..whole * minutes / 10;
        let jobs = part(CALLS).map(Job::Relay).chain(part(DELEGATIONS).map(Job::Delegate));
        let who = |number: u64| if number.is_multiple_of(2) { Who::Alice } else { Who::Bob };
        for job in jobs.chain(part(TEXTS).map(|number| Job::Text(who(number), number))) {
            let slice = usize::try_from(dice.below(count)).expect("few");
            slices[slice].jobs.push(job);
        }
        Self { slices }
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.slices.iter().flat_map(|slice| &slice.jobs)
    }
}

impl Weather {
    fn all() -> Vec<Self> {
        use Weather::*;
        vec![
            Clear,
            Clear,
            Clear,
            Storm,
            Trouble,
            Refused,
            Reset,
            Slow,
            Truncated,
            Html,
            EmptyNotFound,
            CursorLost,
        ]
    }

    /// What the proxy is told.
    pub(super) fn rules(self) -> Vec<Rule> {
        let rule =
            |path, per_mille, fault| Rule { method: "*", path, when: When::PerMille(per_mille), fault };
        let all = |fault| vec![rule("/**", 300, fault)];
        let json = |status, headers: &[(&str, &str)], body: &str| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let headers =
                headers.chain([("Content-Type".to_owned(), "application/json".to_owned())]).collect();
            Fault::Answer(status, headers, body.as_bytes().to_vec())
        };
        match self {
            Self::Clear => Vec::new(),
            Self::Storm => {
                all(json(429, &[("Retry-After", "1")], r#"{"error":"rate limit exceeded","retry_after":1}"#))
            }
            Self::Trouble => [500, 502, 503, 504]
                .map(|status| rule("/**", 90, json(status, &[], r#"{"error":"trouble"}"#)))
                .into(),
            Self::Refused => all(Fault::DropBefore),
            Self::Reset => all(Fault::DropAfter),
            Self::Slow => all(Fault::Delay(Duration::from_millis(1500))),
            Self::Truncated => [30, 200].map(|bytes| rule("/**", 160, Fault::Truncate(bytes))).into(),
            Self::Html => [200, 502].map(|status| rule("/**", 160, Fault::html(status))).into(),
            Self::EmptyNotFound => all(Fault::empty_404()),
            Self::CursorLost => vec![rule(
                "/workspaces/*/activity",
                500,
                json(410, &[], r#"{"error":"since_id cursor not found; resync with since_secs"}"#),
            )],
        }
    }
}

impl Incident {
    fn all(dice: &mut Dice) -> Vec<Self> {
        let mut who = || if dice.below(2) == 0 { Who::Alice } else { Who::Bob };
        vec![
            Self::HostKilled,
            Self::HostRestarted,
            Self::PlatformKilled,
            Self::PlatformRestarted,
            Self::TokenRotated(who()),
            Self::Paused(who()),
        ]
    }
}

impl Job {
    /// What is said.
    pub(super) fn says(&self, bob: &str) -> String {
        match self {
            Self::Relay(_) => format!("relay {bob} {}", self.answer()),
            Self::Delegate(_) => format!("delegate {bob} {}", self.answer()),
            Self::Text(..) => self.answer(),
        }
    }

    /// What comes back.
    pub(super) fn answer(&self) -> String {
        match self {
            Self::Relay(number) => format!("question-{number}"),
            Self::Delegate(number) => format!("task-{number}"),
            Self::Text(_, number) => format!("text-{number}"),
        }
    }

    /// To whom it is said.
    pub(super) fn to(&self) -> Who {
        match self {
            Self::Relay(_) | Self::Delegate(_) => Who::Alice,
            Self::Text(who, _) => *who,
        }
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weather = match self.weather {
            Weather::Clear => "clear",
            Weather::Storm => "a storm of 429",
            Weather::Trouble => "5xx",
            Weather::Refused => "connections end before the request",
            Weather::Reset => "connections reset after the request",
            Weather::Slow => "slow",
            Weather::Truncated => "truncated answers",
            Weather::Html => "pages of an edge",
            Weather::EmptyNotFound => "empty 404",
            Weather::CursorLost => "the cursor is lost",
        };
        write!(f, "{weather}, {} messages", self.jobs.len())?;
        match self.incident {
            None => Ok(()),
            Some(Incident::HostKilled) => write!(f, "; the host is killed"),
            Some(Incident::HostRestarted) => write!(f, "; the host is restarted"),
            Some(Incident::PlatformKilled) => write!(f, "; the platform is killed"),
            Some(Incident::PlatformRestarted) => write!(f, "; the platform is restarted"),
            Some(Incident::TokenRotated(who)) => write!(f, "; the token of {who:?} is rotated"),
            Some(Incident::Paused(who)) => write!(f, "; {who:?} is paused until the next"),
        }
    }
}
