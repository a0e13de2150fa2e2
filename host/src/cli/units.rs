//! Sizes and times with their units, as people type them.
//!
//! | | examples |
//! | --- | --- |
//! | size | `256MiB`, `64KiB`, `2GiB`, `10MB` (10,000,000 bytes), `1048576` (bytes) |
//! | time | `30s`, `500ms`, `10m`, `2h`, `0.5` (seconds) |
//!
//! Numbers may have decimals. A unit may stand behind a space, and small letters do.

use std::ops::RangeInclusive;
use std::time::Duration;

use molecule_host::gate::ByteSize;

const TIMES: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];

/// Bytes.
pub(super) fn size(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let bytes = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.bytes()).ok());
    bytes.filter(|bytes| range.contains(bytes)).ok_or_else(|| {
        let [least, most] = [range.start(), range.end()].map(|bytes| ByteSize::of(*bytes as u64));
        format!("expected a size from {least} to {most}, such as 64KiB, 256MiB or 1GiB")
    })
}

/// A stretch of time.
pub(super) fn time(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let time = read(text).map(Duration::from_secs_f64).filter(|time| range.contains(time));
    time.ok_or_else(|| {
        format!("expected a time from {:?} to {:?}, such as 500ms, 30s or 10m", range.start(), range.end())
    })
}

/// Seconds: a number times its unit; none where either is wrong.
fn read(text: &str) -> Option<f64> {
    /// What is larger is in no range, and fits into no type.
    const MOST: f64 = 1e15;
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit)?;
    number.parse::<f64>().ok().map(|number| number * factor).filter(|value| *value <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_bounds() {
        for (text, expected) in [
            ("256MiB", Some(256 << 20)),
            ("1KiB", Some(1024)),
            ("2GiB", Some(2 << 30)),
            ("3GiB", None),
            ("1023", None),
            ("5M", None),
            ("", None),
        ] {
            assert_eq!(size(text, 1024..=2 << 30).ok(), expected, "{text:?}");
        }
        assert_eq!(
            size("big", 1024..=256 << 20).unwrap_err(),
            "expected a size from 1KiB to 256MiB, such as 64KiB, 256MiB or 1GiB"
        );
    }

    #[test]
    fn times_have_units_and_bounds() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("500ms", Some(500)),
            ("10m", Some(600_000)),
            ("1h", Some(3_600_000)),
            ("0.5", Some(500)),
            ("600", Some(600_000)),
            ("2h", None),
            ("99ms", None),
            ("inf", None),
            ("NaN", None),
            ("5 minutes", None),
            ("s", None),
            ("", None),
        ] {
            let range = Duration::from_millis(100)..=Duration::from_secs(3600);
            assert_eq!(time(text, range).ok(), expected.map(Duration::from_millis), "{text:?}");
        }
    }
}
