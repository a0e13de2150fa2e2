//! What just fits is taken, and one more is refused.

use molecule_plugin::archive::{ArchiveError, Limits, Refusal};

use crate::forge::{archive, entry, file, folder, gzip, link, pax, tar};
use crate::sandbox::Sandbox;

/// `fits` is taken with these limits, and `over` goes over the one that is called `what`.
fn check(limits: Limits, fits: &[Vec<u8>], over: &[Vec<u8>], what: &str) {
    let fits = Sandbox::new().extract_within(&archive(fits), &limits);
    assert!(fits.is_ok(), "{what}: {fits:?}");
    check_over(limits, &archive(over), what);
}

fn check_over(limits: Limits, archive: &[u8], want: &str) {
    match Sandbox::new().extract_within(archive, &limits) {
        Err(ArchiveError::Refused(Refusal::OverLimit { what, .. })) => assert_eq!(what, want),
        other => panic!("{want}: {other:?}"),
    }
}

#[test]
fn bytes_are_limited_of_one_file_and_of_all() {
    let limits = Limits { file_bytes: 10, unpacked_bytes: 15, ..Limits::default() };
    let ten = || file("a", &[b'a'; 10]);
    check(limits, &[ten()], &[file("a", &[b'a'; 11])], "bytes of one file");
    check(limits, &[ten(), file("b", b"12345")], &[ten(), file("b", b"123456")], "unpacked bytes");
}

#[test]
fn a_size_that_pax_announces_is_limited_too() {
    let limits = Limits { file_bytes: 10, ..Limits::default() };
    let over = [pax(b'x', &[("size", "18446744073709551615")]), file("a", b"")];
    check(limits, &[pax(b'x', &[("size", "10")]), file("a", &[b'a'; 10])], &over, "bytes of one file");
}

#[test]
fn compressed_bytes_are_limited_also_behind_the_end_of_the_tar() {
    let archive = archive(&[file("a", b"a")]);
    let limits = Limits { compressed_bytes: archive.len() as u64, ..Limits::default() };
    assert!(Sandbox::new().extract_within(&archive, &limits).is_ok());
    let members = [archive.as_slice(), &gzip(b"")].concat();
    check_over(limits, &members, "compressed bytes");
    check_over(
        Limits { compressed_bytes: limits.compressed_bytes - 1, ..limits },
        &archive,
        "compressed bytes",
    );
}

#[test]
fn every_entry_counts_the_skipped_and_the_global_ones_too() {
    let limits = Limits { entries: 2, ..Limits::default() };
    let two = || vec![folder("d"), file("d/a", b"")];
    for third in [file("b", b""), link(b'2', "l", "a"), link(b'1', "h", "a"), folder("d"), folder(".")] {
        check(limits, &two(), &[two(), vec![third]].concat(), "entries");
    }
    let global = || pax(b'g', &[("comment", "c")]);
    check(limits, &[global(), global()], &[global(), global(), global()], "entries");
}

#[test]
fn folders_without_an_entry_are_limited_as_entries_are() {
    let limits = Limits { entries: 3, ..Limits::default() };
    let what = "folders without an entry of their own";
    check(limits, &[file("a/b/c/d", b"")], &[file("a/b/c/d/e", b"")], what);
    check(limits, &[file("a/b/c", b""), file("a/x/c", b"")], &[file("a/b/c", b""), file("x/y/c", b"")], what);
}

#[test]
fn names_are_limited_in_depth_and_length() {
    let limits = Limits { depth: 3, name_bytes: 4, path_bytes: 11, ..Limits::default() };
    check(limits, &[file("a/b/c", b"")], &[file("a/b/c/d", b"")], "components of a path");
    check(limits, &[file("a/1234", b"")], &[file("a/12345", b"")], "bytes of a name");
    check(limits, &[file("123/456/789", b"")], &[file("123/456/7890", b"")], "bytes of a path");
}

#[test]
fn headers_that_speak_of_an_entry_are_limited() {
    let limits = Limits { header_bytes: 100, ..Limits::default() };
    // The length of the record and what is around the comment takes 13 bytes.
    let comment = |length: usize| pax(b'x', &[("comment", &"c".repeat(length))]);
    let what = "bytes of an extended header";
    check(limits, &[comment(87), file("a", b"")], &[comment(88), file("a", b"")], what);
    let name = |length: usize| entry(b'L', b"@LongLink", &vec![b'n'; length]);
    check(limits, &[name(100), file("a", b"")], &[name(101), file("a", b"")], what);
}

#[test]
fn what_lies_around_the_files_is_limited_too() {
    // 4 KiB for the one entry, and 1 MiB of zeros.
    let limits = Limits { entries: 1, unpacked_bytes: 512, ratio: 1_000_000, ..Limits::default() };
    let most = 512 + 4_096 + 1024 * 1024;
    let mut bytes = tar(&[file("a", b"a")]);
    bytes.resize(most, 0);
    assert!(Sandbox::new().extract_within(&gzip(&bytes), &limits).is_ok());
    bytes.resize(most + 512, 0);
    check_over(limits, &gzip(&bytes), "bytes of the tar");
}

#[test]
fn a_bomb_is_refused_by_its_ratio_before_it_reaches_any_other_limit() {
    // About 100 to 1.
    let bomb = archive(&[file("a", &vec![0; 17 * 1024 * 1024])]);
    check_over(Limits { ratio: 90, ..Limits::default() }, &bomb, "unpacked bytes for each compressed one");
    assert!(Sandbox::new().extract_within(&bomb, &Limits::default()).is_ok());
}
