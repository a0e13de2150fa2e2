//! What the fuzz targets do with an input. `tests/corpus.rs` does the same with the kept ones, on stable.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use molecule_plugin::Digest;
use molecule_plugin::archive::{ArchiveError, Limits};

/// Unpacks the input: as it is if it is gzip, and packed else, since no fuzzer finds the checksums of gzip.
///
/// Nothing beside the target may change, nothing but files and folders may be in it, and an archive that is taken must have
/// become the files that are reported. A body and a disk that do not fail are never what failed.
pub fn extract(data: &[u8]) {
    let packed;
    let archive = if data.starts_with(b"\x1f\x8b") {
        data
    } else {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(data).expect("it is packed");
        packed = encoder.finish().expect("it is packed");
        &packed
    };
    let root = tempfile::tempdir().expect("a folder");
    let target = root.path().join("target");
    fs::create_dir(&target).expect("a folder");
    fs::write(root.path().join("escape.txt"), "mine").expect("a file");
    let into = Dir::open_ambient_dir(&target, ambient_authority()).expect("it opens");
    let limits = Limits { entries: 200, unpacked_bytes: 1024 * 1024, ..Limits::default() };
    let extracted = molecule_plugin::archive::extract(archive, &into, &limits, &mut |_| {});

    assert_eq!(fs::read_to_string(root.path().join("escape.txt")).expect("it is there"), "mine");
    assert_eq!(fs::read_dir(root.path()).expect("a listing").count(), 2, "something is beside the target");
    let mut files = BTreeMap::new();
    let mut folders = vec![target.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a listing") {
            let path = entry.expect("an entry").path();
            let kind = path.symlink_metadata().expect("metadata").file_type();
            assert!(kind.is_dir() || kind.is_file(), "{path:?} is neither");
            if kind.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&target).expect("below it").to_str().expect("UTF-8").to_owned();
                files.insert(name, Digest::of(&fs::read(path).expect("content")));
            }
        }
    }
    match extracted {
        Ok(extracted) => {
            assert_eq!(
                extracted.files.into_iter().map(|file| (file.path, file.digest)).collect::<BTreeMap<_, _>>(),
                files
            );
            assert_eq!(extracted.digest, Digest::of(archive));
        }
        Err(ArchiveError::Refused(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Hashes a list of files, a path a line, and compares with what serde_json makes of it, in whatever order.
pub fn manifest_hash(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let files: BTreeMap<&str, Digest> =
        text.split('\n').map(|path| (path, Digest::of(path.as_bytes()))).collect();
    let hash = molecule_plugin::manifest::manifest_hash(files.iter().map(|(path, digest)| (*path, *digest)));
    let reversed =
        molecule_plugin::manifest::manifest_hash(files.iter().rev().map(|(path, digest)| (*path, *digest)));
    assert_eq!(hash, reversed);

    let mut pairs = Vec::new();
    for (path, digest) in files.iter().filter(|(path, _)| **path != "plugin.yaml") {
        let mut ascii = String::new();
        for c in serde_json::to_string(path).expect("JSON").chars() {
            if c.is_ascii() && c != '\u{7f}' {
                ascii.push(c);
            } else {
                c.encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| write!(ascii, "\\u{unit:04x}").expect("it is written"));
            }
        }
        pairs.push(format!("[{ascii}, \"{digest}\"]"));
    }
    assert_eq!(hash, Digest::of(format!("[{}]", pairs.join(", ")).as_bytes()));
}
