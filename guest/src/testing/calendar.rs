//! Virtual time as a date.

use std::time::Duration;

/// The day on which virtual time begins, 2026-01-01, in days since 1970-01-01.
const FIRST_DAY: u64 = 20_454;

/// An instant of virtual time, RFC 3339 with milliseconds, such as `2026-01-01T00:00:07.000Z`.
pub(super) fn rfc3339(since_start: Duration) -> String {
    let (seconds, ms) = (since_start.as_secs(), since_start.subsec_millis());
    let (year, month, day) = date(FIRST_DAY + seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// The date of a day since 1970-01-01. <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_dates() {
        let day = 86_400;
        for (seconds, date) in [
            (0, "2026-01-01T00:00:00.000Z"),
            (3_661, "2026-01-01T01:01:01.000Z"),
            (31 * day, "2026-02-01T00:00:00.000Z"),
            (59 * day, "2026-03-01T00:00:00.000Z"),
            (365 * day - 1, "2026-12-31T23:59:59.000Z"),
            (789 * day, "2028-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), date);
        }
    }
}
