//! A denial may be appealed: somebody is asked before the agent is told.

use molecule_gate::{Act, Denial, Effect, Grant, Permit, Rule};

use crate::agent::Agent;
use crate::guest::Call;

/// What came of an appeal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appeal {
    /// The denial stands.
    Denied,
    /// The cure of the denial holds for this act.
    Once,
    /// The cure has been granted: the gate knows it by now.
    Granted,
}

/// Passes the gate, and asks before it is denied. The wait is the callback's; whoever drops the future asks no more.
pub(crate) async fn pass_or_appeal<A: Act>(agent: &Agent, call: &Call, act: A) -> Result<Permit<A>, Denial> {
    let appealed = appeal(agent, call, &act.effect());
    let once = appealed.await;
    agent.gate.pass_once(act, call.message.as_deref(), &once)
}

/// Asks whether an effect that is denied may be had all the same: the grants that hold for it this once, if any.
///
/// Not asked about are what no grant would change, and how often something may be done: what an agent does a hundred
/// times a minute is no question for a person.
pub(crate) fn appeal<'a>(
    agent: &'a Agent,
    call: &'a Call,
    effect: &Effect<'_>,
) -> impl Future<Output = Vec<Grant>> + Send + use<'a> {
    let hears = agent.services.hears_appeals() && !agent.gate.allows(effect);
    let denial = hears.then(|| agent.gate.explain(effect).outcome.err()).flatten();
    async move {
        let Some(denial) = denial.filter(may_be_appealed) else { return Vec::new() };
        match agent.services.appeal(&denial, call).await {
            Appeal::Once => denial.cure,
            Appeal::Denied | Appeal::Granted => Vec::new(),
        }
    }
}

fn may_be_appealed(denial: &Denial) -> bool {
    !denial.cure.is_empty() && !matches!(denial.rule, Rule::Rate { .. } | Rule::RequestRate { .. })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_no_grant_changes_is_not_asked_about_and_neither_is_a_rate() {
        let cure = vec![Grant::Peer("bob".parse().unwrap())];
        let retry_after = Duration::ZERO;
        for (rule, cure, expected) in [
            (Rule::Peer, cure.clone(), true),
            (Rule::Peer, vec![], false),
            (Rule::Size, cure.clone(), true),
            (Rule::Rate { retry_after }, cure.clone(), false),
            (Rule::RequestRate { retry_after }, cure, false),
        ] {
            let denial = Denial { cure, ..Denial::without_cure(rule, "no") };
            assert_eq!(may_be_appealed(&denial), expected, "{denial:?}");
        }
    }
}
