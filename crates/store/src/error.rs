use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Why the database did not do what it was asked.
///
/// Cheap to clone: when a commit fails, every write in it gets the same error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or created.
    #[error(
        "cannot open the database {}: {reason}; check that its folder exists and that this user may write there",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: String,
    },
    /// The file is something else, or damaged beyond recognition.
    #[error(
        "{} is not a SQLite database (or is damaged); move it away, or choose another file",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Nothing has been written to the file, or nothing is left of it; there is nothing to copy.
    #[error(
        "the database {} is empty; see that it is the right one, or start a host on its folder first",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is another program's SQLite database; it was left alone.
    #[error(
        "{} belongs to another application (id {found:#x}, ours is {expected:#x}); choose another file",
        path.display()
    )]
    OtherApplication {
        /// The file.
        path: PathBuf,
        /// Its `application_id`; 0 when it has tables and names no owner.
        found: i32,
        /// The id of our [`Schema`](crate::Schema).
        expected: i32,
    },
    /// A newer release of this program wrote the file; it was left alone.
    #[error(
        "{} has schema version {found}, this release knows up to {known}; use the release that wrote it, or a newer one",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest version that this build knows.
        known: usize,
    },
    /// A migration failed; the file stands at the version before it.
    #[error(
        "cannot bring the database {} to schema version {version}: {reason}; free some disk space if it is full, else report this with a copy of the file",
        path.display()
    )]
    Migration {
        /// The file.
        path: PathBuf,
        /// The version that was not reached.
        version: usize,
        /// What SQLite said.
        reason: String,
    },
    /// No room for the write.
    #[error(
        "no room to write the database: the disk is full, or a quota or file size limit was reached; nothing was changed; free some space and try again"
    )]
    DiskFull,
    /// Another process held the database longer than [`Options::busy_timeout`](crate::Options::busy_timeout).
    #[error(
        "the database stayed locked by another process; nothing was changed; try again, or find the process that holds it"
    )]
    Busy,
    /// Another write in the same transaction failed in a way that made SQLite undo them all.
    #[error(
        "a write in the same transaction failed and SQLite undid them all; nothing was changed; try again, and if it comes back look for a full disk"
    )]
    RolledBack,
    /// The job panicked; what it did was undone.
    #[error("a database job panicked and was undone: {message}; this is a defect in the program, report it")]
    Panicked {
        /// What it panicked with.
        message: String,
    },
    /// The database's threads have ended.
    #[error("the database is closed; open it again")]
    Closed,
    /// Any other failure of SQLite.
    #[error("the database failed: {0}; nothing was changed; check the disk, and try again")]
    Sqlite(Arc<rusqlite::Error>),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(failure) = error.sqlite_error() else { return Self::Sqlite(Arc::new(error)) };
        match (failure.code, failure.extended_code) {
            (ErrorCode::DiskFull, _) => Self::DiskFull,
            // SQLite keeps "full" for ENOSPC in the database and its log. A quota and a file size limit come
            // as a failed write, a full disk under the log's index as a failed resize.
            (_, ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE) => Self::DiskFull,
            (ErrorCode::DatabaseBusy, _) => Self::Busy,
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> StoreError {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn what_sqlite_says_about_room_and_locks_is_told_apart_from_the_rest() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE] {
            assert!(matches!(failure(code), StoreError::DiskFull), "{code}");
        }
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_RECOVERY, ffi::SQLITE_BUSY_SNAPSHOT] {
            assert!(matches!(failure(code), StoreError::Busy), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_IOERR_READ, ffi::SQLITE_CONSTRAINT] {
            assert!(matches!(failure(code), StoreError::Sqlite(_)), "{code}");
        }
    }
}
