//! Counts what happens to an agent, for its operator.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::events::Event;
use crate::status::Messages;

/// What has happened so far.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) started: Instant,
    counted: Mutex<Counted>,
    memory: AtomicUsize,
    /// Microseconds.
    cpu_time: AtomicU64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) messages: Messages,
    pub(super) deaths: u64,
    pub(super) wedged: bool,
    pub(super) heartbeat: Option<Instant>,
    pub(super) last_error: Option<String>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            counted: Mutex::default(),
            memory: AtomicUsize::new(0),
            cpu_time: AtomicU64::new(0),
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn look(&self) -> Counted {
        self.counted().clone()
    }

    /// Bytes of linear memory of the instance.
    pub(super) fn memory(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    pub(super) fn set_memory(&self, bytes: usize) {
        self.memory.store(bytes, Ordering::Relaxed);
    }

    /// CPU time that the agent has used.
    pub(super) fn cpu_time(&self) -> Duration {
        Duration::from_micros(self.cpu_time.load(Ordering::Relaxed))
    }

    pub(super) fn set_cpu_time(&self, used: Duration) {
        let micros = u64::try_from(used.as_micros()).unwrap_or(u64::MAX);
        // An instance that is being killed may still take its last turn beside the next one's first.
        self.cpu_time.fetch_max(micros, Ordering::Relaxed);
    }

    /// Counts an event, before anybody hears of it.
    pub(super) fn count(&self, event: &Event) {
        let mut counted = self.counted();
        match event {
            Event::Heartbeat => counted.heartbeat = Some(Instant::now()),
            Event::MessageIn { .. } => counted.messages.received += 1,
            Event::Handled { .. } => counted.messages.handled += 1,
            Event::DeadLetter { id, reason } => {
                counted.messages.given_up += 1;
                counted.last_error = Some(format!("message {id} was given up: {reason}"));
            }
            Event::Undeliverable { to, reason } => {
                counted.last_error = Some(format!("an answer to {to} is lost: {reason}"));
            }
            Event::Died { death, .. } => {
                counted.deaths += 1;
                counted.last_error = Some(death.to_string());
            }
            Event::Wedged { death } => {
                counted.wedged = true;
                counted.last_error = Some(death.to_string());
            }
            Event::Recovered => counted.wedged = false,
            Event::Trouble(line) => counted.last_error = Some(line.clone()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use molecule_runtime::{Cause, Death};

    use super::*;

    #[test]
    fn what_happens_is_counted_and_the_latest_trouble_is_remembered() {
        let tally = Tally::new();
        let death = || Death { cause: Cause::Host("boom".into()), backtrace: None };
        for event in [
            Event::MessageIn { id: "m".into(), from: "user".into() },
            Event::MessageIn { id: "n".into(), from: "user".into() },
            Event::Handled { id: "m".into(), answered: true, took: Default::default() },
            Event::Died { death: death(), backoff: Default::default() },
            Event::Wedged { death: death() },
            Event::DeadLetter { id: "n".into(), reason: "boom".into() },
            Event::Recovered,
        ] {
            tally.count(&event);
        }
        let counted = tally.look();
        let Messages { received, handled, given_up, .. } = counted.messages;
        assert_eq!((received, handled, given_up, counted.deaths, counted.wedged), (2, 1, 1, 1, false));
        assert_eq!(counted.last_error.as_deref(), Some("message n was given up: boom"));
        assert_eq!(counted.heartbeat, None);
        tally.count(&Event::Heartbeat);
        assert!(tally.look().heartbeat.is_some());
    }
}
