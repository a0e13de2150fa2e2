//! Messages that were given up, as an operator sees them and decides about them.

use std::io;
use std::path::{Path, PathBuf};

use molecule_protocol::WorkspaceId;
use molecule_store::state::{MessageKey, Runs, State, StateError, UnixMillis};
use molecule_store::{Options, SqliteState, StoreError};

use crate::lock::LockError;
use crate::session;
use crate::state_dir::{StateDir, StateDirError};

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Names it, in this state folder.
    pub key: MessageKey,
    /// The workspace that it was sent to.
    pub workspace: WorkspaceId,
    /// The sender's id for it; empty where it cannot be read back.
    pub id: String,
    /// Who sent it: `user`, or a workspace id.
    pub from: String,
    /// What it says; parts that are no text are left out.
    pub text: String,
    /// Why it was given up.
    pub reason: String,
    /// What its sender was told, if anything.
    pub told: Option<String>,
    /// How often it was tried.
    pub runs: Runs,
    /// When it was given up.
    pub at: UnixMillis,
}

/// The dead letters of a state folder, for somebody who is not its host.
///
/// Looking needs nothing. To change something it becomes, for that moment, the host of the workspace; where another
/// process is, that one has to do it: [`Running::retry`](crate::Running::retry),
/// [`Running::discard`](crate::Running::discard).
#[derive(Debug)]
pub struct DeadLetters {
    folder: StateDir,
    state: SqliteState,
}

impl DeadLetters {
    /// Opens what a host has kept in this folder.
    ///
    /// # Errors
    /// [`Absent`](DeadLettersError::Absent), [`Foreign`](DeadLettersError::Foreign), and what keeps the database from being read.
    pub fn open(state_dir: &Path) -> Result<Self, DeadLettersError> {
        match state_dir.join("host.db").metadata() {
            Ok(found) if found.is_file() => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(DeadLettersError::Foreign { path: state_dir.to_owned() });
            }
            _ => return Err(DeadLettersError::Absent { path: state_dir.to_owned() }),
        }
        let folder = StateDir::open(state_dir).map_err(|error| match error {
            StateDirError::NotWritable { path, source }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                DeadLettersError::Foreign { path }
            }
            other => other.into(),
        })?;
        let state = SqliteState::open(&folder.database(), Options { readers: 1, ..Options::default() })?;
        Ok(Self { folder, state })
    }

    /// All of them, or those of one workspace; the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, workspace: Option<WorkspaceId>) -> Result<Vec<DeadLetter>, DeadLettersError> {
        let workspace = workspace.map(|it| it.to_string());
        let kept = self.state.all_dead_letters(workspace.as_deref(), None).await?;
        Ok(kept.into_iter().filter_map(session::dead_letter).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Unknown`](DeadLettersError::Unknown), and when the database cannot be read.
    pub async fn find(&self, key: MessageKey) -> Result<DeadLetter, DeadLettersError> {
        let kept = self.state.all_dead_letters(None, Some(key)).await?;
        kept.into_iter().find_map(session::dead_letter).ok_or(DeadLettersError::Unknown { key })
    }

    /// Lets it wait again, in its old place and with its runs forgotten, for the next host of the workspace.
    ///
    /// # Errors
    /// [`Held`](DeadLettersError::Held) where a host runs, and what the database says.
    pub async fn retry(&self, letter: &DeadLetter) -> Result<(), DeadLettersError> {
        let _lock = self.folder.workspace(letter.workspace)?.lock().map_err(held)?;
        let fence = self.state.lease(&letter.workspace.to_string()).await?;
        Ok(self.state.revive(&fence, letter.key).await?)
    }

    /// Drops it for good. A copy of the message that comes later is still known for one.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn discard(&self, letter: &DeadLetter) -> Result<(), DeadLettersError> {
        let _lock = self.folder.workspace(letter.workspace)?.lock().map_err(held)?;
        let fence = self.state.lease(&letter.workspace.to_string()).await?;
        Ok(self.state.discard(&fence, letter.key).await?)
    }
}

/// Why nothing could be seen or done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLettersError {
    /// No host has kept anything there.
    #[error("no host has kept anything in {}; give the --state-dir of the host", path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// Somebody else's folder.
    #[error("{} belongs to another user; run this as that one, or give the --state-dir of a host of your own", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// There is no such dead letter.
    #[error("there is no dead letter {key}; molecule-host inbox list shows which there are")]
    Unknown {
        /// What was asked for.
        key: MessageKey,
    },
    /// A host runs, which has to do it.
    #[error(transparent)]
    Held(LockError),
    /// The lock cannot be taken.
    #[error(transparent)]
    Locked(LockError),
    /// The folder.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database does not do it.
    #[error(transparent)]
    State(#[from] StateError),
}

fn held(error: LockError) -> DeadLettersError {
    match error {
        LockError::Held { .. } => DeadLettersError::Held(error),
        LockError::Unusable { .. } => DeadLettersError::Locked(error),
    }
}
