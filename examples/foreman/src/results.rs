//! Results that jobs in hand wait for. A result is there twice, by message and where a job looks for it, and is told once.

use std::collections::{BTreeMap, VecDeque};

use molecule_guest::DelegationStatus;

/// Delegations that were told of and are remembered.
const MOST: usize = 200;

/// What is waited for, by the delegation's id, and what was told. All else is at the host and the platform.
#[derive(Default)]
pub struct Results {
    awaited: BTreeMap<String, Option<DelegationStatus>>,
    told: VecDeque<String>,
}

impl Results {
    /// A job waits for this one from now on.
    pub fn expect(&mut self, id: &str) {
        self.awaited.entry(id.to_owned()).or_default();
    }

    /// One has come by message. False where somebody else must tell of it.
    pub fn take_in(&mut self, id: &str, result: DelegationStatus) -> bool {
        match self.awaited.get_mut(id) {
            Some(place) => {
                *place = Some(result);
                true
            }
            None => self.told.iter().any(|told| told == id),
        }
    }

    /// What has come by message.
    pub fn come(&self, id: &str) -> Option<DelegationStatus> {
        self.awaited.get(id).cloned().flatten()
    }

    /// The job has told of it.
    pub fn tell(&mut self, id: &str) {
        self.give_up(id);
        self.told.push_back(id.to_owned());
        if self.told.len() > MOST {
            self.told.pop_front();
        }
    }

    /// No job waits for it any more.
    pub fn give_up(&mut self, id: &str) {
        self.awaited.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_told_once_and_what_nobody_waits_for_is_not_taken_in() {
        let mut results = Results::default();
        results.expect("a");
        results.expect("b");
        assert!(!results.take_in("c", "3".into()), "nobody waits for it");
        assert!(results.take_in("a", "1".into()));
        assert_eq!((results.come("a"), results.come("b")), (Some("1".into()), None));
        results.tell("a");
        results.give_up("b");
        assert!(results.take_in("a", "1".into()), "it is told");
        assert!(!results.take_in("b", "2".into()), "somebody else must tell of it");
    }

    #[test]
    fn what_was_told_is_remembered_for_a_while() {
        let mut results = Results::default();
        for id in 0..=MOST {
            results.tell(&id.to_string());
        }
        assert!(!results.take_in("0", "x".into()) && results.take_in("1", "x".into()));
    }
}
