//! Waiting.

use std::time::Duration;

use crate::Error;
use crate::imports::time as host;

/// Waits at least this long. The agent's other messages go on meanwhile; `std::thread::sleep` would hold them up.
///
/// # Errors
///
/// [`Error::Canceled`] where the message in hand was canceled, or the agent is being stopped.
pub async fn sleep(duration: Duration) -> Result<(), Error> {
    let mut rest = duration;
    loop {
        let ms = millis(rest);
        host::sleep(ms).await?;
        // A duration past the 49 days that the host takes at once.
        rest = rest.saturating_sub(Duration::from_millis(ms.into()));
        if rest.is_zero() {
            return Ok(());
        }
    }
}

/// Whole milliseconds, rounded up so that nothing ends early, and as many as the contract can say.
pub(crate) fn millis(duration: Duration) -> u32 {
    let ms = duration.as_nanos().div_ceil(1_000_000);
    u32::try_from(ms).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn milliseconds_are_rounded_up_and_saturate() {
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(7), 7),
            (Duration::from_nanos(7_000_001), 8),
            (Duration::from_millis(u32::MAX.into()), u32::MAX),
            (Duration::MAX, u32::MAX),
        ];
        for (duration, ms) in cases {
            assert_eq!(millis(duration), ms, "{duration:?}");
        }
    }

    #[test]
    fn a_sleep_longer_than_the_contract_can_say_is_slept_in_pieces() {
        let host = Host::new();
        let sixty_days = Duration::from_secs(60 * 24 * 3600);
        host.run(sleep(sixty_days)).unwrap();
        assert_eq!(host.elapsed(), sixty_days);
    }
}
