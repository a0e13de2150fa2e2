//! Somebody else writes into the folder while an archive is unpacked into it.
//!
//! Whoever watches hears of an entry before it is handled: that is the instant at which these tests put something there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use molecule_plugin::archive::{ArchiveError, Extracted, Folding, LinkKind, Refusal};

use crate::forge::{archive, file, folder, link};
use crate::sandbox::Sandbox;

/// Unpacks, and does `meddle` to the target before the entry with this number (from 1).
fn with_meddling(entries: &[Vec<u8>], at: u64, meddle: impl Fn(&Path)) -> Result<Extracted, ArchiveError> {
    let sandbox = Sandbox::new();
    let before = sandbox.outside();
    let mut begun = 0;
    let extracted = sandbox.extract_watched(&archive(entries)[..], &mut |progress| {
        if progress.entries == at && begun < at {
            meddle(&sandbox.target());
        }
        begun = progress.entries;
    });
    assert_eq!(sandbox.outside(), before);
    extracted
}

fn is_local(extracted: &Result<Extracted, ArchiveError>) -> bool {
    matches!(extracted, Err(ArchiveError::Local { .. }))
}

#[test]
fn nothing_is_written_through_a_link_in_the_place_of_a_file() {
    for target in ["../escape.txt", "../new.txt", "inside.txt"] {
        let entries = [file("inside.txt", b"i"), file("a", b"evil")];
        let extracted = with_meddling(&entries, 2, |root| symlink(target, root.join("a")).expect("a link"));
        assert!(is_local(&extracted), "{target}: {extracted:?}");
    }
}

#[test]
fn nothing_is_written_through_a_link_in_the_place_of_a_new_folder() {
    for target in ["..", "../dest-evil", "inside"] {
        let entries = [folder("inside"), file("d/a", b"evil")];
        let extracted = with_meddling(&entries, 2, |root| symlink(target, root.join("d")).expect("a link"));
        assert!(is_local(&extracted), "{target}: {extracted:?}");
    }
}

#[test]
fn nothing_is_written_through_a_link_in_the_place_of_a_folder_that_was_there() {
    for target in ["..", "../dest-evil", "inside"] {
        let entries = [folder("inside"), folder("d"), file("d/a", b"evil")];
        let extracted = with_meddling(&entries, 3, |root| {
            fs::remove_dir(root.join("d")).expect("it goes");
            symlink(target, root.join("d")).expect("a link");
        });
        assert!(is_local(&extracted), "{target}: {extracted:?}");
    }
}

#[test]
fn a_folder_that_is_open_is_not_looked_up_again() {
    let entries = [folder("d"), file("d/a", b"a"), file("d/b", b"b")];
    let extracted = with_meddling(&entries, 3, |root| {
        fs::rename(root.join("d"), root.join("moved")).expect("it moves");
        symlink("../dest-evil", root.join("d")).expect("a link");
    });
    assert!(extracted.is_ok(), "{extracted:?}");
}

#[test]
fn what_somebody_else_put_there_is_not_overwritten() {
    let entries = [file("a", b"a"), file("b", b"b")];
    let extracted = with_meddling(&entries, 2, |root| fs::write(root.join("b"), "other").expect("a file"));
    assert!(is_local(&extracted), "{extracted:?}");
    let entries = [file("a", b"a"), folder("b")];
    let extracted = with_meddling(&entries, 2, |root| fs::create_dir(root.join("b")).expect("a folder"));
    assert!(is_local(&extracted), "{extracted:?}");
}

#[test]
fn a_folder_that_is_not_empty_is_not_unpacked_into() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.target().join("other"), "other").expect("a file");
    let extracted = sandbox.extract(&archive(&[file("a", b"a")]));
    assert!(is_local(&extracted), "{extracted:?}");
}

#[test]
fn an_entry_below_a_skipped_link_or_in_its_place_is_refused() {
    for kind in [b'1', b'2'] {
        for later in
            [file("l/a", b"evil"), folder("l/d"), file("l", b"evil"), folder("l"), link(b'2', "l/m", "..")]
        {
            let extracted = Sandbox::new().extract(&archive(&[link(kind, "l", ".."), later]));
            let refused = matches!(extracted, Err(ArchiveError::Refused(Refusal::Conflict { .. })));
            assert!(refused, "{extracted:?}");
        }
        let twice = [link(kind, "l", "a\u{1b}[31m"), link(kind, "l", "b")];
        let extracted = Sandbox::new().extract(&archive(&twice)).expect("both are left out");
        assert_eq!(extracted.skipped.len(), 2);
        assert_eq!(extracted.skipped[0].kind, if kind == b'1' { LinkKind::Hard } else { LinkKind::Symbolic });
        assert!(!extracted.skipped[0].target.contains(char::is_control));
    }
}

#[test]
fn a_name_means_one_thing_only() {
    for later in [file("a", b"2"), folder("a"), link(b'2', "a", "b"), file("a/b", b"")] {
        let extracted = Sandbox::new().extract(&archive(&[file("a", b"1"), later]));
        assert!(matches!(extracted, Err(ArchiveError::Refused(Refusal::Conflict { .. }))), "{extracted:?}");
    }
    let same = [file("d/a", b""), folder("d"), folder("./d/"), file("d//b", b"")];
    assert!(Sandbox::new().extract(&archive(&same)).is_ok());
}

#[test]
fn names_that_the_file_system_takes_for_one_are_refused_there_and_only_there() {
    let pairs = [
        [file("README", b"1"), file("readme", b"2")],
        [file("caf\u{e9}", b"1"), file("cafe\u{301}", b"2")],
        [file("d/a", b"1"), file("D/b", b"2")],
        [folder("d"), folder("D")],
        [link(b'2', "l", "a"), file("L/a", b"evil")],
        [link(b'2', "l", "a"), file("L", b"evil")],
    ];
    let folds = Folding { case: true, unicode: true };
    for pair in pairs {
        let archive = archive(&pair);
        let folded = Sandbox::new().extract_folding(&archive, folds);
        assert!(matches!(folded, Err(ArchiveError::Refused(Refusal::Conflict { .. }))), "{folded:?}");
        assert!(Sandbox::new().extract_folding(&archive, Folding::NONE).is_ok());
    }
    let repeated = [folder("d"), folder("d"), file("d/a", b"")];
    assert!(Sandbox::new().extract_folding(&archive(&repeated), folds).is_ok());
}
