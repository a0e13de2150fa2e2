//! The body: how it comes, how it breaks, and where it ends.

use std::io::{self, Read};

use molecule_plugin::archive::{ArchiveError, Progress, Refusal};

use crate::forge::{archive, file, folder, gzip, tar};
use crate::sandbox::{Sandbox, listing};

/// One byte at a time, each after an interruption.
struct Trickle<'a> {
    rest: &'a [u8],
    interrupted: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(1);
        self.rest.read(&mut buffer[..most])
    }
}

/// What is there, and then an error.
struct Breaks<'a>(&'a [u8]);

impl Read for Breaks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            read => Ok(read),
        }
    }
}

fn small() -> Vec<u8> {
    archive(&[folder("d"), file("d/a", &[b'a'; 700]), file("b", b"")])
}

#[test]
fn a_body_that_comes_byte_by_byte_is_the_same_body() {
    let (at_once, bit_by_bit) = (Sandbox::new(), Sandbox::new());
    let one = at_once.extract(&small()).expect("it is harmless");
    let other =
        bit_by_bit.extract_from(Trickle { rest: &small(), interrupted: false }).expect("it is harmless");
    assert_eq!(one, other);
    assert_eq!(listing(&at_once.target()), listing(&bit_by_bit.target()));
}

#[test]
fn a_body_that_breaks_is_no_judgment_on_the_archive() {
    let archive = small();
    for length in 0..=archive.len() {
        match Sandbox::new().extract_from(Breaks(&archive[..length])) {
            Err(ArchiveError::Body { received, source }) => {
                assert_eq!(received, length as u64);
                assert_eq!(source.kind(), io::ErrorKind::ConnectionReset);
            }
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn a_body_that_ends_early_is_never_whole() {
    let archive = small();
    for length in 0..archive.len() {
        match Sandbox::new().extract(&archive[..length]) {
            Err(ArchiveError::Refused(Refusal::NotGzip { .. })) if length == 0 => {}
            Err(ArchiveError::Refused(Refusal::Truncated { received, .. })) if length > 0 => {
                assert_eq!(received, length as u64);
            }
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn a_tar_that_ends_early_is_never_whole() {
    let whole = tar(&[folder("d"), file("d/a", &[b'a'; 700])]);
    let end = whole.len() - 1024;
    for length in (0..whole.len()).step_by(64).chain(end + 1..end + 3) {
        let extracted = Sandbox::new().extract(&gzip(&whole[..length]));
        // One block of zeros will do, as it does for GNU tar.
        if length == end + 512 {
            assert!(extracted.is_ok(), "{extracted:?}");
        } else {
            let truncated = matches!(extracted, Err(ArchiveError::Refused(Refusal::Truncated { .. })));
            assert!(truncated, "{length}: {extracted:?}");
        }
    }
}

#[test]
fn a_damaged_gzip_stream_is_refused_wherever_the_damage_is() {
    let good = small();
    let of_good = Sandbox::new().extract(&good).expect("it is harmless");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        match Sandbox::new().extract(&bad) {
            // A time that nobody asks for, or the code of a symbol that is never used: what comes out is the same.
            Ok(extracted) => assert_eq!(extracted.files, of_good.files, "{at}"),
            Err(ArchiveError::Refused(_)) => {}
            Err(error) => panic!("{at}: {error}"),
        }
    }
}

#[test]
fn what_follows_the_end_is_refused() {
    let good = small();
    let garbage = [b"x".as_slice(), &[0; 512], b"\x1f\x8b", &gzip(b"x"), &archive(&[file("c", b"c")])];
    for garbage in garbage {
        let extracted = Sandbox::new().extract(&[&good, garbage].concat());
        assert!(matches!(extracted, Err(ArchiveError::Refused(_))), "{garbage:?}: {extracted:?}");
    }
    for harmless in [gzip(b""), gzip(&[0; 10_240])] {
        assert!(Sandbox::new().extract(&[good.as_slice(), &harmless].concat()).is_ok());
    }
}

#[test]
fn whoever_watches_hears_of_every_entry_and_of_large_files() {
    let archive = archive(&[file("a", &vec![b'a'; 400_000]), file("b", b"b")]);
    let mut seen: Vec<Progress> = Vec::new();
    let sandbox = Sandbox::new();
    let extracted =
        sandbox.extract_watched(&archive[..], &mut |progress| seen.push(progress)).expect("it is harmless");
    assert!(seen.len() >= 5, "{seen:?}");
    assert!(seen.is_sorted_by_key(|progress| (progress.entries, progress.bytes)), "{seen:?}");
    let last = Progress { received: archive.len() as u64, bytes: 400_001, entries: 2 };
    assert_eq!(seen.last(), Some(&last));
    assert_eq!((extracted.bytes, extracted.entries), (400_001, 2));
}
