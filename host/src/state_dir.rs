//! The folder that holds everything a host remembers.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use molecule_protocol::WorkspaceId;

use crate::lock::{LockError, WorkspaceLock};
use crate::token::TokenFile;

/// The state folder, checked to be writable.
///
/// ```text
/// ~/.molecule/
///   host.db                      inbox, outbox and cursors of all workspaces
///   aot/                         compiled components
///   <workspace id>/
///     .auth_token                the bearer token
///     .platform_inbound_secret   by which the platform's own requests are known
///     .lock                      held by the host of the workspace
///     data/                      what the agent keeps, where it has been granted storage
///     plugins/                   its plugins, a folder each
///     plugins.work/              what is being installed, and what is known of what is
/// ```
///
/// The folders of workspaces are those of the Python SDK, so that a workspace can go from one to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Opens the folder, creates it for its owner only where it is missing, and writes to it once: a host that cannot
    /// remember must fail when it starts, not in the middle of a message.
    ///
    /// # Errors
    /// [`StateDirError`], before anything was done.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StateDirError> {
        let state = Self { path: path.into() };
        check(&state.path)?;
        Ok(state)
    }

    /// `.molecule` in the home folder of this user, if there is one.
    pub fn default_path() -> Option<PathBuf> {
        std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(".molecule"))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database of all workspaces.
    pub fn database(&self) -> PathBuf {
        self.path.join("host.db")
    }

    /// The folder of compiled components.
    pub fn aot(&self) -> PathBuf {
        self.path.join("aot")
    }

    /// The folder of one workspace, checked in the same way.
    ///
    /// # Errors
    /// [`StateDirError`].
    pub fn workspace(&self, id: WorkspaceId) -> Result<WorkspaceDir, StateDirError> {
        let workspace = WorkspaceDir { path: self.path.join(id.to_string()), id };
        check(&workspace.path)?;
        Ok(workspace)
    }
}

/// The folder of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceDir {
    path: PathBuf,
    id: WorkspaceId,
}

impl WorkspaceDir {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The cached bearer token.
    pub fn token_file(&self) -> TokenFile {
        TokenFile::new(self.path.join(".auth_token"))
    }

    /// The platform's inbound secret.
    pub fn inbound_secret_file(&self) -> TokenFile {
        TokenFile::new(self.path.join(".platform_inbound_secret"))
    }

    /// The folder that is the agent's own, created where it is missing.
    ///
    /// # Errors
    /// [`StateDirError`].
    pub fn data(&self) -> Result<PathBuf, StateDirError> {
        let path = self.path.join("data");
        check(&path)?;
        Ok(path)
    }

    /// The folder of files that came with messages, which need not be there.
    pub fn uploads(&self) -> PathBuf {
        self.path.join("uploads")
    }

    /// The folder of its plugins, which need not be there.
    pub fn plugins(&self) -> PathBuf {
        self.path.join("plugins")
    }

    /// Takes the workspace for this process.
    ///
    /// # Errors
    /// As [`WorkspaceLock::acquire`].
    pub fn lock(&self) -> Result<WorkspaceLock, LockError> {
        WorkspaceLock::acquire(&self.path.join(".lock"), self.id)
    }
}

/// Why a folder cannot hold a host's state.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// A file, or something else, has the name.
    #[error(
        "the state folder {} cannot be used: {} is not a folder; move it away or choose another --state-dir",
        path.display(),
        in_the_way.display()
    )]
    NotAFolder {
        /// The folder that was asked for.
        path: PathBuf,
        /// The folder itself, or one above it.
        in_the_way: PathBuf,
    },
    /// This user, or anybody, may not write there.
    #[error(
        "the state folder {} cannot be written: {source}; give this user the right to, or choose another --state-dir",
        path.display()
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room left.
    #[error(
        "the disk of the state folder {} is full ({source}); free some space or choose another --state-dir",
        path.display()
    )]
    Full {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Creates the folder if need be and writes, syncs and removes a file in it.
fn check(folder: &Path) -> Result<(), StateDirError> {
    let probe = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // One per process: another host may be starting in the same folder.
        let path = folder.join(format!(".writable-{}", std::process::id()));
        let written =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).and_then(
                // As much as a page of the database: an empty file can be made on a disk without a free block.
                |mut file: File| file.write_all(&[0; 4096]).and_then(|()| file.sync_all()),
            );
        let removed = fs::remove_file(&path);
        written.and(removed)
    };
    probe().map_err(|source| explain(folder, source))
}

fn explain(folder: &Path, source: io::Error) -> StateDirError {
    let path = folder.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StateDirError::Full { path, source },
        _ => match folder.ancestors().find(|it| it.symlink_metadata().is_ok_and(|_| !it.is_dir())) {
            Some(in_the_way) => StateDirError::NotAFolder { in_the_way: in_the_way.to_owned(), path },
            None => StateDirError::NotWritable { path, source },
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_fresh_folder_is_for_its_owner_only_and_holds_nothing_that_was_not_asked_for() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path().join(".molecule")).unwrap();
        let workspace = state.workspace(WorkspaceId::random()).unwrap();
        for folder in [state.path(), workspace.path()] {
            assert_eq!(fs::metadata(folder).unwrap().mode() & 0o7777, 0o700);
        }
        assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 0);
        assert_eq!(StateDir::open(state.path()).unwrap(), state, "a second start finds it as it is");

        let lock = workspace.lock().unwrap();
        assert!(matches!(workspace.lock(), Err(LockError::Held { .. })));
        drop(lock);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        for wanted in [file.clone(), file.join("below/it")] {
            let error = StateDir::open(&wanted).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "the state folder {} cannot be used: {} is not a folder; move it away or choose another --state-dir",
                    wanted.display(),
                    file.display()
                )
            );
        }
        let dangling = home.path().join("link");
        std::os::unix::fs::symlink(home.path().join("nowhere/at/all"), &dangling).unwrap();
        assert!(matches!(StateDir::open(&dangling), Err(StateDirError::NotAFolder { .. })));
    }

    #[test]
    fn a_folder_that_nobody_may_write_and_a_full_disk_are_told_apart() {
        // Neither root nor anybody else can make a folder there.
        let error = StateDir::open("/proc/molecule").unwrap_err();
        assert!(matches!(error, StateDirError::NotWritable { .. }), "{error}");

        let full = explain(Path::new("/"), io::Error::from(io::ErrorKind::StorageFull)).to_string();
        assert!(full.starts_with("the disk of the state folder / is full"), "{full}");
    }
}
