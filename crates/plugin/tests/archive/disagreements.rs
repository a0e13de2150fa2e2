//! What two programs would read as two different archives is refused.

use molecule_plugin::archive::{ArchiveError, Refusal};

use crate::forge::{archive, entry, entry_with, file, link, pax};
use crate::sandbox::Sandbox;

fn refusal(entries: &[Vec<u8>]) -> Refusal {
    match Sandbox::new().extract(&archive(entries)) {
        Err(ArchiveError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_or_link_with_data_hides_no_entry() {
    let hidden = file("hidden", b"");
    for kind in [b'1', b'2', b'5'] {
        let refusal = refusal(&[entry(kind, b"a", &hidden)]);
        assert!(matches!(refusal, Refusal::Entry { .. }), "{refusal}");
        let by_pax = [pax(b'x', &[("size", "512")]), entry(kind, b"a", b""), hidden.clone()];
        assert!(Sandbox::new().extract(&archive(&by_pax)).is_err());
    }
}

#[test]
fn only_one_header_speaks_of_an_entry() {
    let long_name = || entry(b'L', b"@LongLink", b"one\0");
    let long_link = || entry(b'K', b"@LongLink", b"one\0");
    let by_pax = || pax(b'x', &[("path", "two")]);
    let global = || pax(b'g', &[("comment", "c")]);
    let pairs = [
        [by_pax(), by_pax()],
        [long_name(), long_name()],
        [long_link(), long_link()],
        [long_name(), by_pax()],
        [by_pax(), long_name()],
        [by_pax(), long_link()],
        [by_pax(), global()],
        [long_name(), global()],
    ];
    for [one, other] in pairs {
        let refusal = refusal(&[one, other, file("a", b"")]);
        assert!(matches!(refusal, Refusal::Header { .. }), "{refusal}");
    }
    let both_of_gnu = [long_link(), long_name(), link(b'2', "a", "b")];
    let extracted = Sandbox::new().extract(&archive(&both_of_gnu)).expect("as GNU tar writes it");
    assert_eq!((extracted.skipped[0].path.as_str(), extracted.skipped[0].target.as_str()), ("one", "one"));
}

#[test]
fn a_header_that_speaks_of_no_entry_is_refused() {
    for header in
        [entry(b'L', b"@LongLink", b"a\0"), entry(b'K', b"@LongLink", b"a\0"), pax(b'x', &[("path", "a")])]
    {
        let refusal = refusal(&[header]);
        assert!(matches!(refusal, Refusal::Header { .. }), "{refusal}");
    }
}

#[test]
fn a_long_name_ends_where_its_text_ends() {
    let refusal = refusal(&[entry(b'L', b"@LongLink", b"a\0/../../b\0"), file("a", b"")]);
    assert!(matches!(refusal, Refusal::Header { .. }), "{refusal}");
}

#[test]
fn a_sparse_file_is_refused_in_every_form() {
    let forms = [
        vec![entry(b'S', b"a", b"")],
        vec![pax(b'x', &[("GNU.sparse.map", "0,1")]), file("a", b"x")],
        vec![pax(b'x', &[("GNU.sparse.major", "1"), ("GNU.sparse.name", "../a")]), file("a", b"x")],
    ];
    for form in forms {
        refusal(&form);
    }
}

#[test]
fn a_mode_gives_the_execute_bit_and_nothing_else() {
    for (mode, executable) in
        [(0o777, true), (0o4755, true), (0o100, true), (0o666, false), (0o077, false), (0, false)]
    {
        let one = entry_with(b'0', b"a", b"", |header| header.set_mode(mode));
        let extracted = Sandbox::new().extract(&archive(&[one])).expect("it is harmless");
        assert_eq!(extracted.files[0].executable, executable, "{mode:o}");
    }
}
