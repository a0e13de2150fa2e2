//! What of a tree survives the loss of power.

use std::fs::File;
use std::io;

/// Everything that was written into this tree, and beside it into the work folder, is on the disk once this returns.
///
/// On Linux by one `syncfs` of the file system: for 95 MB in 5,000 files that took 0.1 s where a sync of each file took
/// 17 s (ext4; 3 ms against 45 ms for ten small files). It also waits for what others have written to the same file
/// system. Kernels before 5.8 do not say if it failed.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn sync(work: &File, _: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(work)?)
}

/// Everything that was written into this tree is on the disk once this returns.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn sync(work: &File, tree: &File) -> io::Result<()> {
    sync_each(tree)?;
    // On macOS this is what empties the cache of the drive; a plain fsync of each file before it does not.
    work.sync_all()
}

/// Syncs each file and folder of a tree, which is not deeper than an archive may be.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
fn sync_each(folder: &File) -> io::Result<()> {
    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fsync, openat, statat};

    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        let open =
            || openat(folder, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        match kind {
            FileType::Directory => sync_each(&open()?.into())?,
            FileType::RegularFile => fsync(open()?)?,
            // A link is part of its folder, and nothing else can be written to.
            _ => {}
        }
    }
    Ok(fsync(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_sync_take_any_tree() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/file"), "text").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("a/link")).unwrap();
        let tree = File::open(folder.path()).unwrap();
        sync(&tree, &tree).unwrap();
        sync_each(&tree).unwrap();
    }
}
