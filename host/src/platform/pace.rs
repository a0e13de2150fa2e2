//! How fast one platform may be asked by all workspaces of a process together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_protocol::limits::RateLimit;
use tokio::time::{Instant, sleep_until};

/// The window of the platform's rate limit. The headers do not say how long it is, only when it ends.
const WINDOW: Duration = Duration::from_secs(60);

/// The part of the limit that our own polling takes in the long run...
const STEADY: f64 = 0.85;
/// ...and the part that it may take at once on top of that. With a window that begins at any time the two add up, so
/// that 10 % stay free for what does not wait: heartbeats, and messages of agents.
const BURST: f64 = 0.05;
/// Below this part of the limit, by the platform's own count, polling waits for the next window: the limit is one of
/// the address, and others behind it use it too.
const RESERVE: f64 = 0.10;

/// The paces of all platforms that a process talks to, by origin. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Paces(Arc<Mutex<HashMap<String, Pace>>>);

impl Paces {
    /// The pace of the platform at this origin.
    pub fn of(&self, origin: &str) -> Pace {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paces.entry(origin.to_owned()).or_default().clone()
    }
}

/// How fast one platform may be asked. Clones share it.
///
/// Polling waits for its [`turn`](Self::turn). Everything else, heartbeats above all, goes at once and is only
/// [`count`](Self::count)ed. Without limits from the platform nothing waits.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    limit: Option<Limit>,
    /// Polling rests until then: the platform has said so.
    paused_until: Option<Instant>,
}

/// A leaky bucket in the form that needs no ticking: requests are as far apart as `interval`, and `due` is when the
/// next one would be if all before it had been; `burst` is by how much it may be ahead of that.
#[derive(Debug)]
struct Limit {
    per_window: u64,
    interval: Duration,
    burst: Duration,
    due: Instant,
}

impl Pace {
    /// Waits until one more request of polling may go. Requests are let go in the order in which they asked.
    ///
    /// Dropping the future gives the turn up; it is not given to another.
    pub async fn turn(&self) {
        let mut slot = None;
        loop {
            let wake = {
                let mut inner = self.lock();
                let now = Instant::now();
                match inner.paused_until.filter(|until| *until > now) {
                    // What was reserved before the pause is void: otherwise all would go at once when it ends.
                    Some(until) => {
                        slot = None;
                        until
                    }
                    None => *slot.get_or_insert_with(|| inner.reserve(now)),
                }
            };
            if wake <= Instant::now() {
                return;
            }
            sleep_until(wake).await;
        }
    }

    /// Counts a request that does not wait.
    ///
    /// A window's worth of them at most: the platform forgets, too, and polling must not rest for ever.
    pub fn count(&self) {
        let now = Instant::now();
        let mut inner = self.lock();
        if inner.limit.as_ref().is_some_and(|limit| limit.due < now + WINDOW) {
            inner.reserve(now);
        }
    }

    /// Takes note of what an answer says about the limit. An answer that says nothing changes nothing.
    pub fn learn(&self, said: Option<RateLimit>) {
        let Some(said) = said else { return };
        let now = Instant::now();
        let mut inner = self.lock();
        inner.limit = match (said.limit.filter(|limit| *limit > 0), inner.limit.take()) {
            (None, _) => None,
            (Some(limit), Some(known)) if known.per_window == limit => Some(known),
            (Some(limit), _) => Some(Limit::new(limit, now)),
        };
        if let (Some(limit), Some(remaining), Some(reset)) = (said.limit, said.remaining, said.reset)
            && (remaining as f64) <= (limit as f64 * RESERVE).floor()
        {
            inner.pause_until(now + reset.min(WINDOW));
        }
    }

    /// No polling for this long: the platform has answered 429.
    pub fn pause(&self, time: Duration) {
        self.lock().pause_until(Instant::now() + time);
    }

    /// How long polling still rests; zero where it does not.
    pub fn paused_for(&self) -> Duration {
        let until = self.lock().paused_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes the next slot and says when it is.
    fn reserve(&mut self, now: Instant) -> Instant {
        let Some(limit) = &mut self.limit else { return now };
        let slot = limit.due.max(now);
        limit.due = slot + limit.interval;
        slot.checked_sub(limit.burst).unwrap_or(now).max(now)
    }

    fn pause_until(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }
}

impl Limit {
    fn new(per_window: u64, now: Instant) -> Self {
        let requests = per_window as f64;
        let interval = WINDOW.div_f64((requests * STEADY).max(1.0));
        Self { per_window, interval, burst: interval.mul_f64((requests * BURST).floor()), due: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(limit: u64, remaining: u64, reset: u64) -> Option<RateLimit> {
        Some(RateLimit {
            limit: Some(limit),
            remaining: Some(remaining),
            reset: Some(Duration::from_secs(reset)),
        })
    }

    /// The turns that are given within a time.
    async fn turns_within(pace: &Pace, time: Duration) -> usize {
        let (end, mut turns) = (Instant::now() + time, 0);
        while tokio::time::timeout_at(end, pace.turn()).await.is_ok() {
            turns += 1;
            assert!(turns < 10_000, "nothing holds it back");
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn polling_leaves_a_tenth_of_every_window_free() {
        let pace = Pace::default();
        pace.learn(said(600, 599, 60));
        let first = turns_within(&pace, WINDOW).await;
        assert!((530..=540).contains(&first), "{first}");
        let next = turns_within(&pace, WINDOW).await;
        assert!((500..=515).contains(&next), "{next}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_wait_is_taken_from_what_waits() {
        let pace = Pace::default();
        pace.learn(said(600, 599, 60));
        for _ in 0..300 {
            pace.count();
        }
        let turns = turns_within(&pace, WINDOW).await;
        assert!((230..=240).contains(&turns), "{turns}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let pace = Pace::default();
        let unlimited = RateLimit { limit: None, remaining: None, reset: None };
        for says in [None, Some(unlimited)] {
            pace.learn(says);
            let before = Instant::now();
            for _ in 0..5000 {
                pace.turn().await;
            }
            assert_eq!(Instant::now(), before, "{says:?}");
        }
        pace.learn(said(1, 0, 1));
        pace.learn(Some(unlimited));
        assert!(pace.lock().limit.is_none(), "a limit that was lifted is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_back_polling_of_every_client_and_a_longer_one_counts() {
        let paces = Paces::default();
        let (one, other) = (paces.of("http://a"), paces.of("http://a"));
        one.pause(Duration::from_secs(10));
        one.pause(Duration::from_secs(3));
        let before = Instant::now();
        other.count();
        assert_eq!(Instant::now(), before, "what does not wait does not wait for this either");
        paces.of("http://b").turn().await;
        assert_eq!(Instant::now(), before, "another platform has its own pace");
        other.turn().await;
        assert_eq!(Instant::now() - before, Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn polling_waits_for_the_next_window_when_others_have_used_this_one_up() {
        let pace = Pace::default();
        pace.learn(said(600, 61, 20));
        assert_eq!(pace.paused_for(), Duration::ZERO);
        pace.learn(said(600, 60, 20));
        let before = Instant::now();
        pace.turn().await;
        assert_eq!(Instant::now() - before, Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_waited_for_the_same_pause_do_not_go_all_at_once() {
        // Whether they came during the pause, or had got their turns before it began.
        for paused_before in [true, false] {
            let pace = Pace::default();
            pace.learn(said(600, 599, 60));
            let end = Instant::now() + Duration::from_secs(30);
            if paused_before {
                pace.pause(Duration::from_secs(30));
            }
            let waiting: Vec<_> = (0..100)
                .map(|_| {
                    let pace = pace.clone();
                    tokio::spawn(async move {
                        pace.turn().await;
                        Instant::now()
                    })
                })
                .collect();
            tokio::task::yield_now().await;
            pace.pause(Duration::from_secs(30));
            let mut waited = 0;
            let mut at_once = 0;
            for one in waiting {
                let went = one.await.unwrap();
                waited += usize::from(went >= end);
                at_once += usize::from(went >= end && went - end < Duration::from_millis(10));
            }
            assert!(waited >= 65, "{waited} had to wait");
            assert!((1..=40).contains(&at_once), "{at_once} of {waited}");
        }
    }
}
