//! Where a host takes the time from.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a host asks for the time, where it is the time that counts and not how long a request takes: when a message came
/// and when it may be forgotten, until when an answer in doubt may still arrive, how much of a minute's rate is used.
///
/// Deadlines and intervals are not its: they are tokio's, as they must be while real connections are waited for. Nor is
/// it asked by agents, who have the machine's clock.
pub trait Clock: Send + Sync {
    /// The time of day. It may jump; a host bears that.
    fn now(&self) -> SystemTime;

    /// A time that never goes back, for rates. The machine's, where nothing else is said.
    fn steady(&self) -> Instant {
        Instant::now()
    }
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Milliseconds since the Unix epoch; 0 before it.
pub(crate) fn unix_millis(clock: &Arc<dyn Clock>) -> i64 {
    let since = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
