//! What is sent again, and when.

use std::time::Duration;

use molecule_protocol::proxy::{FailureKind, ProxyFailure, Retry};

use super::transport::{Lost, NotSent, TransportError};

/// How often and after what delays a request is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most retries of one call.
    pub retries: u32,
    /// The delay before the first of them. It doubles with each.
    pub first: Duration,
    /// The longest delay. What a server asks for may be longer: up to 120 s.
    pub longest: Duration,
    /// How far a delay may be off on either side, so that clients which failed together do not come back together.
    pub spread: Duration,
}

impl Default for RetryPolicy {
    /// 3 retries after 1, 2 and 4 seconds, give or take a quarter of a second; never more than 30 s.
    fn default() -> Self {
        Self {
            retries: 3,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            spread: Duration::from_millis(250),
        }
    }
}

impl RetryPolicy {
    /// The delay before the next attempt after `attempts` of them; `None` if there shall be none. `random` is from 0 up
    /// to 1.
    pub(super) fn next(&self, verdict: Verdict, attempts: u32, random: f64) -> Option<Duration> {
        let (most, wait) = match verdict {
            Verdict::Stop => return None,
            Verdict::Once(wait) => (1, wait),
            Verdict::Twice(wait) => (2, wait),
            Verdict::Again(wait) => (self.retries, wait),
        };
        (attempts <= most.min(self.retries)).then(|| match wait {
            Wait::None => Duration::ZERO,
            Wait::Backoff => self.backoff(attempts, random),
            Wait::Given(delay) => delay,
        })
    }

    fn backoff(&self, attempts: u32, random: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let delay = self.first.saturating_mul(1 << doublings).min(self.longest);
        let offset = self.spread.mul_f64(2.0 * random.clamp(0.0, 1.0));
        (delay + offset).saturating_sub(self.spread).min(self.longest)
    }
}

/// What it would do to send a request twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Nothing: it only reads.
    Read,
    /// Nothing but much work: it reads what the platform has to fetch and pack first.
    Download,
    /// Nothing: it sets the same again.
    Idempotent,
    /// Nothing, and the next one comes in any case.
    Heartbeat,
    /// A peer may act twice. Copies carry the same message id, which not every peer looks at.
    Message,
    /// Somebody sees it twice.
    Once,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// Without an answer.
    Failed(&'a TransportError),
    /// With an answer of this status; `retry_after` as the header has it.
    Answered { status: u16, retry_after: Option<Duration>, message: Option<&'a ProxyFailure> },
}

/// Whether to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stop,
    Once(Wait),
    Twice(Wait),
    Again(Wait),
}

/// How long to wait before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    None,
    Backoff,
    Given(Duration),
}

/// The longest time that a message to a peer is held back because the peer cannot take it now. Beyond that whoever
/// sends it is told, and can plan better than to wait in a call.
const PATIENCE: Duration = Duration::from_secs(15);

/// The table: may this be sent again after that?
pub(super) fn decide(repeat: Repeat, outcome: &Outcome<'_>) -> Verdict {
    use Outcome::{Answered, Failed};
    use Repeat::{Download, Heartbeat, Idempotent, Message, Once, Read};
    use TransportError::{TooLarge, Unknown};

    match (repeat, outcome) {
        // The next attempt would end the same way: a setting is wrong, here or there.
        (
            _,
            Failed(TransportError::NotSent(
                NotSent::Invalid(_) | NotSent::PlainHttp | NotSent::Certificate(_),
            )),
        ) => Verdict::Stop,
        (_, Failed(Unknown(Lost::NotHttp(_)) | TooLarge { .. })) => Verdict::Stop,

        // One more at once, in case a connection had gone stale. After that the next heartbeat is the retry; also after
        // 429, since a heartbeat held back would be one lost.
        (Heartbeat, Failed(_) | Answered { status: 500 | 502..=504, .. }) => Verdict::Once(Wait::None),
        (Heartbeat, Answered { .. }) => Verdict::Stop,

        // Whoever sends what must not be sent twice has little time, and a backoff of his own.
        (Once, Failed(TransportError::NotSent(_))) => Verdict::Once(Wait::Backoff),
        (Once, Answered { status: 429, .. }) => Verdict::Stop,
        // The platform may have worked for minutes: three times is enough, and a fault of its own once.
        (Download, Failed(_)) => Verdict::Twice(Wait::Backoff),
        (Download, Answered { status: 429 | 502 | 504, retry_after, .. }) => {
            Verdict::Twice(retry_after.map_or(Wait::Backoff, Wait::Given))
        }
        (Download, Answered { .. }) => Verdict::Stop,

        // It never reached the server, so nothing can happen twice.
        (_, Failed(TransportError::NotSent(_))) => Verdict::Again(Wait::Backoff),
        // It may have been acted on, which does no harm a second time.
        (Read | Idempotent, Failed(Unknown(_))) => Verdict::Again(Wait::Backoff),
        // It may have been acted on. Whoever sent it has to find out first.
        (Message | Once, Failed(Unknown(_))) => Verdict::Stop,

        // Rejected before anything looked at it.
        (_, Answered { status: 429, retry_after, .. }) => {
            Verdict::Again(retry_after.map_or(Wait::Backoff, Wait::Given))
        }

        // A message is sent again only where the platform says that it was not delivered.
        (Message, Answered { message: Some(failure), retry_after, .. }) => match failure.retry() {
            Retry::Never => Verdict::Stop,
            Retry::Once => Verdict::Once(Wait::Backoff),
            Retry::Backoff => Verdict::Again(Wait::Backoff),
            Retry::After(said) => match retry_after.unwrap_or(said) {
                _ if failure.kind == FailureKind::NotConnected => Verdict::Stop,
                delay if delay > PATIENCE => Verdict::Stop,
                delay => Verdict::Again(Wait::Given(delay)),
            },
        },

        // The platform is overloaded, or a proxy before it has lost it for the moment.
        (Read | Idempotent, Answered { status: 502..=504, retry_after, .. }) => {
            Verdict::Again(retry_after.map_or(Wait::Backoff, Wait::Given))
        }
        // A fault of the platform's. It may have been bad luck; more than once it is not.
        (Read | Idempotent, Answered { status: 500, .. }) => Verdict::Once(Wait::Backoff),

        // A 5xx does not say how far the platform had come; every other answer is final.
        (Once | Read | Idempotent | Message, Answered { .. }) => Verdict::Stop,
    }
}

#[cfg(test)]
mod tests {
    use molecule_protocol::limits::retry_after;
    use molecule_protocol::proxy::{self, ProxyAnswer};
    use serde_json::Value;

    use super::*;

    fn answered(status: u16) -> Outcome<'static> {
        Outcome::Answered { status, retry_after: None, message: None }
    }

    #[test]
    fn what_is_sent_again_depends_on_what_a_copy_would_do() {
        use Repeat::*;
        let refused = TransportError::NotSent(NotSent::Connect("refused".into()));
        let unresolved = TransportError::NotSent(NotSent::Unresolved("no such name".into()));
        let slow = TransportError::NotSent(NotSent::ConnectTimeout);
        let handshake = TransportError::NotSent(NotSent::Handshake("eof".into()));
        let certificate = TransportError::NotSent(NotSent::Certificate("expired".into()));
        let timeout = TransportError::Unknown(Lost::Timeout);
        let reset = TransportError::Unknown(Lost::Broken("reset".into()));
        let not_http = TransportError::Unknown(Lost::NotHttp("?".into()));
        let (twice, again) = (Verdict::Twice(Wait::Backoff), Verdict::Again(Wait::Backoff));
        let (stop, once, now) = (Verdict::Stop, Verdict::Once(Wait::Backoff), Verdict::Once(Wait::None));
        for (outcome, read, idempotent, heartbeat, send_once, message, download) in [
            (Outcome::Failed(&refused), again, again, now, once, again, twice),
            (Outcome::Failed(&unresolved), again, again, now, once, again, twice),
            (Outcome::Failed(&slow), again, again, now, once, again, twice),
            (Outcome::Failed(&handshake), again, again, now, once, again, twice),
            (Outcome::Failed(&certificate), stop, stop, stop, stop, stop, stop),
            (Outcome::Failed(&TransportError::TooLarge { limit: 1 }), stop, stop, stop, stop, stop, stop),
            (Outcome::Failed(&timeout), again, again, now, stop, stop, twice),
            (Outcome::Failed(&reset), again, again, now, stop, stop, twice),
            (Outcome::Failed(&not_http), stop, stop, stop, stop, stop, stop),
            (answered(429), again, again, stop, stop, again, twice),
            (answered(500), once, once, now, stop, stop, stop),
            (answered(502), again, again, now, stop, stop, twice),
            (answered(503), again, again, now, stop, stop, stop),
            (answered(504), again, again, now, stop, stop, twice),
            (answered(200), stop, stop, stop, stop, stop, stop),
            (answered(302), stop, stop, stop, stop, stop, stop),
            (answered(401), stop, stop, stop, stop, stop, stop),
            (answered(404), stop, stop, stop, stop, stop, stop),
            (answered(410), stop, stop, stop, stop, stop, stop),
            (answered(501), stop, stop, stop, stop, stop, stop),
        ] {
            let verdicts =
                [Read, Idempotent, Heartbeat, Once, Message, Download].map(|repeat| decide(repeat, &outcome));
            let expected = [read, idempotent, heartbeat, send_once, message, download];
            assert_eq!(verdicts, expected, "{outcome:?}");
        }
    }

    #[test]
    fn a_message_is_sent_again_only_where_the_platform_says_that_it_was_not_delivered() {
        let after = |seconds| Verdict::Again(Wait::Given(Duration::from_secs(seconds)));
        for (status, body, header, verdict) in [
            (502, r#"{"error":"failed to reach workspace agent"}"#, None, Verdict::Again(Wait::Backoff)),
            (500, r#"{"error":"lookup failed"}"#, None, Verdict::Once(Wait::Backoff)),
            (503, r#"{"waking":true,"retry_after":15}"#, Some(15), after(15)),
            (503, r#"{"waking":true,"retry_after":15}"#, Some(60), Verdict::Stop),
            (503, r#"{"restarting":true}"#, None, after(8)),
            (503, r#"{"error":"workspace has no URL","retry_after":1}"#, None, Verdict::Stop),
            (503, r#"{"busy":true,"retry_after":30}"#, Some(30), Verdict::Stop),
            (
                502,
                r#"{"error":"failed to read agent response","delivery_confirmed":false}"#,
                None,
                Verdict::Stop,
            ),
            (502, r#"{"error":"workspace URL is not publicly routable"}"#, None, Verdict::Stop),
            (502, "<html>", None, Verdict::Stop),
            (504, "", None, Verdict::Stop),
            (500, r#"{"error":"the agent's own"}"#, None, Verdict::Stop),
            (403, r#"{"error":"access denied"}"#, None, Verdict::Stop),
        ] {
            let ProxyAnswer::Failed(failure) = proxy::classify(status, None, body.as_bytes()) else {
                panic!()
            };
            let retry_after = header.map(Duration::from_secs);
            let outcome = Outcome::Answered { status, retry_after, message: Some(&failure) };
            assert_eq!(decide(Repeat::Message, &outcome), verdict, "{status} {body}");
        }
    }

    #[test]
    fn delays_double_up_to_the_longest_and_end_after_the_last_retry() {
        let policy = RetryPolicy { retries: 40, ..RetryPolicy::default() };
        let seconds = |attempts| policy.next(Verdict::Again(Wait::Backoff), attempts, 0.5).unwrap().as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, 40].map(seconds), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(policy.next(Verdict::Again(Wait::Backoff), 41, 0.5), None);
        assert_eq!(policy.next(Verdict::Once(Wait::None), 1, 0.5), Some(Duration::ZERO));
        assert_eq!(policy.next(Verdict::Once(Wait::None), 2, 0.5), None);
        assert_eq!(policy.next(Verdict::Stop, 1, 0.5), None);
    }

    /// What we wait where the Python SDK was seen to wait `recorded` milliseconds.
    fn expected(header: Option<&str>, recorded: Option<f64>) -> Option<f64> {
        match (header, recorded) {
            (None, recorded) => recorded,
            // The SDK cuts what a server asks for at 30 s, we at 120 s.
            (Some("86400" | "999999999999"), _) => Some(120_000.0),
            // 0 is not taken at its word: a second at least.
            (_, Some(recorded)) => Some(recorded.max(1000.0)),
            // It crashes on dates, we read them: this one is past, which is as 0.
            (Some("Sun, 06 Nov 1994 08:49:37 GMT"), None) => Some(1000.0),
            // It crashes on nonsense; for us the header is then not there.
            (_, None) => None,
        }
    }

    fn delay(policy: &RetryPolicy, header: Option<&str>, attempt: u32, random: f64) -> Option<f64> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let given = header.and_then(|header| retry_after(header, now));
        let outcome = Outcome::Answered { status: 429, retry_after: given, message: None };
        let delay = policy.next(decide(Repeat::Read, &outcome), attempt, random)?;
        Some((delay.as_secs_f64() * 1000.0).round())
    }

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/retry_delays.json")).unwrap()
    }

    const JUST_BELOW_ONE: f64 = 1.0 - f64::EPSILON;

    #[test]
    fn every_recorded_delay_is_ours_but_for_the_differences_named() {
        let (vectors, policy) = (vectors(), RetryPolicy::default());
        let cases = vectors["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 32);
        for case in cases {
            // Digits beyond ASCII cannot stand in a header.
            let header = case["retry_after"].as_str().filter(|header| header.is_ascii());
            let attempt = u32::try_from(case["attempt"].as_u64().unwrap()).unwrap();
            let skipped = case["retry_after"].is_string() && header.is_none();
            for (bound, random) in [("min_ms", 0.0), ("max_ms", JUST_BELOW_ONE)] {
                let recorded = case[bound].as_f64().filter(|_| !skipped);
                let backoff = delay(&policy, None, attempt, random);
                let expected = expected(header, recorded).or(backoff);
                assert_eq!(delay(&policy, header, attempt, random), expected, "{case}");
            }
        }
    }

    #[test]
    fn every_recorded_sequence_is_ours_but_for_the_differences_named() {
        let vectors = vectors();
        for case in vectors["sequences"].as_array().unwrap() {
            let headers: Vec<_> = case["retry_after"].as_array().unwrap().iter().map(Value::as_str).collect();
            let retries = if case["name"] == "max_retries_0" { 0 } else { 3 };
            let policy = RetryPolicy { retries, ..RetryPolicy::default() };
            for (jitter, random) in [("low_jitter", 0.0), ("high_jitter", JUST_BELOW_ONE)] {
                let ours = (1..)
                    .zip(&headers)
                    .map_while(|(attempt, header)| delay(&policy, *header, attempt, random));
                let ours: Vec<_> = ours.collect();
                let recorded = case[jitter]["sleeps_ms"].as_array().unwrap();
                let theirs: Vec<_> = recorded.iter().map(|ms| ms.as_f64().unwrap()).collect();
                let expected = match case["name"].as_str().unwrap() {
                    // 0 is a second.
                    "mixed" => theirs.iter().map(|ms| if *ms == 0.0 { 1000.0 } else { *ms }).collect(),
                    // It crashes on a date; to us this one is far off, so 120 s.
                    "poll_state_http_date" => vec![120_000.0],
                    // It does not wait after the first 429 here; we do.
                    "fetch_inbound_429_then_410" => vec![1000.0],
                    _ => theirs,
                };
                assert_eq!(ours, expected, "{} {jitter}", case["name"]);
            }
        }
    }
}
