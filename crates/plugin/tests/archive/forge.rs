//! Archives that no honest program writes.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::Header;

/// An entry, its header and data as they should be.
pub(crate) fn entry(kind: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
    entry_with(kind, name, data, |_| {})
}

/// An entry whose header is changed before it gets its checksum.
pub(crate) fn entry_with(kind: u8, name: &[u8], data: &[u8], change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkflag = [kind];
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    change(&mut header);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub(crate) fn file(name: &str, data: &[u8]) -> Vec<u8> {
    entry(b'0', name.as_bytes(), data)
}

pub(crate) fn folder(name: &str) -> Vec<u8> {
    entry(b'5', name.as_bytes(), b"")
}

pub(crate) fn link(kind: u8, name: &str, target: &str) -> Vec<u8> {
    entry_with(kind, name.as_bytes(), b"", |header| {
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    })
}

/// A PAX header: `x` for the next entry, `g` for all that follow.
pub(crate) fn pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = String::new();
    for (key, value) in records {
        let with = |length: usize| format!("{length} {key}={value}\n");
        let length = (0..).find(|length| with(*length).len() == *length).expect("some length fits");
        data.push_str(&with(length));
    }
    entry(kind, b"pax", data.as_bytes())
}

/// The entries, and the two blocks of zeros that end them.
pub(crate) fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("it is packed");
    encoder.finish().expect("it is packed")
}

pub(crate) fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    gzip(&tar(entries))
}
