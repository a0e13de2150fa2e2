//! How often something happens.

use std::time::{Duration, Instant};

/// A token bucket: it holds a minute's worth, and fills steadily.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    /// Tokens in hand at `at`, in parts of [`TOKEN`].
    level: u64,
    at: Instant,
}

/// One token, so that a refill of a millisecond at one a minute still counts: a minute's milliseconds.
const TOKEN: u64 = 60_000;

impl Meter {
    pub(crate) fn new(per_minute: u32, now: Instant) -> Self {
        Self { level: u64::from(per_minute) * TOKEN, at: now }
    }

    /// The same after the rate was changed: what a higher one gives more is there at once.
    pub(crate) fn retuned(mut self, from: u32, to: u32) -> Self {
        let more = u64::from(to.saturating_sub(from)) * TOKEN;
        self.level = self.level.saturating_add(more).min(u64::from(to) * TOKEN);
        self
    }

    /// Takes one, or says how long it takes until there is one. A bucket of nothing never has one.
    pub(crate) fn take(&mut self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let rate = u64::from(per_minute);
        let elapsed = now.saturating_duration_since(self.at);
        let passed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if passed > 0 {
            self.level = self.level.saturating_add(passed.saturating_mul(rate)).min(rate * TOKEN);
            // What is less than a millisecond is kept for the next time.
            self.at = now.checked_sub(elapsed - Duration::from_millis(passed)).unwrap_or(now);
        }
        match self.level.checked_sub(TOKEN) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None if rate == 0 => Err(Duration::from_secs(60)),
            None => Err(Duration::from_millis((TOKEN - self.level).div_ceil(rate))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_s_worth_passes_at_once_and_the_rest_steadily() {
        let start = Instant::now();
        let mut meter = Meter::new(3, start);
        for _ in 0..3 {
            assert_eq!(meter.take(3, start), Ok(()));
        }
        assert_eq!(meter.take(3, start), Err(Duration::from_secs(20)));
        assert_eq!(meter.take(3, start + Duration::from_secs(19)), Err(Duration::from_secs(1)));
        assert_eq!(meter.take(3, start + Duration::from_secs(20)), Ok(()));
        assert!(meter.take(3, start + Duration::from_secs(20)).is_err());
        // An hour later there is a minute's worth, not an hour's.
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..10).filter(|_| meter.take(3, later).is_ok()).count(), 3);
    }

    #[test]
    fn many_small_steps_lose_nothing() {
        let start = Instant::now();
        let mut meter = Meter::new(60, start);
        while meter.take(60, start).is_ok() {}
        let passed = (1..=100_000)
            .filter(|step| meter.take(60, start + Duration::from_micros(step * 100)).is_ok())
            .count();
        assert_eq!(passed, 10, "one a second in ten seconds");
    }

    #[test]
    fn nothing_a_minute_is_nothing() {
        let now = Instant::now();
        assert!(Meter::new(0, now).take(0, now + Duration::from_secs(600)).is_err());
    }
}
