//! How often an instance has died, and what follows from it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Restarts;

/// The deaths of an actor's instances.
#[derive(Debug)]
pub(super) struct Deaths {
    policy: Restarts,
    recent: VecDeque<Instant>,
    in_a_row: u32,
    wedged: bool,
}

impl Deaths {
    pub(super) fn new(policy: Restarts) -> Self {
        Self { policy, recent: VecDeque::new(), in_a_row: 0, wedged: false }
    }

    /// Counts a death of an instance that was built at `born`: how long to wait, and whether the agent is wedged from
    /// now on.
    pub(super) fn count(&mut self, born: Instant, now: Instant) -> (Duration, bool) {
        if now.duration_since(born) >= self.policy.healthy_after {
            self.in_a_row = 0;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        let doublings = (self.in_a_row - 1).min(20);
        let wait = self.policy.first.saturating_mul(1 << doublings).min(self.policy.max);

        self.recent.push_back(now);
        while let Some(oldest) = self.recent.front()
            && (now.duration_since(*oldest) > self.policy.wedged_within
                || self.recent.len() > self.policy.wedged_deaths.max(1))
        {
            self.recent.pop_front();
        }
        let newly_wedged = !self.wedged && self.recent.len() >= self.policy.wedged_deaths.max(1);
        self.wedged |= newly_wedged;
        (wait, newly_wedged)
    }

    /// Something worked: whether the agent was wedged until now.
    pub(super) fn recovered(&mut self) -> bool {
        let was_wedged = std::mem::take(&mut self.wedged);
        if was_wedged {
            self.recent.clear();
            self.in_a_row = 0;
        }
        was_wedged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Restarts {
        Restarts {
            first: Duration::from_millis(100),
            max: Duration::from_secs(1),
            healthy_after: Duration::from_secs(60),
            wedged_deaths: 3,
            wedged_within: Duration::from_secs(10),
        }
    }

    #[test]
    fn the_wait_doubles_to_a_bound_and_starts_again_after_a_healthy_life() {
        let start = Instant::now();
        let mut deaths = Deaths::new(policy());
        let waits: Vec<u128> = (0..6).map(|_| deaths.count(start, start).0.as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        let later = start + Duration::from_secs(60);
        assert_eq!(deaths.count(start, later).0.as_millis(), 100);
    }

    #[test]
    fn many_deaths_in_little_time_are_a_wedge_and_one_success_ends_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deaths = Deaths::new(policy());
        let wedged: Vec<bool> = [0, 8, 16, 17, 18].map(|s| deaths.count(at(s), at(s)).1).to_vec();
        assert_eq!(wedged, [false, false, false, true, false], "said once");
        assert!(deaths.recovered());
        assert!(!deaths.recovered());
        assert!(!deaths.count(at(19), at(19)).1);
    }
}
