//! A folder that is held open, and what is done in it by name.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, openat, renameat, statat};
use rustix::io::Errno;

use super::ShelfError;
use super::rights::open_mine;

/// One of the two folders of a shelf. Names are those of entries right in it.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) file: File,
    path: PathBuf,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Folder(Node),
    /// A file, a link (wherever it leads), or something else.
    Other,
}

/// Which file it is, as long as it is held open: later its number may be another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    /// As an integer that holds what any system has.
    device: i128,
    inode: u64,
}

/// Which folder it is, for good.
///
/// Without the device, whose number many file systems choose anew at each mount; but with the time of birth, where the
/// file system keeps one, as the number of an inode is given again as soon as it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) inode: u64,
    pub(super) born: Option<SystemTime>,
}

impl Node {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { device: metadata.dev().into(), inode: metadata.ino() })
    }

    pub(super) fn is_on_the_same_device(self, other: Self) -> bool {
        self.device == other.device
    }
}

impl Identity {
    pub(super) fn of(folder: &File) -> io::Result<Self> {
        let metadata = folder.metadata()?;
        Ok(Self { inode: metadata.ino(), born: metadata.created().ok() })
    }

    /// A time of birth that only one of the two has tells nothing.
    pub(super) fn is(self, other: Self) -> bool {
        self.inode == other.inode
            && match (self.born, other.born) {
                (Some(one), Some(another)) => one == another,
                _ => true,
            }
    }
}

impl Folder {
    /// Made if it is missing, with those above it, for its owner alone.
    pub(super) fn open(path: &Path) -> Result<Self, ShelfError> {
        let failed = |source| ShelfError::Io { action: "open", path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        Ok(Self { file: file.into(), path: path.to_owned() })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes an error of it that says what was done on what.
    pub(super) fn failed<E: Into<io::Error>>(
        &self,
        action: &'static str,
        name: &str,
    ) -> impl FnOnce(E) -> ShelfError {
        let path = self.path(name);
        move |error| ShelfError::Io { action, path, source: error.into() }
    }

    pub(super) fn find(&self, name: &str) -> Result<Found, ShelfError> {
        match statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Ok(Found::Folder(Node { device: stat.st_dev.into(), inode: stat.st_ino }))
            }
            Ok(_) => Ok(Found::Other),
            Err(Errno::NOENT) => Ok(Found::Nothing),
            Err(errno) => Err(self.failed("look at", name)(errno)),
        }
    }

    /// Whether this file, which is open, is what stands under the name.
    pub(super) fn holds(&self, name: &str, file: &File) -> Result<bool, ShelfError> {
        let node = Node::of(file).map_err(self.failed("look at", name))?;
        match statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(node == Node { device: stat.st_dev.into(), inode: stat.st_ino }),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.failed("look at", name)(errno)),
        }
    }

    /// Opens a folder to read it. Nothing if none is there, or something else.
    pub(super) fn open_folder(&self, name: &str) -> Result<Option<File>, ShelfError> {
        self.open_with(name, OFlags::RDONLY)
    }

    /// Which folder stands under a name, also if nobody may read it.
    pub(super) fn identify(&self, name: &str) -> Result<Option<Identity>, ShelfError> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let how = OFlags::PATH;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let how = OFlags::RDONLY;
        let Some(file) = self.open_with(name, how)? else { return Ok(None) };
        Identity::of(&file).map(Some).map_err(self.failed("look at", name))
    }

    fn open_with(&self, name: &str, how: OFlags) -> Result<Option<File>, ShelfError> {
        let flags = how | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.file, name, flags, Mode::empty()) {
            Ok(folder) => Ok(Some(folder.into())),
            // Of a link some systems say that it is one, others that it is no folder.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => Ok(None),
            Err(errno) => Err(self.failed("open", name)(errno)),
        }
    }

    /// The names in it that are text; others are not ours.
    pub(super) fn names(&self) -> Result<Vec<String>, ShelfError> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.file).map_err(self.failed("list", ""))? {
            let entry = entry.map_err(self.failed("list", ""))?;
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    pub(super) fn make_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.file, name, Mode::RWXU)?)
    }

    /// Removes a file, which may be gone already.
    pub(super) fn unlink(&self, name: &str) -> Result<(), ShelfError> {
        match rustix::fs::unlinkat(&self.file, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", name)(errno)),
        }
    }

    /// Over whatever file is there.
    pub(super) fn rename(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        Ok(self.insisting(from, || renameat(&self.file, from, &to.file, name))?)
    }

    /// Fails if something is there. Where the file system cannot do that at once it is asked before, and another program
    /// that comes in between loses an empty folder, at worst.
    pub(super) fn rename_new(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        match self.insisting(from, || rename_with(&self.file, from, &to.file, name, Flag::NoReplace)) {
            Err(errno) if is_refused(errno) => match statat(&to.file, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => self.rename(from, to, name),
                Ok(_) => Err(Errno::EXIST.into()),
                Err(errno) => Err(errno.into()),
            },
            done => Ok(done?),
        }
    }

    /// The two change places at one instant. `None` if the file system, or the kernel, cannot do that.
    pub(super) fn exchange(&self, from: &str, to: &Self, name: &str) -> Option<io::Result<()>> {
        let exchange = || rename_with(&self.file, from, &to.file, name, Flag::Exchange);
        match self.insisting(from, || to.insisting(name, exchange)) {
            Err(errno) if is_refused(errno) => None,
            done => Some(done.map_err(Into::into)),
        }
    }

    /// Only who may write into a folder can move it elsewhere: its owner takes that right, if he lacks it.
    fn insisting(&self, name: &str, rename: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
        match rename() {
            Err(Errno::ACCESS) => open_mine(&self.file, name).and_then(|_| rename()),
            done => done,
        }
    }

    /// Makes durable which names are in it.
    pub(super) fn sync(&self) -> Result<(), ShelfError> {
        self.file.sync_all().map_err(self.failed("make durable what is in", ""))
    }
}

/// A lock on an open file or folder, of this process and no other: `flock`.
#[derive(Debug)]
pub(super) struct Flock(pub(super) File);

impl Flock {
    /// Takes the lock if it is free. Gives the file back if not.
    pub(super) fn try_new(file: File, how: FlockOperation) -> io::Result<Result<Self, File>> {
        match flock(&file, how) {
            Ok(()) => Ok(Ok(Self(file))),
            Err(Errno::WOULDBLOCK) => Ok(Err(file)),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until it is free.
    pub(super) fn wait(file: File) -> io::Result<Self> {
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        // Closing the file alone is not enough: a process that another thread is just starting may have a copy of it.
        // Should this fail, the lock goes with the last copy.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

enum Flag {
    NoReplace,
    Exchange,
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_with(from: &File, name: &str, to: &File, new: &str, flag: Flag) -> Result<(), Errno> {
    use rustix::fs::RenameFlags;

    let flags = match flag {
        Flag::NoReplace => RenameFlags::NOREPLACE,
        Flag::Exchange => RenameFlags::EXCHANGE,
    };
    rustix::fs::renameat_with(from, name, to, new, flags)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_with(_: &File, _: &str, _: &File, _: &str, _: Flag) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Not that it failed: that it cannot be done here.
fn is_refused(errno: Errno) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP].contains(&errno)
}
