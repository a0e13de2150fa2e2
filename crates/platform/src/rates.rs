//! Requests counted by address, in windows of 60 s.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::clock::time;

/// What one address asked for within 60 s, from the first request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateWindow {
    /// Whose requests.
    pub client: IpAddr,
    /// When the first one came.
    pub began: Timestamp,
    /// How many came, those that were refused among them.
    pub requests: u64,
    /// How many were beyond the limit.
    pub refused: u64,
}

/// The windows of all addresses: those that run, and those that are over.
#[derive(Debug, Default)]
pub(crate) struct RateWindows(Mutex<Windows>);

#[derive(Debug, Default)]
struct Windows {
    running: HashMap<IpAddr, Window>,
    over: VecDeque<(IpAddr, Window)>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: i64,
    requests: u64,
    refused: u64,
}

/// Where a request stands in its window.
pub(crate) struct Count {
    pub(crate) exceeded: bool,
    pub(crate) remaining: u64,
    /// Seconds until the window is renewed.
    pub(crate) reset: u64,
}

impl RateWindows {
    /// Microseconds.
    const LENGTH: i64 = 60_000_000;
    /// The most windows that are remembered once they are over: a week of one address.
    const REMEMBERED: usize = 10_080;
    /// With more addresses than this, those that have gone quiet are looked for.
    const MANY: usize = 10_000;

    /// Counts a request.
    pub(crate) fn count(&self, client: IpAddr, limit: u64, now: i64) -> Count {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Windows { running, over } = &mut *windows;
        // So that strangers' addresses do not pile up.
        if running.len() > Self::MANY {
            over.extend(running.extract_if(|_, window| window.is_over(now)));
        }
        let window = running.entry(client).or_insert(Window::beginning(now));
        if window.is_over(now) {
            over.push_back((client, std::mem::replace(window, Window::beginning(now))));
        }
        window.requests = window.requests.saturating_add(1);
        let exceeded = window.requests > limit;
        window.refused = window.refused.saturating_add(u64::from(exceeded));
        let count = Count {
            exceeded,
            remaining: limit.saturating_sub(window.requests),
            reset: u64::try_from((window.began + Self::LENGTH - now) / 1_000_000).unwrap_or_default(),
        };
        let surplus = over.len().saturating_sub(Self::REMEMBERED);
        over.drain(..surplus);
        count
    }

    /// All that are remembered, in the order in which they began.
    pub(crate) fn all(&self) -> Vec<RateWindow> {
        let windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = windows.running.iter().map(|(client, window)| (*client, *window));
        let mut all: Vec<_> = windows.over.iter().copied().chain(running).collect();
        all.sort_by_key(|(_, window)| window.began);
        let shown = |(client, Window { began, requests, refused })| RateWindow {
            client,
            began: time(began),
            requests,
            refused,
        };
        all.into_iter().map(shown).collect()
    }
}

impl Window {
    fn beginning(now: i64) -> Self {
        Self { began: now, requests: 0, refused: 0 }
    }

    fn is_over(&self, now: i64) -> bool {
        now - self.began >= RateWindows::LENGTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_window_begins_with_its_first_request_and_is_renewed_after_a_minute() {
        let windows = RateWindows::default();
        let count = |second: i64| {
            let count = windows.count(CLIENT, 2, second * 1_000_000);
            (count.exceeded, count.remaining, count.reset)
        };
        assert_eq!(count(10), (false, 1, 60));
        assert_eq!(count(15), (false, 0, 55));
        assert_eq!(count(69), (true, 0, 1));
        assert_eq!(count(70), (false, 1, 60));
        let all = windows.all();
        let counted: Vec<_> = all.iter().map(|it| (it.began.as_second(), it.requests, it.refused)).collect();
        assert_eq!(counted, [(10, 3, 1), (70, 1, 0)]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let windows = RateWindows::default();
        for minute in 0..20_000 {
            windows.count(CLIENT, 1, minute * RateWindows::LENGTH);
        }
        let all = windows.all();
        assert_eq!(all.len(), RateWindows::REMEMBERED + 1);
        assert_eq!(all.last().map(|window| window.began), Some(time(19_999 * RateWindows::LENGTH)));
    }
}
