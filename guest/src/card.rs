//! Who the agent is and what it asks for.

use std::time::Duration;

pub use crate::bindings::molecule::agent::types::OnDeath;
use crate::time::millis;

/// Who the agent is, and what it would like to have.
///
/// ```
/// use molecule_guest::{Card, Skill};
/// use std::time::Duration;
///
/// let card = Card::new("librarian")
///     .description("Knows which book has the answer.")
///     .version(env!("CARGO_PKG_VERSION"))
///     .skill(Skill::new("find", "Find a book").description("Finds a book by what it is about.").tag("books"))
///     .ask_peer("archivist")
///     .concurrency(4)
///     .tick_every(Duration::from_secs(60));
/// assert_eq!(card.asks.tick_ms, Some(60_000));
/// ```
///
/// Asking grants nothing: it tells the operator which grants the agent works best with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Card {
    /// A name to show.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its own version.
    pub version: String,
    /// What it can do.
    pub skills: Vec<Skill>,
    /// What it would like to have.
    pub asks: Asks,
}

impl Card {
    /// A card with a name, version 0.0.0, that asks for nothing.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            version: String::from("0.0.0"),
            skills: Vec::new(),
            asks: Asks::default(),
        }
    }

    /// What the agent is for, in a sentence or two.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// The agent's own version; `env!("CARGO_PKG_VERSION")` is that of its `Cargo.toml`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Adds something that the agent can do.
    #[must_use]
    pub fn skill(mut self, skill: Skill) -> Self {
        self.skills.push(skill);
        self
    }

    /// Asks for a network rule, as an operator would write it: `POST https://api.example.com/v1/**`.
    #[must_use]
    pub fn ask_host(mut self, rule: impl Into<String>) -> Self {
        self.asks.hosts.push(rule.into());
        self
    }

    /// Asks for a secret, by name.
    #[must_use]
    pub fn ask_secret(mut self, name: impl Into<String>) -> Self {
        self.asks.secrets.push(name.into());
        self
    }

    /// Asks for a plugin, by name.
    #[must_use]
    pub fn ask_plugin(mut self, name: impl Into<String>) -> Self {
        self.asks.plugins.push(name.into());
        self
    }

    /// Asks to talk with a peer, by id or name; `*` for any.
    #[must_use]
    pub fn ask_peer(mut self, peer: impl Into<String>) -> Self {
        self.asks.peers.push(peer.into());
        self
    }

    /// Says how many messages the agent can handle at once; 1 where it does not say. See
    /// [State and concurrency](crate#state-and-concurrency).
    #[must_use]
    pub fn concurrency(mut self, messages: u32) -> Self {
        self.asks.concurrency = Some(messages);
        self
    }

    /// Lets a message fail whose handler died, instead of being handed out again: for handlers that do things which
    /// must not happen twice.
    #[must_use]
    pub fn fail_on_death(mut self) -> Self {
        self.asks.on_death = OnDeath::Fail;
        self
    }

    /// Asks for a call of [`on_tick`](crate::Agent::on_tick) at this interval, at least a millisecond.
    #[must_use]
    pub fn tick_every(mut self, interval: Duration) -> Self {
        self.asks.tick_ms = Some(millis(interval).max(1));
        self
    }
}

/// What the agent would like to have.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Asks {
    /// Network rules, as an operator would write them.
    pub hosts: Vec<String>,
    /// Names of secrets.
    pub secrets: Vec<String>,
    /// Names of plugins.
    pub plugins: Vec<String>,
    /// Peers it talks with, by id or name; `*` for any.
    pub peers: Vec<String>,
    /// Messages it can handle at once; the operator may give fewer. 1 where absent.
    pub concurrency: Option<u32>,
    /// What happens to a message whose handler died.
    pub on_death: OnDeath,
    /// Milliseconds between two ticks; none where absent.
    pub tick_ms: Option<u32>,
}

impl Default for Asks {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            secrets: Vec::new(),
            plugins: Vec::new(),
            peers: Vec::new(),
            concurrency: None,
            on_death: OnDeath::Rerun,
            tick_ms: None,
        }
    }
}

/// Something the agent can do, as others are told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Skill {
    /// Unique within the card.
    pub id: String,
    /// A name to show.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
}

impl Skill {
    /// A skill with an id, unique within the card, and a name to show.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), description: String::new(), tags: Vec::new() }
    }

    /// What it does.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds a word to find it by.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_never_shorter_than_a_millisecond() {
        let cases = [
            (Duration::ZERO, 1),
            (Duration::from_micros(1), 1),
            (Duration::from_micros(1001), 2),
            (Duration::from_millis(50), 50),
            (Duration::MAX, u32::MAX),
        ];
        for (interval, tick_ms) in cases {
            assert_eq!(Card::new("x").tick_every(interval).asks.tick_ms, Some(tick_ms), "{interval:?}");
        }
    }
}
