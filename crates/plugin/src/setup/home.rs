//! The fresh folder that is a script's `HOME` and `TMPDIR`.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

const PREFIX: &str = "molecule-setup-";

/// A folder of mode 0700, removed on drop. Its lock tells that somebody uses it.
pub(super) struct Home {
    folder: TempDir,
    _lock: File,
}

impl Home {
    /// Makes one in `place`, and removes there those of processes that were killed.
    pub(super) fn new(place: &Path) -> io::Result<Self> {
        sweep(place);
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
            // Another process that sweeps may have come before the lock.
            if let Ok(lock) = lock(folder.path())
                && folder.path().exists()
            {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let opened = File::open(folder)?;
    flock(&opened, FlockOperation::NonBlockingLockExclusive)?;
    Ok(opened)
}

/// Removes what nobody holds the lock of, as far as it is ours to remove.
fn sweep(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && let Ok(_lock) = lock(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_swept_and_what_is_in_use_stays() {
        let place = tempfile::tempdir().unwrap();
        let (dead, other) = (place.path().join("molecule-setup-dead"), place.path().join("other"));
        fs::create_dir_all(dead.join("deep")).unwrap();
        fs::create_dir(&other).unwrap();
        let used = Home::new(place.path()).unwrap();
        assert!(!dead.exists() && other.exists());
        let second = Home::new(place.path()).unwrap();
        assert!(used.path().exists() && second.path().exists());
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists() && second.path().exists());
    }
}
