//! A judgment of an embedder's own, on top of the grants.

use std::borrow::Cow;
use std::sync::Arc;

use crate::denial::{Denial, Rule};
use crate::effect::Effect;
use crate::grants::Grants;
use crate::judge::Refusal;

/// Judges what the grants allow already.
///
/// It can refuse and never grant: what an agent may do at most is what its grants say. Whoever wants to decide all by
/// himself grants everything and refuses what he does not want.
///
/// ```
/// use std::borrow::Cow;
///
/// use molecule_gate::{Effect, Policy, Verdict};
///
/// /// No messages between agents for now.
/// struct Quiet;
///
/// impl Policy for Quiet {
///     fn judge(&self, _agent: &str, effect: &Effect<'_>) -> Verdict {
///         match effect {
///             Effect::CallPeer { .. } => Verdict::Deny(Cow::Borrowed("agents do not talk to each other today")),
///             _ => Verdict::AsGranted,
///         }
///     }
/// }
/// ```
pub trait Policy: Send + Sync {
    /// Judges an effect that an agent, named by its workspace id, wants to have. Asked before each such effect, on the
    /// thread that waits for it, by several threads at once: decide from memory, wait for nothing. It is also asked
    /// where something is only explained, so that a judgment is no sign that anything happened.
    fn judge(&self, agent: &str, effect: &Effect<'_>) -> Verdict;
}

/// What a [`Policy`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing more than the grants.
    AsGranted,
    /// No; the reason is told to the agent, and stands in the log.
    Deny(Cow<'static, str>),
}

/// A policy, and for whom it is asked.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) agent: String,
    pub(crate) policy: Arc<dyn Policy>,
}

impl Bound {
    pub(crate) fn judge(&self, effect: &Effect<'_>) -> Result<(), Refused> {
        match self.policy.judge(&self.agent, effect) {
            Verdict::AsGranted => Ok(()),
            Verdict::Deny(reason) => Err(Refused::ByPolicy(reason)),
        }
    }
}

/// Why an effect is refused, and by whom.
#[derive(Debug)]
pub(crate) enum Refused {
    ByGrants(Refusal),
    ByPolicy(Cow<'static, str>),
}

impl Refused {
    pub(crate) fn explain(self, effect: &Effect<'_>, grants: &Grants) -> Denial {
        match self {
            Self::ByGrants(refusal) => Denial::explain(refusal, effect, grants),
            Self::ByPolicy(reason) => {
                Denial::without_cure(Rule::Policy, format!("{}: {reason}", effect.kind().name()))
            }
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::ByGrants(refusal)
    }
}
