//! A copy of a database that is in use.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::database::open;
use crate::{Options, Schema, StoreError};

/// Copies a database into a new file, as it is at one instant, whoever writes to it meanwhile. The copy is whole, on the
/// disk when this returns, and for its owner only. Blocks for as long as that takes.
///
/// # Errors
///
/// What keeps the database from being read, as with [`Database::open`](crate::Database::open);
/// [`Empty`](StoreError::Empty) where nothing has been written to it;
/// [`Open`](StoreError::Open) where the new file cannot be made, or is there already; [`DiskFull`](StoreError::DiskFull).
/// Nothing is left of the copy then.
pub fn backup(path: &Path, schema: &Schema, into: &Path) -> Result<(), StoreError> {
    let connection = open::existing(path, schema, &Options::default())?;
    let unusable = |error: io::Error| StoreError::Open { path: into.to_owned(), reason: error.to_string() };
    let name = into.to_str().ok_or_else(|| unusable(io::Error::other("its name is not UTF-8")))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(into).map_err(unusable)?;
    // SQLite takes an empty file for none.
    let copied = connection
        .execute("VACUUM INTO ?1", [name])
        .map_err(StoreError::from)
        .and_then(|_| file.sync_all().and_then(|()| sync_folder(into)).map_err(unusable));
    if copied.is_err() {
        // What is left of it is of no use; that it cannot be removed would be said again by the next attempt.
        let _ = std::fs::remove_file(into);
    }
    copied
}

fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = of.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    const SCHEMA: Schema = Schema { application_id: 7, migrations: &["CREATE TABLE t (x)"] };

    /// SQLite takes a file without a byte for a database, and would copy it.
    #[test]
    fn what_is_empty_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (database, copy) = (folder.path().join("host.db"), folder.path().join("copy.db"));
        File::create(&database).unwrap();
        let copied = backup(&database, &SCHEMA, &copy);
        assert!(matches!(&copied, Err(StoreError::Empty { path }) if *path == database), "{copied:?}");
        assert!(!copy.exists());
        drop(Database::open(&database, &SCHEMA, Options::default()).unwrap());
        backup(&database, &SCHEMA, &copy).unwrap();
    }
}
