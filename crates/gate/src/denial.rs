//! Why something was not allowed.

use std::fmt;
use std::time::Duration;

use crate::effect::Effect;
use crate::grants::Limits;

/// What was refused, by which rule, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// The rule that refused.
    pub rule: Rule,
    /// One sentence for a person.
    pub message: String,
    /// The grant that would allow it, as an operator writes it on the command line, where a grant can.
    pub grant: Option<String>,
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
}

impl Rule {
    /// Its name in a denial, a log and a receipt.
    pub fn name(self) -> &'static str {
        match self {
            Rule::NotStarted => "not-started",
            Rule::Peer => "peer",
            Rule::Size => "message-size",
            Rule::Rate { .. } => "message-rate",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Denial {
    /// Explains a refusal. Only here is anything allocated for a decision.
    pub(crate) fn explain(rule: Rule, effect: &Effect<'_>, limits: &Limits) -> Self {
        let what = effect.kind().name();
        let (message, grant) = match rule {
            Rule::NotStarted => (format!("{what} is not possible before the agent has started"), None),
            Rule::Peer => {
                let peer = match effect {
                    Effect::CallPeer { id, name, .. } => name.unwrap_or(id),
                    _ => "*",
                };
                let message = match effect {
                    Effect::CallPeer { .. } => format!("{what}: this agent may not call {peer}"),
                    _ => format!("{what}: this agent may not see any peer"),
                };
                (message, Some(format!("--allow-peer {}", quoted(peer))))
            }
            Rule::Size => (
                format!(
                    "{what}: {} bytes are more than the {} that a message may have",
                    effect.bytes(),
                    limits.message_bytes
                ),
                Some(format!("--max-message-bytes {}", effect.bytes())),
            ),
            Rule::Rate { .. } => (
                format!("{what}: more than {} a minute", limits.messages_per_minute),
                Some(format!("--max-messages-per-minute {}", limits.messages_per_minute.saturating_mul(2))),
            ),
        };
        Self { rule, message, grant }
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
