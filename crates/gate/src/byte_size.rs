//! Sizes with their units, as people type them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// So many bytes.
///
/// | written | bytes |
/// | --- | --- |
/// | `64KiB`, `256MiB`, `2GiB` | 1024 to the power of 1, 2, 3 |
/// | `10KB`, `10MB`, `1GB` | 1000 to the power of 1, 2, 3 |
/// | `1048576B`, `1048576` | as it stands |
///
/// Numbers may have decimals. A unit may stand behind a space, and small letters do. Prints in the largest of `GiB`,
/// `MiB`, `KiB` and `B` that gives a whole number; what is printed reads as the same size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(u64);

/// A size that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a size: write a number and its unit, such as 64KiB, 256MiB or 1GiB")]
pub struct InvalidSize {
    /// What was written.
    pub text: String,
}

const UNITS: [(&str, f64); 8] = [
    ("kib", 1024.0),
    ("mib", 1024.0 * 1024.0),
    ("gib", 1024.0 * 1024.0 * 1024.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("b", 1.0),
    ("", 1.0),
];

impl ByteSize {
    /// The largest: what is larger is a slip of the hand, and is refused.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    /// So many bytes, at most [`ByteSize::MAX`].
    pub fn of(bytes: u64) -> Self {
        Self(bytes).min(Self::MAX)
    }

    /// How many bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// The next size that is pleasant to read: whole KiB above 1 KiB, whole MiB above 1 MiB, and so on.
    pub(crate) fn rounded_up(self) -> Self {
        let unit = [1 << 30, 1 << 20, 1 << 10].into_iter().find(|unit| self.0 >= *unit).unwrap_or(1);
        Self::of(self.0.div_ceil(unit).saturating_mul(unit))
    }
}

impl FromStr for ByteSize {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let read = || {
            let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
            let (number, unit) = text.split_at_checked(end)?;
            let unit = unit.trim_start().to_ascii_lowercase();
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
            let bytes = number.parse::<f64>().ok()? * factor;
            (bytes <= Self::MAX.0 as f64).then_some(Self(bytes as u64))
        };
        read().ok_or_else(|| InvalidSize { text: text.to_owned() })
    }
}

impl TryFrom<String> for ByteSize {
    type Error = InvalidSize;

    fn try_from(text: String) -> Result<Self, InvalidSize> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 > 0 && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("256MiB", Some(256 << 20)),
            ("256 MiB", Some(256 << 20)),
            ("256mib", Some(256 << 20)),
            ("1.5KiB", Some(1536)),
            ("2GiB", Some(2 << 30)),
            ("10MB", Some(10_000_000)),
            ("4096", Some(4096)),
            ("4096b", Some(4096)),
            ("0", Some(0)),
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
            assert_eq!(text.parse().ok().map(ByteSize::bytes), expected, "{text:?}");
        }
    }

    #[test]
    fn a_size_is_rounded_up_to_what_reads_well() {
        for (bytes, expected) in [(0, "0B"), (1023, "1023B"), (1025, "2KiB"), ((1 << 20) + 1, "2MiB")] {
            assert_eq!(ByteSize::of(bytes).rounded_up().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn a_size_reads_as_it_prints(bytes in 0..=ByteSize::MAX.bytes()) {
            let size = ByteSize::of(bytes);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            prop_assert!(size.rounded_up() >= size);
        }
    }
}
