//! A version of a plugin that is not installed yet.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::io::Errno;

use super::delete::delete_unless_pinned;
use super::entry::{Entry, Kind};
use super::folder::Identity;
use super::lock::Held;
use super::{Installed, Record, ShelfError, durable, record, swap};

/// A folder to put a version of a plugin together in, beside the folder of plugins: `.staging-<name>-<8 hex>`. Dropping it
/// deletes it. It holds the lock of its plugin; so if that lock is free, whoever made the folder is dead.
#[derive(Debug)]
pub struct Staging {
    held: Arc<Held>,
    name: String,
    dir: Dir,
    tree: Identity,
}

impl Staging {
    pub(super) fn new(held: Arc<Held>) -> Result<Self, ShelfError> {
        let work = &held.shelf.inner.work;
        loop {
            let name = Entry::fresh(Kind::Staging, &held.name)
                .map_err(work.failed("get random numbers for", ""))?
                .to_string();
            match work.make_folder(&name) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(work.failed("make", &name))?,
            }
            let gone = || work.failed("open", &name)(Errno::NOENT);
            let folder = work.open_folder(&name)?.ok_or_else(gone)?;
            let tree = Identity::of(&folder).map_err(work.failed("look at", &name))?;
            return Ok(Self { dir: Dir::from_std_file(folder), name, tree, held });
        }
    }

    /// Where everything goes.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Where it lies, for messages.
    pub fn path(&self) -> PathBuf {
        self.held.shelf.inner.work.path(&self.name)
    }

    /// Makes it the installed version, at one instant. Readers of the one before go on with that.
    ///
    /// A process that is killed, or a machine that loses power, leaves this version or the one before, whole, each with
    /// its own record; once this has returned, this one.
    ///
    /// # Errors
    /// [`ShelfError::NotAFolder`] and [`ShelfError::Io`]; then what was installed before is so still, unless only the last
    /// step failed, which makes it durable.
    pub fn commit(self, record: Record) -> Result<Installed, ShelfError> {
        let (shelf, name) = (&self.held.shelf, &self.held.name);
        let work = &shelf.inner.work;
        let tree: File = self.dir.try_clone().map_err(work.failed("open", &self.name))?.into_std_file();
        record::write(work, name, self.tree, &record)?;
        let swapped = (|| {
            durable::sync(&work.file, &tree).map_err(work.failed("make durable", &self.name))?;
            swap::swap_in(shelf, name, &self.name)
        })();
        if let Err(error) = swapped {
            let _ = work.unlink(&record::entry(name, self.tree).to_string());
            return Err(error);
        }
        shelf.inner.plugins.sync()?;
        work.sync()?;
        self.held.has_changed();
        Ok(Installed { name: name.clone(), record: Some(record), tree: self.tree })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After a commit there is nothing of that name. What cannot be deleted now is swept later.
        let _ = delete_unless_pinned(&self.held.shelf.inner.work, &self.name);
    }
}
