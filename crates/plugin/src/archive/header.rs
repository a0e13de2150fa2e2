//! One header block of a tar, judged.

use std::borrow::Cow;

use tar::Header;

/// Bytes of a block: headers are one, data is padded to full ones.
pub(super) const BLOCK: usize = 512;

/// A header block whose checksum holds, of a format that is known.
///
/// The crate `tar` knows where the fields are. Its own iteration is too kind for archives of strangers: it reads a size of
/// `+5` or of twelve bytes with the upper four cut off, and ends quietly where nothing should.
pub(super) struct HeaderBlock<'a>(&'a Header);

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// The type of V7, from before folders had one: a folder if its name ends with a slash.
    OldFile,
    Folder,
    SymbolicLink,
    HardLink,
    /// PAX records for the next entry.
    Pax,
    /// PAX records for all that follow.
    GlobalPax,
    /// The name of the next entry, as GNU writes it when it is long.
    GnuName,
    /// The same for the target of a link.
    GnuLink,
    /// What is refused, and how that is said.
    Refused(&'static str),
}

impl<'a> HeaderBlock<'a> {
    /// Reads a block. Nothing of it may be believed if it is an error, which says what is wrong.
    pub(super) fn parse(block: &'a [u8; BLOCK]) -> Result<Self, &'static str> {
        let header = Header::from_byte_slice(block);
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        let stored = &header.as_old().cksum;
        let of_field: u64 = stored.iter().map(|byte| u64::from(*byte)).sum();
        // The field itself counts as eight spaces.
        let computed = sum - of_field + 8 * u64::from(b' ');
        if octal(stored) != Some(computed) {
            return Err("its checksum is wrong");
        }
        let magic = block.get(257..265).unwrap_or_default();
        if !matches!(magic, b"ustar\x0000" | b"ustar  \0" | [0, 0, 0, 0, 0, 0, 0, 0]) {
            return Err("it is neither ustar nor GNU nor V7, and programs disagree about where the name is");
        }
        Ok(Self(header))
    }

    /// The name, to the first NUL, behind the prefix that ustar has for long ones.
    pub(super) fn name(&self) -> Cow<'a, [u8]> {
        self.0.path_bytes()
    }

    /// Where a link leads.
    pub(super) fn link_name(&self) -> Cow<'a, [u8]> {
        self.0.link_name_bytes().unwrap_or_default()
    }

    /// Bytes of data that follow.
    pub(super) fn size(&self) -> Result<u64, &'static str> {
        let field: &[u8; 12] = &self.0.as_old().size;
        match field {
            // GNU's numbers for what octal digits are too few for: two's complement, of which the first bit is the mark.
            [0x80, 0, 0, 0, low @ ..] => Ok(u64::from_be_bytes(*low)),
            [first, ..] if first & 0xc0 == 0xc0 => Err("its size is negative"),
            [first, ..] if first & 0x80 != 0 => Err("its size is larger than any file"),
            field => octal(field).ok_or("its size is no number"),
        }
    }

    /// Whether the owner may execute it. A mode that cannot be read says no.
    pub(super) fn executable(&self) -> bool {
        octal(&self.0.as_old().mode).is_some_and(|mode| mode & 0o100 != 0)
    }

    pub(super) fn kind(&self) -> Kind {
        let [letter] = self.0.as_old().linkflag;
        match letter {
            // POSIX: a contiguous file is a file to whoever does not know better.
            b'0' | b'7' => Kind::File,
            0 => Kind::OldFile,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'3' | b'4' => Kind::Refused("is a device"),
            b'5' => Kind::Folder,
            b'6' => Kind::Refused("is a FIFO"),
            b'x' => Kind::Pax,
            b'g' => Kind::GlobalPax,
            b'L' => Kind::GnuName,
            b'K' => Kind::GnuLink,
            b'S' => Kind::Refused("is a sparse file"),
            _ => Kind::Refused("is of an unknown type"),
        }
    }
}

/// A number in octal digits, with spaces before it and spaces or NULs behind it, and nothing else; an empty field is zero.
fn octal(field: &[u8]) -> Option<u64> {
    let from = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let field = field.get(from..)?;
    let digits = field.iter().position(|byte| matches!(byte, b' ' | 0)).unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(digits)?;
    if !rest.iter().all(|byte| matches!(byte, b' ' | 0)) {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(change: impl FnOnce(&mut Header)) -> [u8; BLOCK] {
        let mut header = Header::new_ustar();
        header.set_path("a").expect("a name");
        header.set_size(0);
        change(&mut header);
        header.set_cksum();
        *header.as_bytes()
    }

    #[test]
    fn a_number_is_octal_digits_and_nothing_else() {
        let fields: [(&[u8], Option<u64>); 12] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"    ", Some(0)),
            (b"+5\0", None),
            (b"-5\0", None),
            (b"8\0", None),
            (b"5 5", None),
            (b"5\x005", None),
            (b"0x5", None),
            (b"7777777777777777777777777", None),
        ];
        for (field, want) in fields {
            assert_eq!(octal(field), want, "{field:?}");
        }
    }

    #[test]
    fn a_size_is_never_negative_and_never_cut() {
        let sizes: [([u8; 12], Result<u64, ()>); 5] = [
            ([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0], Ok(512)),
            ([0xff; 12], Err(())),
            ([0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0], Err(())),
            ([0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0], Err(())),
            (*b"+00000000005", Err(())),
        ];
        for (size, want) in sizes {
            let block = header(|header| header.as_old_mut().size = size);
            let got = HeaderBlock::parse(&block).expect("a header").size();
            assert_eq!(got.map_err(|_| ()), want, "{size:?}");
        }
    }

    #[test]
    fn a_header_is_believed_only_with_its_checksum() {
        let mut block = header(|_| {});
        assert!(HeaderBlock::parse(&block).is_ok());
        block[0] ^= 1;
        assert!(HeaderBlock::parse(&block).is_err());
    }

    #[test]
    fn a_header_of_an_unknown_format_is_refused() {
        let block = header(|header| header.as_ustar_mut().expect("ustar").version = *b"  ");
        assert!(HeaderBlock::parse(&block).is_err());
    }
}
