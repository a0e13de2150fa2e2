//! Opening: whose file it is, its settings, its migrations.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::{Options, Schema};
use crate::StoreError;

/// Stands for the path of a database without a file.
pub(super) const IN_MEMORY: &str = ":memory:";

/// Statements that a connection keeps prepared.
const PREPARED: usize = 128;

/// Opens the connection that writes; afterwards the file exists, is ours and has the newest schema.
pub(super) fn writer(path: &Path, schema: &Schema, options: &Options) -> Result<Connection, StoreError> {
    create_private(path)
        .map_err(|error| StoreError::Open { path: path.into(), reason: error.to_string() })?;
    let at = |error| open_error(path, error);
    let connection = connect(path, options).map_err(at)?;
    // Before anything is changed: a stranger's file stays as it is.
    check_owner(&connection, path, schema)?;
    patiently(options.busy_timeout, || use_wal(&connection)).map_err(at)?;
    if let Some(pages) = options.max_page_count {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(at)?;
    }
    migrate(&connection, path, schema)?;
    Ok(connection)
}

/// Opens a connection to a file that is there and is ours, of any version that is known. One that nobody has written to
/// yet is nobody's.
pub(crate) fn existing(path: &Path, schema: &Schema, options: &Options) -> Result<Connection, StoreError> {
    let connection = connect(path, options).map_err(|error| open_error(path, error))?;
    match check_owner(&connection, path, schema)? {
        0 => Err(StoreError::Empty { path: path.into() }),
        _ => Ok(connection),
    }
}

/// Opens a connection that reads a file which [`writer`] has opened.
pub(super) fn reader(path: &Path, options: &Options) -> Result<Connection, StoreError> {
    let connection = connect(path, options).map_err(|error| open_error(path, error))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// A database without a file.
pub(crate) fn in_memory(schema: &Schema) -> Result<Connection, StoreError> {
    let path = Path::new(IN_MEMORY);
    let connection = Connection::open_in_memory().map_err(|error| open_error(path, error))?;
    configure(&connection)?;
    migrate(&connection, path, schema)?;
    Ok(connection)
}

/// Creates the file, if it is not there, readable by its owner only: SQLite would give it what the umask
/// leaves. Its log and index take its permissions over.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

fn connect(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    // No mutex: a connection stays on its thread. No URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // macOS: there fsync alone stops at the drive's cache. Elsewhere it changes nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    // The log is cut back to this after a burst has made it grow (bytes).
    connection.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
    configure(&connection)?;
    Ok(connection)
}

/// What holds with and without a file.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "foreign_keys", true)?;
    // What a savepoint may have to undo stays in memory instead of a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A statement's plan depends on its text alone; else some are prepared anew for every value that is
    // bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
        let mode: String = row.get(0)?;
        match mode.as_str() {
            "wal" => Ok(()),
            _ => Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                Some(format!("this file system cannot hold a write-ahead log (journal mode stays {mode})")),
            )),
        }
    })
}

/// Repeats what SQLite refuses at once, busy timeout or not, because two connections that both waited for the
/// other would wait for ever.
fn patiently(timeout: Duration, attempt: impl Fn() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        match attempt() {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}

/// Refuses a file that another application or a newer release wrote, and gives back the version of any other.
fn check_owner(connection: &Connection, path: &Path, schema: &Schema) -> Result<usize, StoreError> {
    let snapshot = connection.unchecked_transaction().map_err(|error| open_error(path, error))?;
    version(&snapshot, path, schema)
}

/// The number of migrations that the file has taken. To be called in a transaction: another process may be
/// about to take the next one.
fn version(connection: &Connection, path: &Path, schema: &Schema) -> Result<usize, StoreError> {
    let at = |error| open_error(path, error);
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(at)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(at)?;
    let has_tables: bool = connection
        .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
        .map_err(at)?;
    let empty = owner == 0 && version == 0 && !has_tables;
    match usize::try_from(version) {
        Ok(version) if empty || owner == schema.application_id => {
            let known = schema.migrations.len();
            if version > known {
                return Err(StoreError::NewerSchema { path: path.into(), found: version, known });
            }
            Ok(version)
        }
        _ => Err(StoreError::OtherApplication {
            path: path.into(),
            found: owner,
            expected: schema.application_id,
        }),
    }
}

/// Takes the steps that the file lacks, each in a transaction that no other process can share.
fn migrate(connection: &Connection, path: &Path, schema: &Schema) -> Result<(), StoreError> {
    loop {
        let step = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
            .map_err(|error| open_error(path, error))?;
        let version = version(&step, path, schema)?;
        let Some(migration) = schema.migrations.get(version) else { return Ok(()) };
        take(step, migration, version + 1, schema).map_err(|error| match StoreError::from(error) {
            StoreError::Sqlite(error) => {
                StoreError::Migration { path: path.into(), version: version + 1, reason: error.to_string() }
            }
            full_or_busy => full_or_busy,
        })?;
    }
}

fn take(step: Transaction<'_>, migration: &str, version: usize, schema: &Schema) -> rusqlite::Result<()> {
    step.execute_batch(migration)?;
    step.pragma_update(None, "application_id", schema.application_id)?;
    step.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX))?;
    step.commit()
}

fn open_error(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::NotADatabase { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull) => error.into(),
        _ => StoreError::Open { path, reason: error.to_string() },
    }
}
