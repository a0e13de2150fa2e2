//! The trees of `tests/vectors/plugin_sha256.json`, to the byte.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use molecule_plugin::Digest;
use molecule_plugin::facts::{Facts, Verified, VerifyError};
use molecule_plugin::manifest::{HashFolderError, hash_folder, manifest_hash};
use serde_json::Value;

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/plugin_sha256.json");
    serde_json::from_str(&fs::read_to_string(path).expect("the vectors")).expect("JSON")
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("base64").trim_end_matches('=');
    let mut bits = text.bytes().map(|letter| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("no base64: {text}"),
    });
    let mut bytes = Vec::new();
    while let Some(first) = bits.next() {
        let group: Vec<u8> = std::iter::once(first).chain(bits.by_ref().take(3)).collect();
        let number =
            group.iter().fold(0u32, |number, bits| number << 6 | u32::from(*bits)) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&number.to_be_bytes()[1..group.len()]);
    }
    bytes
}

#[test]
fn every_tree_has_the_hash_that_the_sdk_gives_it() {
    let all = vectors();
    let cases = all["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 32);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let root = tempfile::tempdir().expect("a folder");
        let mut listed = Vec::new();
        let mut utf8 = true;
        for file in case["files"].as_array().expect("files") {
            let (path, content) = (bytes(&file["path_base64"]), bytes(&file["content_base64"]));
            let on_disk = root.path().join(OsStr::from_bytes(&path));
            fs::create_dir_all(on_disk.parent().expect("a parent")).expect("a folder");
            fs::write(on_disk, &content).unwrap_or_else(|error| panic!("{name}: {error}"));
            match String::from_utf8(path) {
                Ok(path) => listed.push((path, Digest::of(&content))),
                Err(_) => utf8 = false,
            }
        }
        let links = case["symlinks"].as_array();
        for link in links.into_iter().flatten() {
            let (path, target) = (&link["path"], &link["target"]);
            let path = root.path().join(path.as_str().expect("a path"));
            std::os::unix::fs::symlink(target.as_str().expect("a target"), path).expect("a link");
        }

        let of_folder = hash_folder(root.path());
        if !utf8 {
            // Python writes lone surrogates there; such a name is refused instead (protocol.md 5.4), and never installed.
            assert!(matches!(of_folder, Err(HashFolderError::NotUtf8(_))), "{name}: {of_folder:?}");
            continue;
        }
        let want = case["sha256"].as_str().expect("a hash");
        assert_eq!(of_folder.expect(name).to_string(), want, "{name}");
        if links.is_none() {
            let of_list = manifest_hash(listed.iter().map(|(path, digest)| (path.as_str(), *digest)));
            assert_eq!(of_list.to_string(), want, "{name}");
        }
    }
}

#[test]
fn a_declared_hash_is_right_or_wrong_or_none() {
    let all = vectors();
    let expected = all["verify_expected_format"].as_array().expect("cases");
    let right = expected[0]["expected"].as_str().expect("a hash").parse().expect("a hash");
    for case in expected {
        let note = &case["note"];
        // What is no text at all does not get out of plugin.yaml: see the tests of `facts`.
        let Some(declared) = case["expected"].as_str() else { continue };
        let facts = Facts { sha256: Some(declared.to_owned()), ..Facts::default() };
        let verified = facts.verify(right);
        // `0x`, `+` and a newline pass for hex digits in Python, and never match: here they are no hash.
        let hex = declared.len() == 64 && declared.bytes().all(|byte| byte.is_ascii_hexdigit());
        match case["returns"].as_bool() {
            Some(true) => assert_eq!(verified, Ok(Verified::Matches(right)), "{note}"),
            Some(false) if hex => {
                assert!(matches!(verified, Err(VerifyError::Mismatch { .. })), "{note}: {verified:?}");
            }
            _ => assert!(matches!(verified, Err(VerifyError::NotAHash { .. })), "{note}: {verified:?}"),
        }
    }
    assert_eq!(Facts::default().verify(right), Ok(Verified::NothingDeclared(right)));
}
