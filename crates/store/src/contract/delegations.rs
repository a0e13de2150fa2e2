//! The books on delegations.

use super::ledger::Unknown;
use crate::state::{Delegation, DelegationProgress, DelegationStep, NewDelegation, UnixMillis};

pub(super) fn slot(number: u8) -> String {
    format!("slot {number}")
}

pub(super) fn new(number: u8, at: UnixMillis) -> NewDelegation {
    NewDelegation {
        slot: slot(number),
        key: format!("key of {at}"),
        target: "peer".into(),
        task: format!("task of {at}"),
        at,
    }
}

/// In the order in which they were made, each with when it ended.
#[derive(Debug, Default)]
pub(super) struct Delegations(Vec<(Delegation, Option<UnixMillis>)>);

impl Delegations {
    pub(super) fn open(&mut self, new: NewDelegation) -> Delegation {
        let known = self.0.iter().position(|(known, _)| known.made.slot == new.slot);
        match known.and_then(|index| self.0.get_mut(index)) {
            Some((known, ended)) => {
                if let DelegationProgress::Refused { .. } = known.progress {
                    (known.progress, *ended) = (DelegationProgress::Open, None);
                }
                known.clone()
            }
            None => {
                let made = Delegation { made: new, id: None, progress: DelegationProgress::Open };
                self.0.push((made.clone(), None));
                made
            }
        }
    }

    pub(super) fn step(&mut self, slot: &str, step: DelegationStep, at: UnixMillis) -> Result<(), Unknown> {
        let found = self.0.iter_mut().find(|(known, _)| known.made.slot == slot);
        let (delegation, ended) = found.ok_or(Unknown)?;
        if ended.is_some() {
            return Ok(());
        }
        match step {
            DelegationStep::Accepted { id } => {
                delegation.id.get_or_insert(id);
                return Ok(());
            }
            DelegationStep::Queued => {
                delegation.progress = DelegationProgress::Queued;
                return Ok(());
            }
            DelegationStep::Refused { reason } => {
                let taken = delegation.id.is_some() || delegation.progress == DelegationProgress::Queued;
                if taken {
                    return Ok(());
                }
                delegation.progress = DelegationProgress::Refused { reason };
            }
            DelegationStep::Completed { text } => {
                delegation.progress = DelegationProgress::Completed { text }
            }
            DelegationStep::Failed { reason } => delegation.progress = DelegationProgress::Failed { reason },
        }
        *ended = Some(at);
        Ok(())
    }

    pub(super) fn newest(&self) -> Vec<Delegation> {
        self.0.iter().rev().map(|(delegation, _)| delegation.clone()).collect()
    }

    pub(super) fn open_ones(&self) -> Vec<Delegation> {
        self.0.iter().filter(|(_, ended)| ended.is_none()).map(|(delegation, _)| delegation.clone()).collect()
    }

    pub(super) fn named(&self, id: &str) -> Option<Delegation> {
        self.0.iter().map(|(delegation, _)| delegation).find(|it| it.id.as_deref() == Some(id)).cloned()
    }

    pub(super) fn forget(&mut self, before: UnixMillis) -> u64 {
        let old = |ended: &Option<UnixMillis>| ended.is_some_and(|at| at < before);
        let dropped = self.0.iter().filter(|(_, ended)| old(ended)).count();
        self.0.retain(|(_, ended)| !old(ended));
        dropped as u64
    }
}
