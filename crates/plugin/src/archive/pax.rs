//! PAX records: what is said of an entry before it comes (POSIX.1-2017, pax, "pax Extended Header").

/// What the records before an entry say of it, as far as anything is heeded. Times, owners, attributes and comments are
/// not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

impl Pax {
    /// Parses the data of a PAX header. The error says what is wrong with it.
    pub(super) fn parse(records: &[u8]) -> Result<Self, &'static str> {
        const TWICE: &str = "it says the same thing twice, and programs disagree about which of them counts";
        let mut pax = Self::default();
        let mut rest = records;
        while !rest.is_empty() {
            let (key, value);
            (key, value, rest) = record(rest).ok_or("a PAX record is malformed")?;
            let twice = match key {
                b"path" => pax.path.replace(value.to_vec()).is_some(),
                b"linkpath" => pax.link.replace(value.to_vec()).is_some(),
                b"size" => pax.size.replace(decimal(value).ok_or("its size is no number")?).is_some(),
                _ if is_sparse(key) => return Err("it announces a sparse file"),
                _ => false,
            };
            if twice {
                return Err(TWICE);
            }
        }
        Ok(pax)
    }

    /// Judges the data of a global header. It may hold a comment (`git archive` writes the commit's id), never what
    /// belongs to one entry.
    pub(super) fn check_global(records: &[u8]) -> Result<(), &'static str> {
        if Self::parse(records)? == Self::default() {
            return Ok(());
        }
        Err("it is global and sets the name or size of every entry that follows")
    }
}

/// Sparse files say how large they are apart from their data, and hide their name in a record of their own.
fn is_sparse(key: &[u8]) -> bool {
    key.starts_with(b"GNU.sparse.") || key == b"SCHILY.realsize"
}

/// The first record, `LENGTH KEY=VALUE\n` with the length of all of it, and what follows it.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(records.get(..space)?)?).ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
    (!key.is_empty()).then_some((key, value, rest))
}

/// Decimal digits, at least one, and nothing else.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with the length that it has.
    fn record(key_and_value: &str) -> Vec<u8> {
        let with = |length: usize| format!("{length} {key_and_value}\n");
        let length = (0..).find(|length| with(*length).len() == *length).expect("some length fits");
        with(length).into_bytes()
    }

    fn records(all: &[&str]) -> Vec<u8> {
        all.iter().flat_map(|one| record(one)).collect()
    }

    #[test]
    fn records_say_name_target_and_size() {
        let all = ["path=a/b", "linkpath=../", "size=5", "mtime=1234567890.5", "a=b=c\nd", "comment="];
        let want = Pax { path: Some(b"a/b".to_vec()), link: Some(b"../".to_vec()), size: Some(5) };
        assert_eq!(Pax::parse(&records(&all)), Ok(want));
        assert_eq!(Pax::parse(b""), Ok(Pax::default()));
    }

    #[test]
    fn a_record_that_is_not_to_the_byte_is_refused() {
        let right = b"11 path=ab\n";
        assert!(Pax::parse(right).is_ok());
        let malformed: [&[u8]; 14] = [
            b"10 path=ab\n",
            b"12 path=ab\n",
            b"11 path=ab ",
            b"0 path=ab\n",
            b" path=ab\n",
            b"+11 path=a\n",
            b"-1 path=ab\n",
            b"011path=ab\n",
            b"11 path:ab\n",
            b"5 =a\n",
            b"2 ",
            b"1 ",
            b"10 ",
            b"99999999999999999999999 path=ab\n",
        ];
        for records in malformed {
            assert!(Pax::parse(records).is_err(), "{:?}", records.escape_ascii().to_string());
        }
        for size in ["size=x", "size=", "size=-1", "size=+1", "size=18446744073709551616"] {
            assert!(Pax::parse(&record(size)).is_err(), "{size}");
        }
    }

    #[test]
    fn two_records_of_one_key_are_refused_where_the_key_counts() {
        assert!(Pax::parse(&records(&["path=a", "path=a"])).is_err());
        assert!(Pax::parse(&records(&["size=1", "size=1"])).is_err());
        assert!(Pax::parse(&records(&["comment=a", "comment=b"])).is_ok());
    }

    #[test]
    fn a_global_header_names_no_entry() {
        assert_eq!(Pax::check_global(&record("comment=ab")), Ok(()));
        for said in ["path=a", "linkpath=", "size=5", "GNU.sparse.major=1"] {
            assert!(Pax::check_global(&record(said)).is_err(), "{said}");
        }
    }

    #[test]
    fn sparse_files_are_known_by_their_records() {
        assert!(Pax::parse(&record("GNU.sparse.name=x")).is_err());
        assert!(Pax::parse(&record("SCHILY.realsize=5")).is_err());
    }
}
