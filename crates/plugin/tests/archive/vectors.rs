//! The archives of `tests/vectors/tar_cases`: each is judged as its `hardened` says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use molecule_plugin::Digest;
use molecule_plugin::archive::{ArchiveError, Extracted};
use serde_json::Value;

use crate::sandbox::{Sandbox, less_the_umask, listing};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

fn cases(action: &str) -> Vec<(String, Vec<u8>, Value)> {
    let text = fs::read_to_string(vectors().join("tar_cases.json")).expect("the vectors");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let cases = all["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 75);
    let chosen = cases.iter().filter(|case| case["hardened"]["action"] == action).map(|case| {
        let file = case["file"].as_str().expect("a file");
        let archive = fs::read(vectors().join(file)).expect("the archive");
        (case["name"].as_str().expect("a name").to_owned(), archive, case.clone())
    });
    let chosen: Vec<_> = chosen.collect();
    assert!(!chosen.is_empty(), "{action}");
    chosen
}

fn wanted_files(case: &Value) -> BTreeSet<String> {
    let files = case["hardened"]["files"].as_array().expect("files");
    files.iter().map(|file| file.as_str().expect("a name").to_owned()).collect()
}

/// What is on the disk is what was reported, and is what the case wants.
fn check(name: &str, case: &Value, sandbox: &Sandbox, extracted: &Extracted, archive: &[u8]) {
    let mut on_disk = listing(&sandbox.target());
    let reported: BTreeSet<String> = extracted.files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(reported, wanted_files(case), "{name}");
    for file in &extracted.files {
        let mode = less_the_umask(if file.executable { 0o755 } else { 0o644 });
        let found = on_disk.remove(Path::new(&file.path));
        assert_eq!(found, Some(format!("file {mode:o} {}", file.digest)), "{name}: {}", file.path);
    }
    let folder = format!("folder {:o}", less_the_umask(0o755));
    assert!(on_disk.values().all(|what| *what == folder), "{name}: {on_disk:?}");
    assert_eq!(extracted.digest, Digest::of(archive), "{name}");
    assert_eq!(extracted.compressed_bytes, archive.len() as u64, "{name}");
    assert_eq!(extracted.bytes, extracted.files.iter().map(|file| file.size).sum::<u64>(), "{name}");
    // The content is what the SDK finds in it, where the vectors list it.
    for entry in case["sdk"]["entries"].as_array().into_iter().flatten() {
        let Some(file) = extracted.files.iter().find(|file| entry["path"] == file.path.as_str()) else {
            continue;
        };
        assert_eq!(entry["sha256"], file.digest.to_string().as_str(), "{name}: {}", file.path);
        assert_eq!(entry["size"], file.size, "{name}: {}", file.path);
    }
}

#[test]
fn what_is_harmless_is_unpacked() {
    for (name, archive, case) in cases("extract") {
        let sandbox = Sandbox::new();
        let before = sandbox.outside();
        let extracted = sandbox.extract(&archive).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&name, &case, &sandbox, &extracted, &archive);
        assert_eq!(extracted.skipped, [], "{name}");
        assert_eq!(sandbox.outside(), before, "{name}");
    }
}

#[test]
fn links_are_left_out_and_named() {
    for (name, archive, case) in cases("skip_entry") {
        let sandbox = Sandbox::new();
        let before = sandbox.outside();
        let extracted = sandbox.extract(&archive).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&name, &case, &sandbox, &extracted, &archive);
        assert!(!extracted.skipped.is_empty(), "{name}");
        for link in &extracted.skipped {
            assert!(!link.target.is_empty(), "{name}: {link}");
            assert!(sandbox.target().join(&link.path).symlink_metadata().is_err(), "{name}: {link}");
        }
        assert_eq!(sandbox.outside(), before, "{name}");
    }
}

#[test]
fn what_is_hostile_or_broken_is_refused() {
    for (name, archive, _) in cases("reject") {
        let sandbox = Sandbox::new();
        let before = sandbox.outside();
        match sandbox.extract(&archive) {
            Err(ArchiveError::Refused(refusal)) => println!("{name}: {refusal}"),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(sandbox.outside(), before, "{name}");
    }
}
