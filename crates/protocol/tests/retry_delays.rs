//! Every recorded `Retry-After`, as the Python SDK waits on it and as we do.

use std::time::Duration;

use molecule_protocol::limits::retry_after;
use serde_json::Value;

#[test]
fn a_retry_after_is_waited_for_as_recorded_between_one_and_120_seconds() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/retry_delays.json")).unwrap();
    let mut judged = 0;
    for case in vectors["cases"].as_array().unwrap() {
        // Without the header the delay is the client's own; and no header can carry digits beyond ASCII.
        let Some(value) = case["retry_after"].as_str().filter(|value| value.is_ascii()) else { continue };
        let recorded = case["min_ms"].as_f64().map(|ms| ms / 1000.0);
        let expected = match (value, recorded) {
            // The SDK cuts what a server says at 30 s, we at 120 s.
            ("86400" | "999999999999", _) => Some(120.0),
            // The SDK does not wait on 0, we wait a second.
            (_, Some(seconds)) => Some(seconds.max(1.0)),
            // The SDK crashes on dates; this one is long past.
            ("Sun, 06 Nov 1994 08:49:37 GMT", None) => Some(1.0),
            // Where the SDK crashes on nonsense, the header counts as absent.
            (_, None) => None,
        };
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            retry_after(value, now),
            expected.map(Duration::from_secs_f64),
            "{value:?}: {}",
            case["note"]
        );
        judged += 1;
    }
    assert_eq!(judged, 28, "cases with a header");
}
