//! `manifest.json`: a plugin's word on its own content. Not the `sha256` of `plugin.yaml`, which hosts check.

use std::io::Read as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::failure::Failure;
use super::staged::{Kind, Staged};

const MANIFEST: &str = "manifest.json";
const MAX_MANIFEST: u64 = 1024 * 1024;

/// Passes if the plugin has no `manifest.json`, or one without `sha256`, or if that is the SHA-256 of its other files: for
/// each, by the bytes of its path, the path, a NUL, and the content. Upper-case digits will do.
pub(super) fn check(staged: &Staged) -> Result<(), Failure> {
    let Some(manifest) = staged.small_file(MANIFEST, MAX_MANIFEST)? else { return Ok(()) };
    let manifest: Value = serde_json::from_slice(&manifest)
        .map_err(|error| Failure::NotIntact(format!("manifest.json is not JSON: {error}")))?;
    let declared = match manifest.get("sha256") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(declared)) => declared,
        Some(_) => return Err(Failure::NotIntact("sha256 in manifest.json is not a text".into())),
    };
    let actual = digest(staged)?;
    match actual.eq_ignore_ascii_case(declared) {
        true => Ok(()),
        false => Err(Failure::NotIntact(format!(
            "manifest.json declares sha256 {declared:.64}, the files have {actual}"
        ))),
    }
}

fn digest(staged: &Staged) -> Result<String, Failure> {
    let mut files: Vec<_> = staged.entries.iter().filter(|entry| entry.path != MANIFEST).collect();
    // Not the order of the archive: `a.b` comes before `a/b` here.
    files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    for file in files {
        let Kind::File { size, content } = &file.kind else { continue };
        hasher.update(file.path.as_bytes());
        hasher.update([0]);
        let mut reader = staged.open(content, *size)?;
        loop {
            let read = reader.read(&mut buffer).map_err(Failure::of_archive)?;
            match buffer.get(..read) {
                Some(bytes) if read > 0 => hasher.update(bytes),
                _ => break,
            }
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// In lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
