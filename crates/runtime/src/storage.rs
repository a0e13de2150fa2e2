//! The folder that is an agent's own, and what it may hold.
//!
//! WASI knows no quota. Whatever makes the folder grow is judged by the gate before it happens, in [`wasi::files`]; what
//! there is is counted here. The count only grows, and may be too high: something may have been deleted, or not been
//! written after all. So before anything is refused the folder is measured.
//!
//! [`wasi::files`]: crate::wasi

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Where an agent sees its folder.
pub(crate) const GUEST_PATH: &str = "/data";

/// What anything takes beside its content, be it empty: a million empty files are not nothing.
pub(crate) const ENTRY: u64 = 4096;

/// Folders within folders, more than which nobody needs.
const DEEPEST: usize = 128;

/// A folder of one agent, shared by all its instances. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    count: Mutex<Count>,
    /// Of an agent that asks how much is in use one question is answered at a time: each takes a thread.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Count {
    /// Bytes in use, as far as is known; `None` before the first look.
    used: Option<u64>,
    /// Files that were opened to be written. One that was deleted meanwhile still takes its bytes.
    open: Vec<Weak<File>>,
}

impl Storage {
    /// The folder, which must exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            inner: Arc::new(Inner { folder: folder.into(), count: Mutex::default(), turn: Arc::default() }),
        }
    }

    /// Where it is on this machine.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Bytes in use, counted anew: each file in blocks of 4 KiB, and as much for every name.
    ///
    /// # Errors
    /// What the file system says.
    pub fn measure(&self) -> io::Result<u64> {
        let mut count = self.count();
        count.measure(&self.inner.folder)
    }

    /// The same on a thread of its own. What is known, if it cannot be measured now.
    pub(crate) async fn used(&self) -> Option<u64> {
        let turn = self.inner.turn.clone().lock_owned().await;
        let storage = self.clone();
        let measured = tokio::task::spawn_blocking(move || {
            // Kept until it is done, whether or not somebody still waits for it.
            let _turn = turn;
            storage.measure().or_else(|error| storage.count().used.ok_or(error))
        });
        match measured.await.map_err(io::Error::other).flatten() {
            Ok(used) => Some(used),
            Err(error) => {
                tracing::warn!("{} cannot be measured: {error}", self.folder().display());
                None
            }
        }
    }

    /// Counts `growth` more bytes, if `judge` allows that beside those in use, which is asked once. What is known is good
    /// enough where that is allowed by it; else the folder is measured before.
    pub(crate) fn grow<E>(
        &self,
        growth: u64,
        allows: impl Fn(u64) -> bool,
        judge: impl FnOnce(u64) -> Result<(), E>,
    ) -> Result<(), GrowError<E>> {
        let mut count = self.count();
        let used = match count.used.filter(|used| allows(*used)) {
            Some(used) => used,
            None => count.measure(&self.inner.folder).map_err(GrowError::Io)?,
        };
        judge(used).map_err(GrowError::Denied)?;
        count.used = Some(used.saturating_add(growth));
        Ok(())
    }

    /// Remembers a file that was opened to be written.
    pub(crate) fn opened(&self, file: &Arc<File>) {
        let mut count = self.count();
        count.open.retain(|known| known.strong_count() > 0);
        count.open.push(Arc::downgrade(file));
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.inner.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder did not grow.
pub(crate) enum GrowError<E> {
    /// It may not.
    Denied(E),
    /// It could not be measured.
    Io(io::Error),
}

impl Count {
    fn measure(&mut self, folder: &Path) -> io::Result<u64> {
        let deleted = self.open.iter().filter_map(Weak::upgrade);
        let deleted: u64 =
            deleted.filter_map(|file| file.metadata().ok()).filter(is_deleted).map(|it| cost(it.len())).sum();
        let used = measure(folder, 0)?.saturating_add(deleted);
        self.used = Some(used);
        Ok(used)
    }
}

fn is_deleted(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.nlink() == 0
}

/// What a file of so many bytes takes.
pub(crate) fn cost(bytes: u64) -> u64 {
    bytes.div_ceil(ENTRY).saturating_mul(ENTRY).saturating_add(ENTRY)
}

/// What is in a folder, following no links. Something that goes while it is looked at is not there.
fn measure(folder: &Path, depth: usize) -> io::Result<u64> {
    if depth > DEEPEST {
        return Err(io::Error::other(format!(
            "{} has more than {DEEPEST} folders within folders",
            folder.display()
        )));
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if depth > 0 && error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut used: u64 = 0;
    for entry in entries {
        let entry = entry?;
        let of_entry = match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => ENTRY.saturating_add(measure(&entry.path(), depth + 1)?),
            Ok(metadata) if metadata.is_file() => cost(metadata.len()),
            Ok(_) => ENTRY,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        used = used.saturating_add(of_entry);
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// At most 100 KiB.
    fn grows(storage: &Storage, growth: u64) -> bool {
        let allows = |used| used + growth <= 100 * 1024;
        storage.grow(growth, allows, |used| allows(used).then_some(()).ok_or(())).is_ok()
    }

    #[test]
    fn what_was_deleted_makes_room_once_room_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::new(folder.path());
        assert!(grows(&storage, 60 * 1024));
        fs::write(folder.path().join("a"), vec![0; 56 * 1024]).unwrap();
        assert!(!grows(&storage, 60 * 1024), "60 KiB are there");
        fs::remove_file(folder.path().join("a")).unwrap();
        assert!(grows(&storage, 60 * 1024));
    }

    #[test]
    fn a_deleted_file_counts_as_long_as_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::new(folder.path());
        let path = folder.path().join("a");
        fs::write(&path, vec![0; 56 * 1024]).unwrap();
        let file = Arc::new(File::options().write(true).open(&path).unwrap());
        storage.opened(&file);
        fs::remove_file(&path).unwrap();
        assert_eq!(storage.measure().unwrap(), 60 * 1024);
        assert!(!grows(&storage, 60 * 1024));
        drop(file);
        assert!(grows(&storage, 60 * 1024));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_measured_has_what_was_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a"), "x").unwrap();
        let storage = Storage::new(&path);
        assert_eq!(storage.used().await, Some(2 * ENTRY));
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(storage.used().await, Some(2 * ENTRY));
        assert_eq!(Storage::new(&path).used().await, None);
    }

    #[test]
    fn empty_files_links_and_folders_are_not_nothing_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::new(folder.path());
        assert_eq!(storage.measure().unwrap(), 0);
        fs::write(folder.path().join("empty"), "").unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(folder.path().join("folder/one byte"), "x").unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("folder/root")).unwrap();
        assert_eq!(storage.measure().unwrap(), ENTRY * 5);
    }
}
