//! `molecule-host backup FILE`: a copy of what is remembered, beside a host that runs.

use std::path::PathBuf;

use molecule_host::state_dir::StateDir;
use molecule_host::store::{self, SqliteState, StoreError};

use super::args::BackupArgs;
use super::console::Console;
use super::failure::Failure;
use super::settings::{self, Environment, UsageError};

/// Makes the copy, and says how long it is.
///
/// # Errors
/// Whatever keeps it from that; there is no copy then.
pub(super) fn backup(args: BackupArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let file = args.file.ok_or_else(|| {
        UsageError(
            "no file is named; give one that is not there yet, as in: molecule-host backup host.db"
                .to_owned(),
        )
    })?;
    let state_dir = settings::state_dir(args.state, environment)?;
    if !state_dir.join("host.db").is_file() {
        return Err(BackupError::Absent { state_dir }.into());
    }
    let database = StateDir::open(&state_dir).map_err(molecule_host::BuildError::from)?.database();
    store::backup(&database, &SqliteState::SCHEMA, &file).map_err(BackupError::Store)?;
    let bytes = file.metadata().map(|it| it.len()).unwrap_or_default();
    console.answer(&format!("{}: {bytes} bytes", file.display()))
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackupError {
    /// There is nothing to copy.
    #[error("no host has kept anything in {}; give the --state-dir of the host", state_dir.display())]
    Absent {
        /// The folder.
        state_dir: PathBuf,
    },
    /// The database, or the new file.
    #[error(transparent)]
    Store(StoreError),
}
