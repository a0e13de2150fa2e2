//! Plugins that are folders.

use std::fs::{DirEntry, Metadata};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::failure::Failure;
use super::staged::{Content, Entry, Kind, Listing, child};
use super::{real_base, within};

/// Lists the plugin in the folder `name` of `base`; gives its name back.
pub(super) fn list(base: &Path, name: &str, listing: &mut Listing) -> Result<String, Failure> {
    if !is_folder_name(name) {
        return Err(Failure::unreadable(
            "a local plugin's name is a lower-case letter or digit, then at most 127 of a-z, 0-9, `.`, `_` and `-`",
        ));
    }
    let base = real_base(base)?;
    match within(&base, &base.join(name))? {
        Some(folder) if folder.is_dir() => walk(&base, &folder, "", listing)?,
        _ => {
            return Err(Failure::NotFound(
                "there is no folder of that name in the platform's folder of plugins".into(),
            ));
        }
    }
    Ok(name.to_owned())
}

/// `^[a-z0-9][a-z0-9._-]{0,127}$`
pub(super) fn is_folder_name(name: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 128
        && name.bytes().next().is_some_and(first)
        && name.bytes().all(|byte| first(byte) || b"._-".contains(&byte))
}

fn walk(base: &Path, folder: &Path, at: &str, listing: &mut Listing) -> Result<(), Failure> {
    for (name, entry) in siblings(folder, listing)? {
        let path = child(at, &name);
        let real = entry.path();
        let kind = entry.file_type().map_err(|error| Failure::disk(&real, &error))?;
        if kind.is_dir() {
            let metadata = entry.metadata().map_err(|error| Failure::disk(&real, &error))?;
            listing.add(Entry {
                path: path.clone(),
                kind: Kind::Folder,
                mode: mode(&metadata),
                modified: modified(&metadata),
            })?;
            walk(base, &real, &path, listing)?;
        } else if kind.is_file() {
            add_file(&real, path, listing)?;
        } else if kind.is_symlink() {
            match linked_file(base, &real)? {
                Some(file) => add_file(&file, path, listing)?,
                None => {
                    tracing::warn!(link = %real.display(), "left out of the plugin: leads to no file of the folder of plugins")
                }
            }
        } else {
            tracing::warn!(path = %real.display(), "left out of the plugin: neither a file nor a folder");
        }
    }
    Ok(())
}

/// What is in a folder, by the bytes of its names.
fn siblings(folder: &Path, listing: &Listing) -> Result<Vec<(String, DirEntry)>, Failure> {
    let cannot = |error| Failure::disk(folder, &error);
    let mut siblings = Vec::new();
    for entry in folder.read_dir().map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().into_string().map_err(|name| {
            Failure::unreadable(format!(
                "the name {} is not UTF-8; hosts refuse such plugins",
                name.display()
            ))
        })?;
        siblings.push((name, entry));
        listing.room_for(siblings.len())?;
    }
    siblings.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(siblings)
}

fn add_file(real: &Path, path: String, listing: &mut Listing) -> Result<(), Failure> {
    let metadata = real.symlink_metadata().map_err(|error| Failure::disk(real, &error))?;
    listing.add(Entry {
        path,
        kind: Kind::File { size: metadata.len(), content: Content::Disk(real.to_owned()) },
        mode: mode(&metadata),
        modified: modified(&metadata),
    })
}

/// The file that a link leads to. One that leads anywhere else is none, as a copy of it would be read by an agent.
fn linked_file(base: &Path, link: &Path) -> Result<Option<std::path::PathBuf>, Failure> {
    match link.canonicalize() {
        Ok(real) => Ok((real.starts_with(base) && real.is_file()).then_some(real)),
        // Broken, or in a circle.
        Err(_) => Ok(None),
    }
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;

    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(metadata: &Metadata) -> u32 {
    if metadata.is_dir() { 0o755 } else { 0o644 }
}

fn modified(metadata: &Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_local_plugin_cannot_leave_its_folder() {
        let longest = "a".repeat(128);
        for good in ["a", "7", "molecule-dev", "a.b_c-9", "a..b", longest.as_str()] {
            assert!(is_folder_name(good), "{good:?}");
        }
        let too_long = "a".repeat(129);
        for bad in [
            "",
            ".",
            "..",
            ".git",
            "-a",
            "A",
            "a/b",
            "a\\b",
            "a b",
            "a\0",
            "é",
            "/a",
            "a#b",
            too_long.as_str(),
        ] {
            assert!(!is_folder_name(bad), "{bad:?}");
        }
    }
}
