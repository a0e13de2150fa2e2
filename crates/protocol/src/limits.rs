//! How fast a client may ask: `Retry-After` and the `X-RateLimit-*` headers.

use std::time::Duration;

use jiff::Timestamp;

/// `Retry-After`
pub const RETRY_AFTER: &str = "retry-after";
/// `X-RateLimit-Limit`
pub const LIMIT: &str = "x-ratelimit-limit";
/// `X-RateLimit-Remaining`
pub const REMAINING: &str = "x-ratelimit-remaining";
/// `X-RateLimit-Reset`
pub const RESET: &str = "x-ratelimit-reset";

/// The least that is waited where the server says to wait: it also says 0.
pub const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The most that is waited on a server's word.
pub const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// How long a `Retry-After` asks to wait, in whole seconds from [`SHORTEST_WAIT`] to [`LONGEST_WAIT`].
///
/// Reads seconds (also with a fraction, which is rounded up) and HTTP dates, which count from `now`. `None` where the
/// value says nothing usable; the caller then waits as it would without the header.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let seconds = seconds(value).or_else(|| {
        let date = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
        Some(date.duration_since(now).as_secs_f64().max(0.0))
    })?;
    let wait = Duration::from_secs_f64(seconds.ceil().min(LONGEST_WAIT.as_secs_f64()));
    Some(wait.max(SHORTEST_WAIT))
}

/// A number of seconds that is not negative. Digits may be grouped with `_`, as the Python SDK reads them.
fn seconds(value: &str) -> Option<f64> {
    let grouped = |text: &str| {
        let bytes = text.as_bytes();
        bytes.windows(3).filter(|it| matches!(it, [b'0'..=b'9', b'_', b'0'..=b'9'])).count()
            == bytes.iter().filter(|it| **it == b'_').count()
    };
    if !value.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) || !grouped(value) {
        return None;
    }
    // Minus a fraction of a second is no wait at all, hence the ceiling before the sign is judged.
    let seconds: f64 = value.replace('_', "").parse().ok()?;
    (seconds.is_finite() && seconds.ceil() >= 0.0).then_some(seconds.max(0.0))
}

/// What a platform says about its rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a window; `None` for no limit.
    pub limit: Option<u64>,
    /// Requests left in this window.
    pub remaining: Option<u64>,
    /// Until the window is renewed.
    pub reset: Option<Duration>,
}

impl RateLimit {
    /// Reads the headers, which `header` looks up by lower-case name. `None` where the platform says nothing: then it
    /// has no limit that it tells of.
    pub fn read<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        let number = |name| header(name).and_then(|text| text.trim().parse().ok());
        let limit = header(LIMIT)?.trim();
        if limit == "unlimited" {
            return Some(Self { limit: None, remaining: None, reset: None });
        }
        let limit = limit.parse().ok()?;
        Some(Self {
            limit: Some(limit),
            remaining: number(REMAINING),
            reset: number(RESET).map(Duration::from_secs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_date_counts_from_now() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        for (value, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 7),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 7),
            ("Sun Nov  6 08:49:37 1994", 7),
            ("Sun, 06 Nov 1994 08:49:30 GMT", 1),
            ("Sun, 06 Nov 1994 07:00:00 GMT", 1),
            ("Mon, 07 Nov 1994 08:49:37 GMT", 120),
        ] {
            assert_eq!(retry_after(value, now), Some(Duration::from_secs(seconds)), "{value}");
        }
    }

    #[test]
    fn rate_limit_headers_are_read_and_unlimited_is_no_limit() {
        let headers = |limit: &'static str| {
            move |name| match name {
                LIMIT => Some(limit),
                REMAINING => Some("599"),
                RESET => Some("60"),
                _ => None,
            }
        };
        let counted =
            RateLimit { limit: Some(600), remaining: Some(599), reset: Some(Duration::from_secs(60)) };
        assert_eq!(RateLimit::read(headers("600")), Some(counted));
        let unlimited = RateLimit { limit: None, remaining: None, reset: None };
        assert_eq!(RateLimit::read(headers("unlimited")), Some(unlimited));
        assert_eq!(RateLimit::read(headers("many")), None);
        assert_eq!(RateLimit::read(|_| None), None);
    }
}
