//! One install or removal of a plugin at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, openat};

use super::entry::{Entry, Kind};
use super::folder::{Flock, Found};
use super::settle::move_aside;
use super::{Installed, Shelf, ShelfError, Staging, record};
use crate::PluginName;

/// The right to install and to remove one plugin, until this and what was staged with it are dropped, or the process ends,
/// however it ends. Nobody else has it meanwhile, in this process or another.
///
/// Once it is given back, what was replaced or removed is deleted, if nobody reads it. That may take as long as deleting
/// its files does: some disks need seconds for some thousand files.
#[derive(Debug)]
pub struct PluginLock {
    held: Arc<Held>,
}

/// A file of the work folder, locked. It is there only while it is needed.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) shelf: Shelf,
    pub(super) name: PluginName,
    /// Nothing only while this is dropped.
    lock: Option<Flock>,
    /// Whether what is installed was changed, so that there may be something to sweep.
    changed: AtomicBool,
}

/// Somebody who only tidies up has the lock too, for as long as a few renames take, and leaves no number: that often, so
/// far apart, it is asked for again before it counts as held.
const TRIES: usize = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

impl PluginLock {
    /// The plugin.
    pub fn name(&self) -> &PluginName {
        &self.held.name
    }

    /// A new empty folder to put a version of the plugin together in.
    ///
    /// # Errors
    /// [`ShelfError::Io`].
    pub fn stage(&self) -> Result<Staging, ShelfError> {
        Staging::new(self.held.clone())
    }

    /// Removes what is installed. Who reads it goes on doing so. False if nothing was there.
    ///
    /// # Errors
    /// [`ShelfError::NotAFolder`] and [`ShelfError::Io`].
    pub fn remove(&self) -> Result<bool, ShelfError> {
        let (shelf, name) = (&self.held.shelf, &self.held.name);
        let (plugins, work) = (&shelf.inner.plugins, &shelf.inner.work);
        match plugins.find(name.as_str())? {
            Found::Nothing => return Ok(false),
            Found::Other => return Err(ShelfError::NotAFolder { path: plugins.path(name.as_str()) }),
            Found::Folder(_) => {}
        }
        move_aside(plugins, name.as_str(), work, name)?;
        plugins.sync()?;
        work.sync()?;
        self.held.has_changed();
        Ok(true)
    }

    /// Notes what came of the setup script of what was installed.
    ///
    /// # Errors
    /// [`ShelfError::Replaced`] if that is not there any more; [`ShelfError::Io`].
    pub fn setup_ended(&self, installed: &Installed, outcome: &str) -> Result<Installed, ShelfError> {
        let (shelf, name) = (&self.held.shelf, &self.held.name);
        let replaced = || ShelfError::Replaced { name: name.clone() };
        let current = shelf.inner.plugins.identify(name.as_str())?.ok_or_else(replaced)?;
        if installed.name != *name || !installed.tree.is(current) {
            return Err(replaced());
        }
        let record = record::read(&shelf.inner.work, name, current)?.ok_or_else(replaced)?;
        let record = record::Record { setup: Some(outcome.to_owned()), ..record };
        record::write(&shelf.inner.work, name, current, &record)?;
        shelf.inner.work.sync()?;
        Ok(Installed { record: Some(record), ..installed.clone() })
    }
}

impl Shelf {
    /// Takes the lock of a plugin, if nobody has it.
    ///
    /// # Errors
    /// [`ShelfError::Busy`] if somebody has; [`ShelfError::Io`].
    pub fn try_lock(&self, name: &PluginName) -> Result<PluginLock, ShelfError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Held::attempt(self, name)? {
                Ok(held) => return held.begun(),
                Err(busy) => {
                    let holder = holder(&busy);
                    if holder.is_some() || tries == TRIES {
                        return Err(ShelfError::Busy { name: name.clone(), holder });
                    }
                }
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
    }

    /// Takes the lock of a plugin, and waits for it as long as somebody has it. This blocks the thread. Before it waits it
    /// says for which process, if that can be told; there may be another one later.
    ///
    /// # Errors
    /// [`ShelfError::Io`].
    pub fn lock(
        &self,
        name: &PluginName,
        waiting: impl FnOnce(Option<u32>),
    ) -> Result<PluginLock, ShelfError> {
        let mut waiting = Some(waiting);
        loop {
            let busy = match Held::attempt(self, name)? {
                Ok(held) => return held.begun(),
                Err(busy) => busy,
            };
            if let Some(waiting) = waiting.take() {
                waiting(holder(&busy));
            }
            let lock =
                Flock::wait(busy).map_err(self.inner.work.failed("lock", &lock_file(name).to_string()))?;
            if let Some(held) = Held::confirm(self, name, lock)? {
                return held.begun();
            }
        }
    }
}

impl Held {
    /// Takes the lock if it is free, and says nothing to anybody: for those who only tidy up.
    pub(super) fn quietly(shelf: &Shelf, name: &PluginName) -> Result<Option<Self>, ShelfError> {
        Ok(Self::attempt(shelf, name)?.ok())
    }

    /// The lock, or the file that somebody else has locked.
    fn attempt(shelf: &Shelf, name: &PluginName) -> Result<Result<Self, File>, ShelfError> {
        let work = &shelf.inner.work;
        let path = lock_file(name).to_string();
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(&work.file, &path, flags, Mode::RUSR | Mode::WUSR)
                .map_err(work.failed("open", &path))?;
            let lock = Flock::try_new(file.into(), FlockOperation::NonBlockingLockExclusive);
            match lock.map_err(work.failed("lock", &path))? {
                Ok(lock) => {
                    if let Some(held) = Self::confirm(shelf, name, lock)? {
                        return Ok(Ok(held));
                    }
                }
                Err(busy) => return Ok(Err(busy)),
            }
        }
    }

    /// Who had the lock before has removed the file: then there is another one, or none, and this lock is worth nothing.
    fn confirm(shelf: &Shelf, name: &PluginName, lock: Flock) -> Result<Option<Self>, ShelfError> {
        let current = shelf.inner.work.holds(&lock_file(name).to_string(), &lock.0)?;
        if current {
            // A number in it is that of a dead process. At worst somebody is told that one.
            let _ = lock.0.set_len(0);
        }
        Ok(current.then(|| Self {
            shelf: shelf.clone(),
            name: name.clone(),
            lock: Some(lock),
            changed: AtomicBool::new(false),
        }))
    }

    /// What is installed is not what it was: forgets what was known about that, and sweeps once the lock is given back. What
    /// fails here is left to the next sweep.
    pub(super) fn has_changed(&self) {
        let _ = self.shelf.forget_orphans(&self.name);
        self.changed.store(true, Ordering::Relaxed);
    }

    /// Leaves the number of this process, and puts in order what a dead one may have left.
    fn begun(self) -> Result<PluginLock, ShelfError> {
        // For people only; the lock itself is the kernel's.
        let number = format!("{:<10}", std::process::id());
        let noted = self.lock.iter().try_for_each(|lock| lock.0.write_all_at(number.as_bytes(), 0));
        noted.map_err(self.shelf.inner.work.failed("write", &lock_file(&self.name).to_string()))?;
        self.settle()?;
        Ok(PluginLock { held: Arc::new(self) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // While the lock is still held; the next one makes the file anew.
        let _ = self.shelf.inner.work.unlink(&lock_file(&self.name).to_string());
        drop(self.lock.take());
        if self.changed.load(Ordering::Relaxed) {
            // What fails here is left to the next sweep.
            let _ = self.shelf.sweep();
        }
    }
}

fn lock_file(name: &PluginName) -> Entry {
    Entry::only(Kind::Lock, name)
}

/// Whose number is in a lock file.
fn holder(file: &File) -> Option<u32> {
    let mut text = [0; 10];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(text.get(..length)?).ok()?.trim().parse().ok()
}
