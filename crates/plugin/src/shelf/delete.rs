//! Deleting a tree that somebody else filled.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::ShelfError;
use super::folder::{Flock, Folder, Node};
use super::rights::open_mine;

/// What became of a tree that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deleted {
    Yes,
    /// Somebody reads it.
    Pinned,
    /// Another one was quicker.
    Gone,
}

/// Names are read this many at a time, so that a folder of millions takes no memory.
const BATCH: usize = 1024;

/// Deletes what stands under a name, unless somebody reads it. It never follows a link, never leaves the file system, and
/// takes itself the right to read and empty a folder.
///
/// Nothing comes back from where this is called on, and readers lock the folder: who has the lock alone deletes.
pub(super) fn delete_unless_pinned(work: &Folder, name: &str) -> Result<Deleted, ShelfError> {
    let folder = match open_mine(&work.file, name) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(Deleted::Gone),
        // A link, or a file: it goes itself.
        Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => return work.unlink(name).map(|()| Deleted::Yes),
        Err(errno) => return Err(work.failed("open", name)(errno)),
    };
    let locked = Flock::try_new(folder, FlockOperation::NonBlockingLockExclusive);
    let Ok(folder) = locked.map_err(work.failed("lock", name))? else { return Ok(Deleted::Pinned) };
    if !work.holds(name, &folder.0)? {
        return Ok(Deleted::Gone);
    }
    empty(&folder.0).map_err(|(inside, source)| {
        let inside = OsString::from_vec(inside.into_bytes());
        ShelfError::Io { action: "delete", path: work.path(name).join(inside), source }
    })?;
    unlinkat(&work.file, name, AtFlags::REMOVEDIR).map_err(work.failed("delete", name))?;
    Ok(Deleted::Yes)
}

/// Empties a folder, however deep it is: folders further down are first moved up into it, so that two are open at a time
/// and nothing recurses. On failure says at which entry.
fn empty(root: &File) -> Result<(), (CString, io::Error)> {
    let device = Node::of(root).map_err(|error| (CString::default(), error))?;
    let mut fresh = 0_u64;
    loop {
        let entries = some_entries(root).map_err(|errno| (CString::default(), errno.into()))?;
        if entries.is_empty() {
            return Ok(());
        }
        for name in entries {
            empty_into(root, &name, device, &mut fresh).map_err(|error| (name, error))?;
        }
    }
}

/// Removes one entry of the root; what folders it has become entries of the root.
fn empty_into(root: &File, name: &CString, device: Node, fresh: &mut u64) -> io::Result<()> {
    if !is_folder(root, name)? {
        return Ok(unlinkat(root, name, AtFlags::empty())?);
    }
    let folder = open_mine(root, name)?;
    // Something is mounted there, and is not ours.
    if !Node::of(&folder)?.is_on_the_same_device(device) {
        return Err(Errno::XDEV.into());
    }
    loop {
        let entries = some_entries(&folder)?;
        if entries.is_empty() {
            return Ok(unlinkat(root, name, AtFlags::REMOVEDIR)?);
        }
        for inner in entries {
            if is_folder(&folder, &inner)? {
                // A folder can only be moved by who may write into it.
                drop(open_mine(&folder, &inner)?);
                move_up(&folder, &inner, root, fresh)?;
            } else {
                unlinkat(&folder, &inner, AtFlags::empty())?;
            }
        }
    }
}

fn move_up(folder: &File, name: &CString, root: &File, fresh: &mut u64) -> io::Result<()> {
    loop {
        *fresh += 1;
        // Should there be one of this name, it is empty and goes with that, or the rename fails.
        match renameat(folder, name, root, format!(".up-{fresh}")) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            done => return Ok(done?),
        }
    }
}

fn is_folder(parent: &File, name: &CString) -> rustix::io::Result<bool> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Some names, or none if the folder is empty.
fn some_entries(folder: &File) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
        if names.len() == BATCH {
            break;
        }
    }
    Ok(names)
}
