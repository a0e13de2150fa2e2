//! Putting in order what dead processes and departed readers left.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::delete::{Deleted, delete_unless_pinned};
use super::entry::{Entry, Kind};
use super::folder::Folder;
use super::lock::Held;
use super::{Shelf, ShelfError, record, swap};
use crate::PluginName;

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Trees that it deleted: half-done installs and versions that were replaced or removed.
    pub deleted: usize,
    /// Trees that it left because somebody reads them.
    pub pinned: usize,
    /// Swaps that it completed, or took back, for a process that died between two renames.
    pub completed: usize,
    /// What it could not do. Everything else was done all the same.
    pub failed: Vec<ShelfError>,
}

impl Shelf {
    /// Removes what nobody needs: folders that dead processes staged, versions that were replaced or removed and that
    /// nobody reads, records of trees that are not there; and ends half-done swaps. What belongs to a plugin that somebody
    /// is installing or removing is left for the next time.
    ///
    /// # Errors
    /// [`ShelfError::Io`] if not even the work folder can be read.
    pub fn sweep(&self) -> Result<Swept, ShelfError> {
        self.sweep_some(|_| true)
    }

    pub(super) fn sweep_some(&self, wanted: impl Fn(&PluginName) -> bool) -> Result<Swept, ShelfError> {
        let mut swept = Swept::default();
        let mut unsettled = BTreeSet::new();
        for entry in self.entries()? {
            let to_do = wanted(&entry.name)
                && match entry.kind {
                    Kind::Old => false,
                    Kind::Record => match self.is_orphan(&entry) {
                        Ok(orphan) => orphan,
                        Err(error) => {
                            swept.failed.push(error);
                            false
                        }
                    },
                    _ => true,
                };
            if to_do {
                unsettled.insert(entry.name);
            }
        }
        for name in unsettled {
            // Who has the lock may be at work on just that.
            match Held::quietly(self, &name).and_then(|held| held.map_or(Ok(false), |held| held.settle())) {
                Ok(completed) => swept.completed += usize::from(completed),
                Err(error) => swept.failed.push(error),
            }
        }
        for entry in self.entries()? {
            if entry.kind == Kind::Old && wanted(&entry.name) {
                match delete_unless_pinned(&self.inner.work, &entry.to_string()) {
                    Ok(Deleted::Yes) => swept.deleted += 1,
                    Ok(Deleted::Pinned) => swept.pinned += 1,
                    Ok(Deleted::Gone) => {}
                    Err(error) => swept.failed.push(error),
                }
            }
        }
        Ok(swept)
    }

    /// Removes the records of trees that are not there. Only who has the plugin's lock may: another one may be about to put
    /// the tree there.
    pub(super) fn forget_orphans(&self, name: &PluginName) -> Result<(), ShelfError> {
        for entry in self.entries()? {
            if entry.kind == Kind::Record && entry.name == *name && self.is_orphan(&entry)? {
                self.inner.work.unlink(&entry.to_string())?;
            }
        }
        Ok(())
    }

    /// Whether a record speaks of another tree than that which is installed.
    fn is_orphan(&self, file: &Entry) -> Result<bool, ShelfError> {
        let Some(current) = self.inner.plugins.identify(file.name.as_str())? else { return Ok(true) };
        Ok(*file != record::entry(&file.name, current)
            || record::read(&self.inner.work, &file.name, current)?.is_none())
    }

    pub(super) fn entries(&self) -> Result<Vec<Entry>, ShelfError> {
        Ok(self.inner.work.names()?.iter().filter_map(|name| Entry::parse(name)).collect())
    }
}

impl Held {
    /// Puts in order what one who had the lock before has left, by renames alone. True if a swap was ended by that.
    pub(super) fn settle(&self) -> Result<bool, ShelfError> {
        let work = &self.shelf.inner.work;
        let completed = swap::finish(&self.shelf, &self.name)?;
        for entry in self.shelf.entries()? {
            match entry.kind {
                Kind::Staging if entry.name == self.name => {
                    move_aside(work, &entry.to_string(), work, &self.name)?;
                }
                Kind::Partial if entry.name == self.name => work.unlink(&entry.to_string())?,
                _ => {}
            }
        }
        self.shelf.forget_orphans(&self.name)?;
        Ok(completed)
    }
}

/// Makes a tree one that nobody will install again. Whoever reads it goes on doing so.
pub(super) fn move_aside(
    from: &Folder,
    tree: &str,
    work: &Folder,
    name: &PluginName,
) -> Result<(), ShelfError> {
    loop {
        let old = Entry::fresh(Kind::Old, name).map_err(work.failed("get random numbers for", ""))?;
        match from.rename_new(tree, work, &old.to_string()) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            moved => return moved.map_err(from.failed("move away", tree)),
        }
    }
}
