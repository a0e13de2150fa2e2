//! How fast one platform may be asked by all workspaces of a process together.
//!
//! The platform counts in windows that begin at any time, so that what is let go at once and what is let go in the long
//! run add up. Of the limit, polling takes 90 % at most; what agents ask for takes half of the rest as well, so that it
//! goes at once where polling has used up its own; heartbeats wait for nothing, and the last 5 % are theirs alone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_protocol::limits::RateLimit;
use tokio::time::{Instant, sleep_until};

/// The window of the platform's rate limit. The headers do not say how long it is, only when it ends.
pub const WINDOW: Duration = Duration::from_secs(60);

/// The part of the limit that is let go in the long run...
const STEADY: f64 = 0.85;
/// ...the part that polling may be ahead of that...
const POLLING_AHEAD: f64 = 0.05;
/// ...and the part that what is asked for may be.
const ASKED_AHEAD: f64 = 0.10;
/// The share of the long run that agents may take for themselves: the rest is polling's, however much they ask.
const ASKED_SHARE: f64 = 0.75;

/// Below this part of the limit, by the platform's own count, polling waits for the next window: the limit is one of
/// the address, and others behind it use it too.
const POLLING_RESERVE: f64 = 0.10;
/// Below this one, what is asked for waits as well.
const ASKED_RESERVE: f64 = 0.05;

/// Whoever is asked for something is told at once where it would take longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

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
/// Polling waits for its [`turn`](Self::turn), and what somebody waits for waits a little ([`soon`](Self::soon)).
/// Heartbeats go at once and are only [`count`](Self::count)ed. Without limits from the platform nothing waits.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    /// Whoever holds it is the next to poll: in the order in which they came.
    polling: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    limit: Option<Limit>,
    /// Polling rests until then.
    polling_rests: Option<Instant>,
    /// So does what is asked for.
    asked_rests: Option<Instant>,
    /// What all workspaces need in a window if they only poll and beat.
    needed: f64,
    /// Somebody was told that this is too much.
    told: bool,
}

/// What the platform allows, and how much of it is used.
#[derive(Debug)]
struct Limit {
    per_window: u64,
    /// All requests.
    all: Bucket,
    /// Those that are asked for.
    asked: Bucket,
}

/// A leaky bucket in the form that needs no ticking: requests are as far apart as `interval`, and `due` is when the
/// next one would be if all before it had been.
#[derive(Debug)]
struct Bucket {
    interval: Duration,
    due: Instant,
}

/// More workspaces than the platform's limit can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Requests that polling and heartbeats of all of them need in a window.
    pub needed: u64,
    /// Requests that the platform takes in one.
    pub limit: u64,
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the agents of this process need {} requests a minute for heartbeats and polling, and the platform takes {} from \
             this address: they will hear of messages late; have RATE_LIMIT raised, lengthen --poll-interval, or run some of \
             them behind another address",
            self.needed, self.limit
        )
    }
}

/// A workspace that asks the platform all the time, for as long as this is kept.
#[derive(Debug)]
pub struct Presence {
    pace: Pace,
    needs: f64,
}

impl Pace {
    /// Waits until one more request of polling may go. Requests are let go in the order in which they asked.
    ///
    /// Dropping the future gives the turn up; it is not given to another.
    pub async fn turn(&self) {
        let _next = self.0.polling.lock().await;
        loop {
            let wake = {
                let mut inner = self.lock();
                let now = Instant::now();
                match inner.polling_at(now) {
                    Some(wake) => wake,
                    None => return inner.count(now),
                }
            };
            sleep_until(wake).await;
        }
    }

    /// Waits until one more request that somebody waits for may go, if that is soon.
    ///
    /// # Errors
    /// How long it would take, when that is longer than anybody likes to wait: 5 s.
    pub async fn soon(&self) -> Result<(), Duration> {
        let end = Instant::now() + PATIENCE;
        let mut slot = None;
        loop {
            let wake = {
                let mut inner = self.lock();
                let now = Instant::now();
                let wake = inner.asked_at(now, slot);
                match wake {
                    Some(wake) if wake > end => return Err(wake - now),
                    _ => {}
                }
                // Its place among those who wait is its own from now on.
                if slot.is_none() {
                    slot = inner.limit.as_mut().map(|limit| limit.asked.take(now));
                }
                match wake {
                    Some(wake) => wake,
                    None => {
                        inner.count(now);
                        return Ok(());
                    }
                }
            };
            sleep_until(wake).await;
        }
    }

    /// Counts a request that does not wait.
    pub fn count(&self) {
        self.lock().count(Instant::now());
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
        if let (Some(limit), Some(remaining), Some(reset)) = (said.limit, said.remaining, said.reset) {
            let is_below = |part: f64| (remaining as f64) <= (limit as f64 * part).floor();
            let renewed = now + reset.min(WINDOW);
            if is_below(POLLING_RESERVE) {
                inner.polling_rests = inner.polling_rests.max(Some(renewed));
            }
            if is_below(ASKED_RESERVE) {
                inner.asked_rests = inner.asked_rests.max(Some(renewed));
            }
        }
    }

    /// Nothing but heartbeats for this long: the platform has answered 429.
    pub fn pause(&self, time: Duration) {
        let until = Some(Instant::now() + time);
        let mut inner = self.lock();
        inner.polling_rests = inner.polling_rests.max(until);
        inner.asked_rests = inner.asked_rests.max(until);
    }

    /// How long polling still rests; zero where it does not.
    pub fn paused_for(&self) -> Duration {
        let until = self.lock().polling_rests;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// One more workspace, which needs so many requests in a [`WINDOW`] for polling and heartbeats.
    pub fn join(&self, needs: f64) -> Presence {
        let mut inner = self.lock();
        inner.needed += needs;
        inner.told = false;
        Presence { pace: self.clone(), needs }
    }

    /// Whether there are more workspaces than the limit carries. Says so once, and again after another has
    /// [joined](Self::join).
    pub fn crowd(&self) -> Option<Crowd> {
        let mut inner = self.lock();
        let limit = inner.limit.as_ref()?.per_window;
        if inner.told || inner.needed <= limit as f64 * (1.0 - POLLING_RESERVE) {
            return None;
        }
        inner.told = true;
        Some(Crowd { needed: inner.needed.ceil() as u64, limit })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.pace.lock().needed -= self.needs;
    }
}

impl Inner {
    /// When polling may be looked at again; `None` if it may go now.
    fn polling_at(&self, now: Instant) -> Option<Instant> {
        let due = self.limit.as_ref().and_then(|limit| limit.all.at(limit.ahead(POLLING_AHEAD)));
        due.max(self.polling_rests).filter(|wake| *wake > now)
    }

    /// The same for what is asked for, which may have its slot already.
    fn asked_at(&self, now: Instant, slot: Option<Instant>) -> Option<Instant> {
        let among_all = self.limit.as_ref().and_then(|limit| limit.all.at(limit.ahead(ASKED_AHEAD)));
        let among_asked = self
            .limit
            .as_ref()
            .and_then(|limit| slot.unwrap_or(limit.asked.due).checked_sub(limit.ahead(ASKED_AHEAD)));
        among_all.max(among_asked).max(self.asked_rests).filter(|wake| *wake > now)
    }

    /// A window's worth at most: the platform forgets, too, and nothing must rest for ever.
    fn count(&mut self, now: Instant) {
        if let Some(limit) = self.limit.as_mut().filter(|limit| limit.all.due < now + WINDOW) {
            limit.all.take(now);
        }
    }
}

impl Limit {
    fn new(per_window: u64, now: Instant) -> Self {
        let steady = per_window as f64 * STEADY;
        let bucket = |requests: f64| Bucket { interval: WINDOW.div_f64(requests.max(1.0)), due: now };
        Self { per_window, all: bucket(steady), asked: bucket(steady * ASKED_SHARE) }
    }

    /// How long before it is due a request may go, of which this part of the limit may be ahead.
    fn ahead(&self, part: f64) -> Duration {
        self.all.interval.mul_f64((self.per_window as f64 * part).floor())
    }
}

impl Bucket {
    /// When a request may go that may be so far ahead; `None` is always.
    fn at(&self, ahead: Duration) -> Option<Instant> {
        self.due.checked_sub(ahead)
    }

    /// Takes the next slot and says when it is.
    fn take(&mut self, now: Instant) -> Instant {
        let slot = self.due.max(now);
        self.due = slot + self.interval;
        slot
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
    async fn what_is_asked_for_goes_at_once_where_polling_has_used_up_its_part() {
        let pace = Pace::default();
        pace.learn(said(600, 599, 60));
        let polling = tokio::spawn({
            let pace = pace.clone();
            async move { turns_within(&pace, 2 * WINDOW).await }
        });
        tokio::time::sleep(WINDOW).await;
        for _ in 0..25 {
            let before = Instant::now();
            pace.soon().await.unwrap();
            assert_eq!(Instant::now(), before);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(polling.await.unwrap() > 950, "and polling goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_more_than_there_is_is_refused_at_once_and_told_for_how_long() {
        let pace = Pace::default();
        pace.learn(said(600, 599, 60));
        let asking = (0..200).map(|_| {
            let pace = pace.clone();
            async move {
                let before = Instant::now();
                (pace.soon().await, Instant::now() - before)
            }
        });
        let outcomes = futures::future::join_all(asking).await;
        let (went, refused): (Vec<_>, Vec<_>) =
            outcomes.into_iter().partition(|(outcome, _)| outcome.is_ok());
        assert!((70..=80).contains(&went.len()), "{} went", went.len());
        assert!(went.iter().all(|(_, waited)| *waited <= PATIENCE));
        for (outcome, waited) in refused {
            assert_eq!(waited, Duration::ZERO);
            assert!(outcome.unwrap_err() > PATIENCE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn polling_gets_its_share_however_much_is_asked_for() {
        let pace = Pace::default();
        pace.learn(said(600, 599, 60));
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let pace = pace.clone();
                tokio::spawn(async move {
                    loop {
                        if let Err(wait) = pace.soon().await {
                            tokio::time::sleep(wait).await;
                        }
                    }
                })
            })
            .collect();
        tokio::time::sleep(WINDOW).await;
        let turns = turns_within(&pace, WINDOW).await;
        asking.iter().for_each(tokio::task::JoinHandle::abort);
        assert!((120..=165).contains(&turns), "{turns}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_waits_for_a_pause_that_is_short_and_is_refused_in_a_long_one() {
        let pace = Pace::default();
        pace.pause(Duration::from_secs(3));
        let before = Instant::now();
        pace.soon().await.unwrap();
        assert_eq!(Instant::now() - before, Duration::from_secs(3));
        pace.pause(Duration::from_secs(30));
        assert_eq!(pace.soon().await.unwrap_err(), Duration::from_secs(30));
        assert_eq!(Instant::now() - before, Duration::from_secs(3), "at once");
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_what_polling_leaves_is_for_what_is_asked_for() {
        let pace = Pace::default();
        pace.learn(said(600, 60, 20));
        let before = Instant::now();
        pace.soon().await.unwrap();
        assert_eq!(Instant::now(), before);
        pace.learn(said(600, 30, 20));
        assert_eq!(pace.soon().await.unwrap_err(), Duration::from_secs(20));
    }

    #[test]
    fn a_crowd_is_told_of_once_for_each_that_joins() {
        let pace = Pace::default();
        let mut all: Vec<_> = (0..33).map(|_| pace.join(16.0)).collect();
        assert_eq!(pace.crowd(), None, "no limit is known");
        pace.learn(said(600, 599, 60));
        assert_eq!(pace.crowd(), None);
        all.push(pace.join(16.0));
        assert_eq!(pace.crowd(), Some(Crowd { needed: 544, limit: 600 }));
        assert_eq!(pace.crowd(), None);
        all.truncate(33);
        all.push(pace.join(1.0));
        assert_eq!(pace.crowd(), None);
    }

    /// A platform that counts in windows of its own, and what the one that asks it does.
    struct Counting {
        limit: u64,
        window: Option<(Instant, u64)>,
    }

    impl Counting {
        /// One more request; what the answer says of the limit. Panics if it is one too many.
        fn asked(&mut self) -> Option<RateLimit> {
            let now = Instant::now();
            let (began, used) = self.window.filter(|(began, _)| now - *began < WINDOW).unwrap_or((now, 0));
            let used = used + 1;
            self.window = Some((began, used));
            assert!(used <= self.limit, "{used} requests in a window of {}", self.limit);
            let reset = (WINDOW - (now - began)).as_secs();
            said(self.limit, self.limit - used, reset)
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

        /// Whatever polls, asks and beats how often at once: no window of the platform has more than its limit.
        #[test]
        fn the_limit_is_never_exceeded(
            limit in 60_u64..1200,
            pollers in 0_u64..60,
            askers in proptest::collection::vec((0_u64..20_000, 1_u64..80), 0..20),
            agents in 0_u64..20,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let pace = Pace::default();
                let platform = Arc::new(Mutex::new(Counting { limit, window: None }));
                let ask = {
                    let (pace, platform) = (pace.clone(), platform.clone());
                    move || pace.learn(platform.lock().unwrap().asked())
                };
                // The limit is known from the first answer.
                ask();
                let mut tasks = tokio::task::JoinSet::new();
                for _ in 0..pollers {
                    let (pace, ask) = (pace.clone(), ask.clone());
                    tasks.spawn(async move { loop { pace.turn().await; ask(); } });
                }
                for (pause, burst) in askers {
                    let (pace, ask) = (pace.clone(), ask.clone());
                    tasks.spawn(async move {
                        loop {
                            for _ in 0..burst {
                                if pace.soon().await.is_ok() { ask(); }
                            }
                            tokio::time::sleep(Duration::from_millis(pause + 1)).await;
                        }
                    });
                }
                // Heartbeats of all agents together take no more than what is theirs: a tenth of the limit.
                for agent in 0..agents.min(limit / 20) {
                    let (pace, ask) = (pace.clone(), ask.clone());
                    tasks.spawn(async move {
                        tokio::time::sleep(Duration::from_millis(agent * 1500)).await;
                        loop {
                            pace.count();
                            ask();
                            tokio::time::sleep(Duration::from_secs(30)).await;
                        }
                    });
                }
                tokio::select! {
                    () = tokio::time::sleep(5 * WINDOW) => {}
                    ended = tasks.join_next(), if !tasks.is_empty() => ended.unwrap().unwrap(),
                }
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_back_polling_of_every_client_and_a_longer_one_counts() {
        let paces = Paces::default();
        let (one, other) = (paces.of("http://a"), paces.of("http://a"));
        one.pause(Duration::from_secs(10));
        one.pause(Duration::from_secs(3));
        let before = Instant::now();
        other.count();
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
