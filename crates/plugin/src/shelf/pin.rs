//! A version of a plugin, for as long as somebody reads it.

use std::fs::File;

use cap_std::fs::Dir;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::folder::{Flock, Identity};
use super::lock::Held;
use super::{Record, Shelf, ShelfError, record, swap};
use crate::PluginName;

/// A version of a plugin that stays readable, whole, until this is dropped, although the plugin is replaced or removed
/// meanwhile, by this process or another. Dropping the last one of a version that was replaced or removed deletes it, which
/// may take as long as deleting its files does.
///
/// A copy of the [`Dir`] does not hold the version.
#[derive(Debug)]
pub struct Pin {
    shelf: Shelf,
    name: PluginName,
    dir: Dir,
    record: Option<Record>,
    /// A lock for readers on the very folder; who deletes it must have it alone.
    lock: Option<Flock>,
}

impl Shelf {
    /// Holds the version of a plugin that is installed now. Nothing if none is.
    ///
    /// # Errors
    /// [`ShelfError::Io`].
    pub fn pin(&self, name: &PluginName) -> Result<Option<Pin>, ShelfError> {
        let plugins = &self.inner.plugins;
        let failed = || plugins.failed("pin", name.as_str());
        while let Some(tree) = self.open_tree(name)? {
            let dir = Dir::from_std_file(tree.try_clone().map_err(failed())?);
            let lock = match Flock::try_new(tree, FlockOperation::NonBlockingLockShared).map_err(failed())? {
                Ok(lock) => lock,
                // Only old versions are locked for one alone, to be deleted. So there is another one by now, or none.
                Err(tree) if !plugins.holds(name.as_str(), &tree)? => continue,
                Err(_) => return Err(failed()(Errno::WOULDBLOCK.into())),
            };
            let tree = Identity::of(&lock.0).map_err(failed())?;
            let record = record::read(&self.inner.work, name, tree)?;
            let current = plugins.holds(name.as_str(), &lock.0)?;
            let pin = Pin { shelf: self.clone(), name: name.clone(), dir, record, lock: Some(lock) };
            // It may have been deleted, wholly or in part, between the opening and the lock. What is under its name now
            // was not, and will not be.
            if current {
                return Ok(Some(pin));
            }
        }
        Ok(None)
    }

    fn open_tree(&self, name: &PluginName) -> Result<Option<File>, ShelfError> {
        self.between_renames_too(name, || self.inner.plugins.open_folder(name.as_str()))
    }

    /// Looks for what is installed, again if it seems to be missing and is only between two renames.
    pub(super) fn between_renames_too<T>(
        &self,
        name: &PluginName,
        look: impl Fn() -> Result<Option<T>, ShelfError>,
    ) -> Result<Option<T>, ShelfError> {
        loop {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if !swap::is_between(self, name)? {
                // The swap may just have ended.
                return look();
            }
            // Who was about to end it may be dead.
            if let Some(held) = Held::quietly(self, name)? {
                held.settle()?;
            }
            std::thread::yield_now();
        }
    }
}

impl Pin {
    /// The plugin.
    pub fn name(&self) -> &PluginName {
        &self.name
    }

    /// The tree.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// What was known about this version when it was pinned. Nothing if it was put there by hand, or by other software.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        let current = self.shelf.inner.plugins.holds(self.name.as_str(), &lock.0);
        drop(lock);
        if !current.unwrap_or(false) {
            // What fails here is left to the next sweep.
            let _ = self.shelf.sweep_some(|name| *name == self.name);
        }
    }
}
