//! The folder that an archive becomes.

use std::io;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions, OpenOptionsExt as _};

use super::ArchiveError;
use super::ledger::FolderId;

/// The folder that an archive becomes.
///
/// Everything is opened by one plain name, relative to a folder that is held open, without following a link, and is
/// created or it is an error. So nobody can lead a write elsewhere by putting a link where a folder was: `openat2` with
/// `RESOLVE_BENEATH` alone would follow one that stays inside, and re-walking a path would have to trust it again. The
/// chain of open folders is at most as long as a path may be deep.
pub(super) struct Tree<'a> {
    root: &'a Dir,
    /// The folders from the root down to the one that was entered last.
    open: Vec<(FolderId, Dir)>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: &'a Dir) -> Self {
        Self { root, open: Vec::new() }
    }

    /// Goes back to the folder that is `depth` below the root, which is one of those that were entered last.
    pub(super) fn back_to(&mut self, depth: usize) {
        self.open.truncate(depth);
    }

    /// Whether the folder `depth` below the root is this one.
    pub(super) fn is_open(&self, depth: usize, folder: FolderId) -> bool {
        depth.checked_sub(1).and_then(|at| self.open.get(at)).is_some_and(|(id, _)| *id == folder)
    }

    /// Enters a folder in the one that was entered last. `path` is its own, for what an error says.
    pub(super) fn enter(&mut self, name: &str, folder: FolderId, path: &str) -> Result<(), ArchiveError> {
        let dir = self.here().open_dir_nofollow(name).map_err(local("open the folder", path))?;
        self.open.push((folder, dir));
        Ok(())
    }

    /// Creates a folder in the one that was entered last: 0755, as far as the umask allows.
    pub(super) fn create_folder(&self, name: &str, path: &str) -> Result<(), ArchiveError> {
        let mut builder = DirBuilder::new();
        builder.mode(0o755);
        self.here().create_dir_with(name, &builder).map_err(local("create the folder", path))
    }

    /// Creates a file in the folder that was entered last: 0644 or 0755, as far as the umask allows.
    pub(super) fn create_file(&self, name: &str, executable: bool, path: &str) -> Result<File, ArchiveError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).follow(FollowSymlinks::No);
        options.mode(if executable { 0o755 } else { 0o644 });
        self.here().open_with(name, &options).map_err(local("create the file", path))
    }

    fn here(&self) -> &Dir {
        self.open.last().map_or(self.root, |(_, dir)| dir)
    }
}

/// Trouble of our own while `doing` something to `path`.
pub(super) fn local(doing: &'static str, path: &str) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Local { doing, path, source }
}
