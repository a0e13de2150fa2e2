//! Random hostile archives, against a listing that is worked out in another way.

use std::collections::BTreeMap;
use std::path::Path;

use molecule_plugin::Digest;
use molecule_plugin::archive::{ArchiveError, Extracted};
use proptest::prelude::*;

use crate::forge::{entry, entry_with, file, folder, gzip, link, pax, tar};
use crate::sandbox::{Sandbox, less_the_umask, listing};

/// What an entry of a random archive is.
#[derive(Debug, Clone)]
enum Piece {
    File {
        name: String,
        data: Vec<u8>,
        naming: Naming,
    },
    Folder {
        name: String,
    },
    Link {
        kind: u8,
        name: String,
        target: String,
    },
    /// A type that is never taken.
    Special {
        kind: u8,
        name: String,
    },
    /// A folder or link with data, or a file whose header and PAX record disagree.
    Lying {
        kind: u8,
        name: String,
    },
    Global {
        path: bool,
    },
}

/// Where a file's name stands.
#[derive(Debug, Clone, Copy)]
enum Naming {
    Header,
    Pax,
    Gnu,
    PaxAndSize,
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::File { name, data, naming: Naming::Header } => file(name, data),
            Self::File { name, data, naming: Naming::Pax } => {
                [pax(b'x', &[("path", name)]), file("x", data)].concat()
            }
            Self::File { name, data, naming: Naming::Gnu } => {
                let text = [name.as_bytes(), b"\0"].concat();
                [entry(b'L', b"@LongLink", &text), file("x", data)].concat()
            }
            Self::File { name, data, naming: Naming::PaxAndSize } => {
                let said = pax(b'x', &[("path", name), ("size", &data.len().to_string())]);
                [said, entry_with(b'0', b"../x", data, |header| header.set_size(0))].concat()
            }
            Self::Folder { name } => folder(name),
            Self::Link { kind, name, target } => link(*kind, name, target),
            Self::Special { kind, name } => entry(*kind, name.as_bytes(), b""),
            Self::Lying { kind: b'0', name } => {
                entry_with(b'0', name.as_bytes(), b"data", |header| header.as_old_mut().size = [0xff; 12])
            }
            Self::Lying { kind, name } => entry(*kind, name.as_bytes(), b"data"),
            Self::Global { path: false } => pax(b'g', &[("comment", "harmless")]),
            Self::Global { path: true } => pax(b'g', &[("path", "../escape.txt")]),
        }
    }
}

/// What lies there afterwards: content of files, nothing for folders. The rules are those of the vectors, written down
/// once more, by somebody who holds all of the archive in memory and knows nothing of tar.
fn reference(pieces: &[Piece]) -> Option<BTreeMap<String, Option<Vec<u8>>>> {
    let mut tree: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    let mut links: Vec<String> = Vec::new();
    for piece in pieces {
        let name = match piece {
            Piece::Special { .. } | Piece::Lying { .. } | Piece::Global { path: true } => return None,
            Piece::Global { path: false } => continue,
            Piece::File { name, .. } | Piece::Folder { name } | Piece::Link { name, .. } => name,
        };
        let path = plain(name)?;
        if path.is_empty() {
            match piece {
                Piece::Folder { .. } => continue,
                _ => return None,
            }
        }
        let above: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        if above.iter().any(|folder| matches!(tree.get(*folder), Some(Some(_)))) {
            return None;
        }
        if above.iter().any(|folder| links.iter().any(|link| link == folder)) {
            return None;
        }
        for folder in above {
            tree.insert(folder.to_owned(), None);
        }
        let is_link = links.contains(&path);
        match piece {
            Piece::Link { .. } if tree.contains_key(&path) => return None,
            Piece::Link { .. } => links.push(path),
            _ if is_link => return None,
            Piece::Folder { .. } if matches!(tree.get(&path), Some(Some(_))) => return None,
            Piece::Folder { .. } => {
                tree.insert(path, None);
            }
            Piece::File { .. } if tree.contains_key(&path) || name.ends_with('/') || name.ends_with("/.") => {
                return None;
            }
            Piece::File { data, .. } => {
                tree.insert(path, Some(data.clone()));
            }
            _ => {}
        }
    }
    Some(tree)
}

/// The name without what leads nowhere, or nothing if it is hostile.
fn plain(name: &str) -> Option<String> {
    let hostile =
        name.is_empty() || name.starts_with('/') || name.contains(['\\', ':', '\u{1}', '\n', '\u{9b}']);
    let mut path = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." | "a." | "a " | "nul" | "CON.txt" => return None,
            part => path.push(part),
        }
    }
    (!hostile).then(|| path.join("/"))
}

fn name() -> impl Strategy<Value = String> {
    let harmless = prop_oneof![Just("a"), Just("b"), Just("A"), Just("é"), Just("e\u{301}"), Just("..a")];
    let hostile = prop_oneof![
        Just(".."),
        Just("a."),
        Just("a "),
        Just("nul"),
        Just("CON.txt"),
        Just("a:b"),
        Just("a\\b"),
        Just("\u{1}"),
        Just("x\ny"),
        Just("\u{9b}")
    ];
    let part = prop_oneof![30 => harmless, 2 => Just("."), 2 => Just(""), 1 => hostile];
    let parts = prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"));
    prop_oneof![12 => parts.clone(), 1 => parts.prop_map(|name| format!("{name}/"))]
}

fn piece() -> impl Strategy<Value = Piece> {
    let length = || prop_oneof![0..5usize, 510..515usize, 1020..1030usize];
    let data = || (any::<u8>(), length()).prop_map(|(byte, length)| vec![byte; length]);
    let naming =
        prop_oneof![Just(Naming::Header), Just(Naming::Pax), Just(Naming::Gnu), Just(Naming::PaxAndSize)];
    let file = (name(), data(), naming).prop_map(|(name, data, naming)| Piece::File { name, data, naming });
    let target = prop_oneof![Just(".."), Just("../escape.txt"), Just("/etc/passwd"), Just("a"), Just(".")];
    let link = (prop_oneof![Just(b'1'), Just(b'2')], name(), target)
        .prop_map(|(kind, name, target)| Piece::Link { kind, name, target: target.to_owned() });
    let special = prop::sample::select(b"346SDMVNXZ".to_vec());
    let lying = prop::sample::select(b"0125".to_vec());
    prop_oneof![
        40 => file,
        20 => name().prop_map(|name| Piece::Folder { name }),
        10 => link,
        1 => (special, name()).prop_map(|(kind, name)| Piece::Special { kind, name }),
        1 => (lying, name()).prop_map(|(kind, name)| Piece::Lying { kind, name }),
        1 => prop::bool::weighted(0.3).prop_map(|path| Piece::Global { path }),
    ]
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    prop::collection::vec(piece(), 0..9)
}

fn archive_of(pieces: &[Piece]) -> Vec<u8> {
    tar(&pieces.iter().map(Piece::bytes).collect::<Vec<_>>())
}

/// Nothing outside the target is touched, whatever comes of it; and what is reported is what lies there.
fn extract(archive: &[u8]) -> Result<(Extracted, Sandbox), ArchiveError> {
    let sandbox = Sandbox::new();
    let before = sandbox.outside();
    let extracted = sandbox.extract(archive);
    assert_eq!(sandbox.outside(), before);
    let on_disk = listing(&sandbox.target());
    assert!(on_disk.values().all(|what| what != "neither"), "{on_disk:?}");
    let extracted = extracted?;
    let files: BTreeMap<_, _> = on_disk.into_iter().filter(|(_, what)| what.starts_with("file")).collect();
    assert_eq!(files.len(), extracted.files.len());
    for file in &extracted.files {
        let mode = less_the_umask(if file.executable { 0o755 } else { 0o644 });
        assert_eq!(files.get(Path::new(&file.path)), Some(&format!("file {mode:o} {}", file.digest)));
    }
    Ok((extracted, sandbox))
}

fn config() -> ProptestConfig {
    let rounds = std::env::var("MOLECULE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(rounds.unwrap_or(300)) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_inside_is_what_a_reference_listing_says(pieces in pieces()) {
        match (extract(&gzip(&archive_of(&pieces))), reference(&pieces)) {
            (Ok((_, sandbox)), Some(want)) => {
                let found = listing(&sandbox.target()).into_iter().map(|(path, what)| {
                    let digest = what.strip_prefix("file ").and_then(|rest| rest.rsplit(' ').next().map(str::to_owned));
                    (path.to_str().expect("UTF-8").to_owned(), digest)
                });
                let want = want.into_iter().map(|(path, data)| (path, data.map(|data| Digest::of(&data).to_string())));
                prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), want.collect::<BTreeMap<_, _>>());
            }
            (Err(ArchiveError::Refused(_)), None) => {}
            (got, want) => prop_assert!(false, "{:?}, and the reference says {want:?}", got.map(|(got, _)| got)),
        }
    }

    #[test]
    fn a_damaged_tar_touches_nothing_outside(
        pieces in pieces(),
        flips in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        sizes in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 12]>()), 0..2),
    ) {
        let mut tar = archive_of(&pieces);
        for flip in flips {
            let at = flip.index(tar.len() * 8);
            tar[at / 8] ^= 1 << (at % 8);
        }
        // A size that lies, with a checksum that holds.
        for (block, size) in sizes {
            let start = block.index(tar.len() / 512) * 512;
            let block = &mut tar[start..start + 512];
            block[124..136].copy_from_slice(&size);
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        if let Some(cut) = cut {
            tar.truncate(cut.index(tar.len()));
        }
        let extracted = extract(&gzip(&tar)).map(|(extracted, _)| extracted);
        prop_assert!(!matches!(extracted, Err(ArchiveError::Local { .. } | ArchiveError::Body { .. })), "{extracted:?}");
    }

    #[test]
    fn a_damaged_gzip_stream_touches_nothing_outside(
        pieces in pieces(),
        flips in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let mut archive = gzip(&archive_of(&pieces));
        for flip in flips {
            let at = flip.index(archive.len() * 8);
            archive[at / 8] ^= 1 << (at % 8);
        }
        let extracted = extract(&archive).map(|(extracted, _)| extracted);
        prop_assert!(!matches!(extracted, Err(ArchiveError::Local { .. } | ArchiveError::Body { .. })), "{extracted:?}");
    }
}
