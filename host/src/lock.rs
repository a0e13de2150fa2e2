//! One host per workspace on a machine.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use molecule_protocol::WorkspaceId;

/// The right to be the host of a workspace, until this is dropped or the process ends, however it ends.
///
/// Two hosts of one workspace would both answer every message. The lock is an advisory one on a file of its own, so
/// that the token file can be replaced while it is held; the file stays when the lock goes, because removing it could
/// take the lock from whoever has just acquired it.
#[derive(Debug)]
pub struct WorkspaceLock {
    file: File,
}

impl WorkspaceLock {
    /// Takes the lock, or says who has it. Never waits.
    ///
    /// # Errors
    /// [`Held`](LockError::Held) and [`Unusable`](LockError::Unusable).
    pub fn acquire(path: &Path, workspace: WorkspaceId) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    workspace,
                    holder: Holder::read(&file),
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        // The number is for people only; the lock itself is the kernel's.
        (|| {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        })()
        .map_err(unusable)?;
        Ok(Self { file })
    }
}

impl Drop for WorkspaceLock {
    fn drop(&mut self) {
        // Closing the file alone is not enough: a process that another thread is just starting may have a copy of it.
        // Should this fail, the lock goes with the last copy.
        let _ = self.file.unlock();
    }
}

/// Why this process may not be the host of a workspace.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else is.
    #[error("another host ({holder}) holds workspace {workspace}; stop it or use another --state-dir")]
    Held {
        /// The workspace.
        workspace: WorkspaceId,
        /// Who has it.
        holder: Holder,
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be opened or locked.
    #[error(
        "cannot lock {}: {source}; check that --state-dir is a local folder that this user may write",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Who holds a lock, as far as it has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its process id; `None` in the instant between locking and writing.
    pub pid: Option<u32>,
}

impl Holder {
    fn read(mut file: &File) -> Self {
        let mut text = String::new();
        let read = file.read_to_string(&mut text);
        Self { pid: read.ok().and_then(|_| text.trim().parse().ok()) }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) if pid == std::process::id() => write!(f, "in this process, pid {pid}"),
            Some(pid) => write!(f, "pid {pid}"),
            None => f.write_str("pid unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_second_host_is_told_who_has_the_workspace_and_gets_it_when_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("workspace/.lock");
        let workspace = WorkspaceId::random();
        let first = WorkspaceLock::acquire(&path, workspace).unwrap();
        let refused = WorkspaceLock::acquire(&path, workspace).unwrap_err();
        let pid = std::process::id();
        assert_eq!(
            refused.to_string(),
            format!(
                "another host (in this process, pid {pid}) holds workspace {workspace}; stop it or use another --state-dir"
            )
        );
        // As a process that is being started has it, between fork and exec.
        let copy = first.file.try_clone().unwrap();
        drop(first);
        WorkspaceLock::acquire(&path, workspace).unwrap();
        drop(copy);
    }

    /// Tells this test program, started once more, to be the holder of the lock at this path.
    const HOLDER: &str = "MOLECULE_TEST_LOCK_HOLDER";

    #[test]
    fn the_lock_of_a_process_that_was_killed_is_free() {
        if let Some(path) = std::env::var_os(HOLDER) {
            let _lock = WorkspaceLock::acquire(Path::new(&path), WorkspaceId::random()).unwrap();
            println!("\nheld");
            // Until it is killed.
            let _ = io::stdin().read(&mut [0]);
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "lock::tests::the_lock_of_a_process_that_was_killed_is_free"])
            .env(HOLDER, &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = io::BufReader::new(holder.stdout.take().unwrap());
        assert!(said.lines().any(|line| line.unwrap() == "held"));

        let refused = WorkspaceLock::acquire(&path, WorkspaceId::random()).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("another host (pid {}) holds", holder.id())), "{refused}");
        holder.kill().unwrap();
        holder.wait().unwrap();
        WorkspaceLock::acquire(&path, WorkspaceId::random()).unwrap();
    }
}
