//! Tasks given to other workspaces.

use crate::state::{Delegation, DelegationStep, NewDelegation, StateError, UnixMillis};

/// In the order in which they were made, each with when it ended.
#[derive(Debug, Default)]
pub(super) struct Delegations(Vec<(Delegation, Option<UnixMillis>)>);

impl Delegations {
    pub(super) fn open(&mut self, new: NewDelegation) -> Delegation {
        if let Some((known, ended)) = self.0.iter_mut().find(|(known, _)| known.made.slot == new.slot) {
            if known.reopen() {
                *ended = None;
            }
            return known.clone();
        }
        let made = Delegation::new(new);
        self.0.push((made.clone(), None));
        made
    }

    pub(super) fn step(
        &mut self,
        slot: &str,
        step: DelegationStep,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        let found = self.0.iter_mut().find(|(known, _)| known.made.slot == slot);
        let unknown = || StateError::Unknown { what: "delegation", id: slot.to_owned() };
        let (delegation, ended) = found.ok_or_else(unknown)?;
        if delegation.take(step) && delegation.progress.is_ended() {
            *ended = Some(at);
        }
        Ok(())
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Delegation> {
        self.0.iter().map(|(delegation, _)| delegation)
    }

    /// Drops those that ended before a time; how many.
    pub(super) fn forget(&mut self, before: UnixMillis) -> u64 {
        let all = self.0.len();
        self.0.retain(|(_, ended)| ended.is_none_or(|at| at >= before));
        (all - self.0.len()) as u64
    }
}
