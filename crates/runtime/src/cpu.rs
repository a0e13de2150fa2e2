//! The CPU time of an agent: its minute, and the callback in hand.
//!
//! It is the time of the thread, read around each poll of an instance: what other programs of the machine take away, and
//! what the agent waits for, is not its own. A guest that computes yields at every tick of the epoch, which is where one
//! that has taken too much is stopped.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use wasmtime::{StoreContextMut, UpdateDeadline};

use crate::agent::{AgentEvent, Observer};
use crate::engine::Ticker;
use crate::guest::{Call, Guest, caller};
use crate::limits::Limits;

/// What an agent may still use in this minute. A bucket that holds a minute's worth and fills steadily.
#[derive(Debug)]
pub(crate) struct Quota {
    per_minute: Duration,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// What was used in all.
    used: Duration,
    /// Nanoseconds of CPU time in hand at `at`. Below zero is what was used beyond that.
    level: i64,
    at: Instant,
    /// It ran empty, and has not been full since.
    scarce: bool,
}

/// An agent that has used up its minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Throttle {
    /// How long until it may go on.
    wait: Duration,
    /// The first wait since the bucket was full.
    first: bool,
}

const MINUTE: Duration = Duration::from_secs(60);
/// As much is saved up at least before a throttled agent goes on: otherwise it would wake for nothing.
const SLICE: Duration = Duration::from_millis(10);

impl Quota {
    pub(crate) fn new(limits: &Limits) -> Self {
        // Of nothing a minute nobody could ever live.
        let per_minute = limits.cpu_per_minute.clamp(Duration::from_millis(1), MINUTE);
        let (used, level) = (Duration::ZERO, nanos(per_minute));
        let bucket = Bucket { used, level, at: Instant::now(), scarce: false };
        Self { per_minute, bucket: Mutex::new(bucket) }
    }

    /// Whether it has been used up, not long ago.
    pub(crate) fn is_scarce(&self) -> bool {
        self.lock().scarce
    }

    /// What was used in all.
    fn used(&self) -> Duration {
        self.lock().used
    }

    /// Counts what was used.
    fn take(&self, used: Duration, now: Instant) -> Option<Throttle> {
        let full = nanos(self.per_minute);
        let mut bucket = self.lock();
        bucket.used = bucket.used.saturating_add(used);
        let passed = nanos(now.saturating_duration_since(bucket.at));
        let filled = i128::from(passed) * i128::from(full) / i128::from(nanos(MINUTE));
        let level = bucket.level.saturating_add(i64::try_from(filled).unwrap_or(i64::MAX)).min(full);
        bucket.at = now;
        bucket.scarce &= level < full;
        bucket.level = level.saturating_sub(nanos(used));
        // A whole core is no bound: nobody can use more.
        if bucket.level > 0 || self.per_minute >= MINUTE {
            return None;
        }
        let missing = nanos(SLICE.min(self.per_minute)).saturating_sub(bucket.level);
        let wait = i128::from(missing) * i128::from(nanos(MINUTE)) / i128::from(full);
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX));
        Some(Throttle { wait, first: !std::mem::replace(&mut bucket.scarce, true) })
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What the callback in hand, or the run that lets none of the others go on, has used.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: Duration,
    /// With one callback in flight at a time, all of its runs are counted; with more, each run for itself, since
    /// nobody can tell whose the others were.
    one_at_a_time: bool,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    /// Used before `since`.
    before: Duration,
    /// The thread's time from which on more is used, while the instance is being polled.
    since: Duration,
    in_flight: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits, one_at_a_time: bool) -> Self {
        Self { limit: limits.callback_cpu, one_at_a_time, spent: Mutex::default() }
    }

    /// A callback begins.
    pub(crate) fn began(&self) {
        let mut spent = self.lock();
        spent.in_flight += 1;
        spent.start_over();
    }

    /// A callback has ended.
    pub(crate) fn ended(&self) {
        self.lock().in_flight -= 1;
    }

    /// The instance takes commands: whatever ran in it has paused.
    pub(crate) fn paused(&self) {
        let mut spent = self.lock();
        if !self.one_at_a_time || spent.in_flight == 0 {
            spent.start_over();
        }
    }

    fn is_spent(&self) -> bool {
        let spent = self.lock();
        spent.before + thread_time().saturating_sub(spent.since) > self.limit
    }

    fn poll_begins(&self, now: Duration) {
        self.lock().since = now;
    }

    fn poll_ends(&self, now: Duration) {
        let mut spent = self.lock();
        let used = now.saturating_sub(spent.since);
        spent.before += used;
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn start_over(&mut self) {
        self.before = Duration::ZERO;
        self.since = thread_time();
    }
}

/// The end of a callback that took more CPU time than it may.
#[derive(Debug, thiserror::Error)]
#[error("it took more than {limit:?} of CPU time")]
pub(crate) struct OutOfCpu {
    /// Which callback; none while the instance was being built.
    pub(crate) call: Option<Arc<Call>>,
    pub(crate) limit: Duration,
}

/// At a tick: others get their turn, unless there shall be no other turn for this one.
pub(crate) fn at_tick(mut store: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let budget = store.data().budget.clone();
    if budget.is_spent() {
        let (_, call) = caller(&mut store)?;
        return Err(wasmtime::Error::new(OutOfCpu { call, limit: budget.limit }));
    }
    Ok(UpdateDeadline::Yield(1))
}

/// Counts the time of an instance.
pub(crate) struct Meter {
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) observer: Arc<dyn Observer>,
}

impl Meter {
    /// While the future, which runs the instance, is polled the clock ticks and its time is counted. Where the agent's
    /// minute is used up it waits.
    pub(crate) fn around<F: Future>(self, future: F) -> Metered<F> {
        Metered { meter: self, throttled: None, future: Box::pin(future) }
    }
}

/// A future whose time is counted.
pub(crate) struct Metered<F> {
    meter: Meter,
    throttled: Option<Pin<Box<Sleep>>>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(wait) = &mut self.throttled {
            std::task::ready!(wait.as_mut().poll(context));
            self.throttled = None;
        }
        let began = thread_time();
        self.meter.budget.poll_begins(began);
        let polled = {
            let _ticking = self.meter.ticker.ticking();
            self.future.as_mut().poll(context)
        };
        let ended = thread_time();
        self.meter.budget.poll_ends(ended);
        let throttle = self.meter.quota.take(ended.saturating_sub(began), Instant::now());
        self.meter.observer.cpu_time(self.meter.quota.used());
        if let (Poll::Pending, Some(Throttle { wait, first })) = (&polled, throttle) {
            if first {
                let cpu_per_minute = self.meter.quota.per_minute;
                self.meter.observer.event(AgentEvent::Throttled { cpu_per_minute });
            }
            let mut wait = Box::pin(tokio::time::sleep(wait));
            // It was just made: this only says whom to wake. What woke it meanwhile is seen to after the wait.
            if wait.as_mut().poll(context).is_pending() {
                self.throttled = Some(wait);
            } else {
                context.waker().wake_by_ref();
            }
        }
        polled
    }
}

/// The CPU time of this thread.
#[cfg(unix)]
fn thread_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Where threads have no clock of their own, the time that passes: an agent pays for what others take.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(per_minute: Duration) -> (Quota, Instant) {
        let quota = Quota::new(&Limits { cpu_per_minute: per_minute, ..Limits::default() });
        let start = quota.lock().at;
        (quota, start)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_minute_s_worth_is_there_at_once_and_the_rest_steadily() {
        let (quota, start) = quota(6 * SECOND);
        assert_eq!(quota.take(5 * SECOND, start), None);
        assert!(!quota.is_scarce());
        // Used up, and a second more than that: ten seconds pass for each, and for the slice to go on with.
        let throttle = quota.take(2 * SECOND, start).unwrap();
        assert_eq!((throttle.wait, throttle.first), (10 * SECOND + 10 * SLICE, true));
        assert!(quota.is_scarce());
        assert_eq!(quota.take(Duration::ZERO, start + throttle.wait), None);
    }

    #[test]
    fn that_it_is_used_up_is_said_again_only_after_a_rest() {
        let (quota, start) = quota(6 * SECOND);
        assert!(quota.take(6 * SECOND, start).unwrap().first);
        for second in 1..100 {
            let throttle = quota.take(SECOND, start + second * SECOND);
            assert!(!throttle.unwrap().first, "second {second}");
        }
        assert_eq!(quota.take(Duration::ZERO, start + 10_000 * SECOND), None);
        assert!(!quota.is_scarce());
        assert!(quota.take(6 * SECOND, start + 10_000 * SECOND).unwrap().first);
    }

    #[test]
    fn an_hour_s_rest_is_worth_a_minute() {
        let (quota, start) = quota(6 * SECOND);
        assert_eq!(quota.take(Duration::ZERO, start + 3600 * SECOND), None);
        assert!(quota.take(6 * SECOND, start + 3600 * SECOND).is_some());
    }

    #[test]
    fn a_whole_core_is_no_bound() {
        let (quota, start) = quota(60 * SECOND);
        assert_eq!(quota.take(3600 * SECOND, start), None);
    }

    /// Uses so much of this thread's time.
    fn work(time: Duration) {
        let until = thread_time() + time;
        while thread_time() < until {}
    }

    fn polled(budget: &Budget, work: impl FnOnce()) {
        budget.poll_begins(thread_time());
        work();
        budget.poll_ends(thread_time());
    }

    #[test]
    fn one_callback_at_a_time_has_all_of_its_runs_counted() {
        let limits = Limits { callback_cpu: 10 * SLICE / 5, ..Limits::default() };
        for (one_at_a_time, spent) in [(true, true), (false, false)] {
            let budget = Budget::new(&limits, one_at_a_time);
            polled(&budget, || budget.began());
            for _ in 0..3 {
                polled(&budget, || {
                    budget.paused();
                    work(SLICE);
                });
            }
            budget.poll_begins(thread_time());
            assert_eq!(budget.is_spent(), spent);
            // The next one has a budget of its own.
            budget.ended();
            budget.began();
            assert!(!budget.is_spent());
            // And a run that does not pause is stopped, whatever flies beside it.
            work(3 * SLICE);
            assert!(budget.is_spent());
        }
    }
}
