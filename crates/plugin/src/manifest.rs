//! The content manifest hash: what `sha256` in plugin.yaml declares (docs of the platform's SDK; byte exact).

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::Digest;

/// The one file that is not hashed, since it holds the hash: at the root, and spelled exactly so.
const DECLARATION: &str = "plugin.yaml";

/// The hash over all files of a plugin, given as path (relative, `/` between names) and SHA-256 of the content, in any
/// order. `plugin.yaml` at the root does not count.
///
/// It is the SHA-256 of a list of pairs in JSON, sorted by path, as Python's `json.dumps` writes it.
///
/// ```
/// use molecule_plugin::Digest;
/// use molecule_plugin::manifest::manifest_hash;
///
/// let hash = manifest_hash([("rules.md", Digest::of(b"- be kind\n")), ("plugin.yaml", Digest::of(b"any"))]);
/// assert_eq!(hash.to_string(), "ff91f2bec2a6422fa720b98228c6fcb9d3452876c60d4052377a69d5de57ed7a");
/// ```
pub fn manifest_hash<'a>(files: impl IntoIterator<Item = (&'a str, Digest)>) -> Digest {
    Digest::of(serialise(files).as_bytes())
}

/// The text that is hashed.
fn serialise<'a>(files: impl IntoIterator<Item = (&'a str, Digest)>) -> String {
    let mut files: Vec<_> = files.into_iter().filter(|(path, _)| *path != DECLARATION).collect();
    // The order of code points is that of the bytes of UTF-8; it is not that of UTF-16.
    files.sort_unstable_by_key(|(path, _)| *path);
    let mut text = String::from("[");
    for (at, (path, digest)) in files.iter().enumerate() {
        text.push_str(if at == 0 { "[\"" } else { ", [\"" });
        path.chars().for_each(|c| escape(c, &mut text));
        text.push_str("\", \"");
        text.push_str(&digest.to_string());
        text.push_str("\"]");
    }
    text.push(']');
    text
}

/// A character as Python writes it with `ensure_ascii`. No library of Rust escapes U+007F.
fn escape(c: char, text: &mut String) {
    match c {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\u{8}' => text.push_str("\\b"),
        '\u{c}' => text.push_str("\\f"),
        ' '..='~' => text.push(c),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
}

/// Why a folder has no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashFolderError {
    /// A name that the hash is not defined for.
    #[error("{0:?} has a name that is not UTF-8: rename it, no plugin can hold it")]
    NotUtf8(PathBuf),
    /// Something could not be read.
    #[error("cannot read {path:?}: {source}")]
    Io {
        /// What.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
}

/// The hash of a folder as it lies there, for its author and for whoever checks what is installed.
///
/// A link to a file counts as that file, and a link to a folder does not count, as the platform's SDK has it; neither
/// survives an install. What is neither file nor folder does not count.
///
/// # Errors
///
/// [`HashFolderError`]: something could not be read, or has a name that is not UTF-8.
pub fn hash_folder(folder: &Path) -> Result<Digest, HashFolderError> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let broken = |path: &Path| {
            let path = path.to_owned();
            move |source| HashFolderError::Io { path, source }
        };
        for entry in fs::read_dir(&folder).map_err(broken(&folder))? {
            let entry = entry.map_err(broken(&folder))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(broken(&path))?;
            let is_file =
                kind.is_file() || (kind.is_symlink() && fs::metadata(&path).is_ok_and(|to| to.is_file()));
            if !is_file && !kind.is_dir() {
                continue;
            }
            let name = entry.file_name();
            let Some(name) = name.to_str() else { return Err(HashFolderError::NotUtf8(path)) };
            let relative = format!("{prefix}{name}");
            if kind.is_dir() {
                folders.push((path, relative + "/"));
            } else {
                files.push((relative, hash_file(&path).map_err(broken(&path))?));
            }
        }
    }
    Ok(manifest_hash(files.iter().map(|(path, digest)| (path.as_str(), *digest))))
}

fn hash_file(path: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match io::Read::read(&mut file, &mut buffer) {
            Ok(0) => return Ok(Digest::from(hash)),
            Ok(read) => hash.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_that_is_hashed_is_that_of_python() {
        let digest = Digest::of(b"");
        let files = [("b\u{7f}\u{1}", digest), ("plugin.yaml", digest), ("a\"\\/é", digest), ("😀", digest)];
        let want = format!(
            r#"[["a\"\\/\u00e9", "{digest}"], ["b\u007f\u0001", "{digest}"], ["\ud83d\ude00", "{digest}"]]"#
        );
        assert_eq!(serialise(files), want);
        assert_eq!(serialise([]), "[]");
    }
}
