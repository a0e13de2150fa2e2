//! Why something was not allowed.

use std::fmt;
use std::time::Duration;

use crate::cure;
use crate::effect::Effect;
use crate::grants::{Grant, Grants};
use crate::judge::Refusal;

/// What was refused, by which rule, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// The rule that refused.
    pub rule: Rule,
    /// One sentence for a person.
    pub message: String,
    /// The grants that would allow it, as an operator writes them on the command line, where grants can.
    pub grant: Option<String>,
    /// The same, to be added by a program; none where none would help.
    pub cure: Vec<Grant>,
}

/// The rules of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Nothing outside can be reached while the agent only describes itself.
    NotStarted,
    /// Peers must be granted.
    Peer,
    /// A message may have so many bytes.
    Size,
    /// So many in a minute.
    Rate {
        /// After this long there is room for one more.
        retry_after: Duration,
    },
    /// Requests must be granted.
    Network,
    /// A request may only connect to addresses within its reach.
    Address,
    /// The use of a secret must be granted, for the host it goes to.
    Secret,
    /// The sight of a secret must be granted.
    Reveal,
    /// A body may have so many bytes.
    RequestSize,
    /// So many requests in a minute.
    RequestRate {
        /// After this long there is room for one more.
        retry_after: Duration,
    },
    /// So much may be kept.
    StorageQuota,
    /// A plugin must be granted, with its source.
    Plugin,
    /// Memory on the platform must be granted, as far as it reaches.
    Memory,
    /// A file may have so many bytes.
    FileSize,
    /// No sockets.
    Socket,
    /// What a [`Policy`](crate::Policy) refuses.
    Policy,
}

impl Rule {
    /// Its name in a denial, a log and a receipt.
    pub fn name(self) -> &'static str {
        match self {
            Rule::NotStarted => "not-started",
            Rule::Peer => "peer",
            Rule::Size => "message-size",
            Rule::Rate { .. } => "message-rate",
            Rule::Network => "network",
            Rule::Address => "address",
            Rule::Secret => "secret",
            Rule::Reveal => "reveal",
            Rule::RequestSize => "request-size",
            Rule::RequestRate { .. } => "request-rate",
            Rule::StorageQuota => "storage-quota",
            Rule::Plugin => "plugin",
            Rule::Memory => "memory",
            Rule::FileSize => "file-size",
            Rule::Socket => "socket",
            Rule::Policy => "policy",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Denial {
    /// A denial that no grant changes.
    pub fn without_cure(rule: Rule, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), grant: None, cure: Vec::new() }
    }

    /// Explains a refusal. Only here is anything allocated for a decision.
    pub(crate) fn explain(refusal: Refusal, effect: &Effect<'_>, grants: &Grants) -> Self {
        let cure = cure::of(refusal, effect, grants);
        let lines: Vec<String> = cure.iter().map(Grant::to_string).collect();
        let (what, sentence) = (effect.kind().name(), cure::sentence(refusal, effect, grants));
        let between = if refusal == Refusal::NotStarted { " is " } else { ": " };
        Self {
            rule: refusal.rule(),
            message: format!("{what}{between}{sentence}"),
            grant: (!lines.is_empty()).then(|| lines.join(" ")),
            cure,
        }
    }
}

/// As a shell takes it for one word.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, expected) in
            [("bob", "bob"), ("*", "'*'"), ("my peer", "'my peer'"), ("o'neil", "'o'\\''neil'"), ("", "''")]
        {
            assert_eq!(quoted(word), expected);
        }
    }
}
