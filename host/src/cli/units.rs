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

const SIZES: [(&str, f64); 8] = [
    ("kib", 1024.0),
    ("mib", 1024.0 * 1024.0),
    ("gib", 1024.0 * 1024.0 * 1024.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("b", 1.0),
    ("", 1.0),
];

const TIMES: [(&str, f64); 5] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];

/// Bytes.
pub(super) fn size(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let bytes = read(text, &SIZES).map(|bytes| bytes as usize).filter(|bytes| range.contains(bytes));
    bytes.ok_or_else(|| {
        let (least, most) = (shown(*range.start()), shown(*range.end()));
        format!("expected a size from {least} to {most}, such as 64KiB, 256MiB or 1GiB")
    })
}

/// A stretch of time.
pub(super) fn time(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let time = read(text, &TIMES).map(Duration::from_secs_f64).filter(|time| range.contains(time));
    time.ok_or_else(|| {
        format!("expected a time from {:?} to {:?}, such as 500ms, 30s or 10m", range.start(), range.end())
    })
}

/// A number times its unit; none where either is wrong.
fn read(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    /// What is larger is in no range, and fits into no type.
    const MOST: f64 = 1e15;
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<f64>().ok().map(|number| number * factor).filter(|value| *value <= MOST)
}

/// A size in the largest unit that gives a whole number.
pub(super) fn shown(bytes: usize) -> String {
    for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_bounds() {
        for (text, expected) in [
            ("256MiB", Some(256 << 20)),
            ("256 MiB", Some(256 << 20)),
            ("256mib", Some(256 << 20)),
            ("1.5KiB", Some(1536)),
            ("2GiB", Some(2 << 30)),
            ("10MB", Some(10_000_000)),
            ("4096", Some(4096)),
            ("4096b", Some(4096)),
            ("3GiB", None),
            ("1023", None),
            ("1e9", None),
            ("-5MiB", None),
            ("MiB", None),
            ("5M", None),
            ("1.2.3KiB", None),
            ("99999999999999999999999GiB", None),
            ("256MiB more", None),
            ("256 µ", None),
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

    #[test]
    fn a_size_is_shown_as_it_is_written() {
        for (bytes, expected) in
            [(0, "0 bytes"), (1000, "1000 bytes"), (1024, "1KiB"), (256 << 20, "256MiB"), (1 << 30, "1GiB")]
        {
            assert_eq!(shown(bytes), expected);
        }
    }
}
