//! Points in time on the wire: RFC 3339.
//!
//! Read with 0 to 9 digits of a second and `Z` or an offset; written in UTC with 6 digits, as the platform's database
//! keeps them, so that a time which is read and sent back names the same instant.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// The time that `text` names, if it names one.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok()
}

/// `2026-04-27T11:36:15.123456Z`
pub fn format(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// For `#[serde(with)]` of a time that must be there.
pub mod micros {
    use super::*;

    /// Writes with 6 digits.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(*time))
    }

    /// Reads any RFC 3339 form.
    ///
    /// # Errors
    /// Where it is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }
}

/// For `#[serde(with)]` of a time that may be absent; what cannot be read counts as absent.
pub mod optional {
    use super::*;

    /// Writes with 6 digits, or `null`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => micros::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads any RFC 3339 form; anything else is `None`.
    ///
    /// # Errors
    /// Where the JSON itself is broken.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(crate::Json::deserialize(deserializer)?.as_text().as_deref().and_then(parse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rfc_3339_form_is_read_and_six_digits_are_written() {
        for (came, written) in [
            ("2026-04-27T11:36:15Z", "2026-04-27T11:36:15.000000Z"),
            ("2026-04-27T11:36:15.123456789Z", "2026-04-27T11:36:15.123456Z"),
            ("2026-04-27T13:36:15.5+02:00", "2026-04-27T11:36:15.500000Z"),
            ("2026-04-27t11:36:15.1z", "2026-04-27T11:36:15.100000Z"),
        ] {
            assert_eq!(format(parse(came).unwrap()), written, "{came}");
        }
        for wrong in ["", "yesterday", "2026-04-27", "2026-04-27T11:36:15", "1777291200"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
