//! How the agent is, for the next heartbeat.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_protocol::HeartbeatRequest;
use molecule_protocol::heartbeat::WEDGED;
use tokio::time::Instant;

use crate::secrets::Redactor;

/// The error rate is that of the runs within this time ...
const WINDOW: Duration = Duration::from_secs(300);
/// ... if there were so many.
const MIN_SAMPLES: usize = 5;

const SECOND: Duration = Duration::from_secs(1);

/// What the heartbeat says. Everybody writes, the heartbeat reads; the lock is held for a few numbers only.
#[derive(Debug)]
pub(super) struct Vitals {
    started: Instant,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    active: i64,
    task: String,
    wedged: bool,
    last_error: String,
    /// Of every second in which runs ended.
    runs: VecDeque<Runs>,
}

/// The runs that ended within one second.
#[derive(Debug)]
struct Runs {
    began: Instant,
    total: usize,
    failed: usize,
}

impl Vitals {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), now: Mutex::default() }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message is in hand until what comes back is dropped.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.now().active += 1;
        Busy(self)
    }

    /// Messages in hand now.
    pub(super) fn in_hand(&self) -> u64 {
        u64::try_from(self.now().active).unwrap_or_default()
    }

    /// A run of a handler has ended.
    pub(super) fn ran(&self, error: Option<String>) {
        let now = Instant::now();
        let mut vitals = self.now();
        let failed = usize::from(error.is_some());
        match vitals.runs.back_mut().filter(|runs| now.duration_since(runs.began) < SECOND) {
            Some(runs) => {
                runs.total += 1;
                runs.failed += failed;
            }
            None => vitals.runs.push_back(Runs { began: now, total: 1, failed }),
        }
        while vitals.runs.front().is_some_and(|runs| now.duration_since(runs.began) > WINDOW) {
            vitals.runs.pop_front();
        }
        if let Some(error) = error {
            vitals.last_error = error;
        }
    }

    pub(super) fn set_task(&self, task: Option<String>) {
        self.now().task = task.unwrap_or_default();
    }

    pub(super) fn set_wedged(&self, wedged: Option<String>) {
        let mut now = self.now();
        now.wedged = wedged.is_some();
        if let Some(error) = wedged {
            now.last_error = error;
        }
    }

    /// What to say now, without the values of secrets. The client adds the workspace and cuts the texts to their
    /// lengths.
    pub(super) fn heartbeat(&self, redactor: &Redactor) -> HeartbeatRequest {
        let at = Instant::now();
        let now = self.now();
        let recent = || now.runs.iter().filter(|runs| at.duration_since(runs.began) <= WINDOW);
        let total: usize = recent().map(|runs| runs.total).sum();
        let failed: usize = recent().map(|runs| runs.failed).sum();
        let error_rate = if total < MIN_SAMPLES { 0.0 } else { failed as f64 / total as f64 };
        HeartbeatRequest {
            error_rate,
            sample_error: if failed > 0 || now.wedged {
                redactor.redact(&now.last_error).into_owned()
            } else {
                String::new()
            },
            active_tasks: now.active,
            uptime_seconds: i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX),
            current_task: redactor.redact(&now.task).into_owned(),
            runtime_state: if now.wedged { WEDGED.to_owned() } else { String::new() },
            ..HeartbeatRequest::default()
        }
    }
}

/// A message in hand.
pub(super) struct Busy<'a>(&'a Vitals);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.now().active -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heartbeat_says_how_the_agent_is() {
        let vitals = Vitals::new();
        let busy = vitals.busy();
        vitals.set_task(Some("thinking".into()));
        let beat = vitals.heartbeat(&Redactor::default());
        assert_eq!((beat.active_tasks, beat.current_task.as_str()), (1, "thinking"));
        assert_eq!(beat.runtime_state, "", "any other word keeps a degraded workspace degraded");
        drop(busy);
        vitals.set_task(None);
        vitals.set_wedged(Some("boom".into()));
        let beat = vitals.heartbeat(&Redactor::default());
        assert_eq!((beat.active_tasks, beat.current_task.as_str()), (0, ""));
        assert_eq!((beat.runtime_state.as_str(), beat.sample_error.as_str()), ("wedged", "boom"));
    }

    #[test]
    fn the_error_rate_needs_samples() {
        let vitals = Vitals::new();
        for _ in 0..4 {
            vitals.ran(Some("boom".into()));
        }
        assert_eq!(vitals.heartbeat(&Redactor::default()).error_rate, 0.0);
        vitals.ran(None);
        assert_eq!(vitals.heartbeat(&Redactor::default()).error_rate, 0.8);
        assert_eq!(vitals.heartbeat(&Redactor::default()).sample_error, "boom");
    }
}
