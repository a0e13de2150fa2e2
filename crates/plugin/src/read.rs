//! Small files of a plugin, read without trusting that they are files.

use std::io::{self, Read as _};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, OpenOptions};

/// The first `limit` bytes of a file, and whether that is all of it; nothing if no regular file has this (plain) name.
///
/// A plugin's script may have put a FIFO there, which must not block whoever looks, or a link, which is not followed.
pub(crate) fn read_start(folder: &Dir, name: &str, limit: u64) -> io::Result<Option<(Vec<u8>, bool)>> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    match folder.symlink_metadata(name) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let file = folder.open_with(name, &options)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let whole = bytes.len() as u64 <= limit;
    bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Some((bytes, whole)))
}
