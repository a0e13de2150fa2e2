//! One SQLite file: one writer thread with group commit, and readers beside it.

mod job;
pub(crate) mod open;
mod threads;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, watch};

use self::job::{Job, Pending};
#[cfg(test)]
pub(crate) use self::open::in_memory as in_memory_connection;
use crate::StoreError;

/// A database; cheap to clone.
///
/// Writes of all clones go to one thread. It takes everything that waits in its queue into one transaction,
/// so that many concurrent writers share one fsync. Needs no async runtime: the threads are its own, and its
/// futures run on any executor.
///
/// When the last clone is dropped, the threads do what is queued and end.
///
/// ```
/// use molecule_store::{Database, Options, Schema, StoreError};
///
/// const NOTES: Schema = Schema {
///     application_id: 0x6e6f_7465,
///     migrations: &["CREATE TABLE note (text TEXT NOT NULL) STRICT"],
/// };
///
/// # async fn notes(folder: &std::path::Path) -> Result<(), StoreError> {
/// let database = Database::open(&folder.join("notes.db"), &NOTES, Options::default())?;
/// database
///     .write(|connection| Ok::<_, StoreError>(connection.execute("INSERT INTO note VALUES ('hi')", [])?))
///     .await?; // on the disk
/// let count: i64 = database
///     .read(|connection| {
///         Ok::<_, StoreError>(connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0))?)
///     })
///     .await?;
/// assert_eq!(count, 1);
/// # Ok(())
/// # }
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
/// # runtime.block_on(notes(folder.path())).expect("the example runs");
/// ```
#[derive(Debug, Clone)]
pub struct Database {
    writer: mpsc::Sender<Box<dyn Job>>,
    /// `None` in memory: there the writer reads, too.
    readers: Option<mpsc::Sender<Box<dyn Job>>>,
    commits: Arc<AtomicU64>,
    /// Closed when the last thread has ended.
    ended: watch::Receiver<()>,
}

/// What a database holds, and how it came to be so.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Marks the file as this program's (`PRAGMA application_id`); not 0.
    pub application_id: i32,
    /// SQL of each step from the empty database to the newest version; append only. The file's `user_version`
    /// is the number of steps that it has taken.
    pub migrations: &'static [&'static str],
}

/// How a database is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a write waits for another process's transaction to end before it fails with
    /// [`StoreError::Busy`].
    pub busy_timeout: Duration,
    /// Jobs that may wait for the writer (and as many for the readers) before callers are made to wait.
    pub queue: usize,
    /// Reader threads, each with a connection of its own; at least one.
    pub readers: usize,
    /// The most pages of 4 KiB that the file may take; `None` for no bound. Past it writes fail with
    /// [`StoreError::DiskFull`].
    pub max_page_count: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(10), queue: 1024, readers: 2, max_page_count: None }
    }
}

impl Database {
    /// Opens a file, creates it (readable by its owner only) if it is not there, and migrates it.
    ///
    /// Blocks for as long as that takes: a few milliseconds, longer for a migration.
    ///
    /// # Errors
    ///
    /// [`Open`](StoreError::Open), [`NotADatabase`](StoreError::NotADatabase),
    /// [`OtherApplication`](StoreError::OtherApplication), [`NewerSchema`](StoreError::NewerSchema) and
    /// [`Migration`](StoreError::Migration) as they say; [`Busy`](StoreError::Busy) when another process
    /// holds it longer than the busy timeout, [`DiskFull`](StoreError::DiskFull) when there is no room to
    /// open it. In all these cases the file holds what it held.
    pub fn open(path: &Path, schema: &Schema, options: Options) -> Result<Self, StoreError> {
        let writer = open::writer(path, schema, &options)?;
        let readers =
            (0..options.readers.max(1)).map(|_| open::reader(path, &options)).collect::<Result<_, _>>()?;
        Self::start(path, writer, readers, options.queue)
    }

    /// An empty database that lives as long as its last clone. Its reads take turns with its writes.
    ///
    /// # Errors
    ///
    /// [`Migration`](StoreError::Migration) when the schema is wrong, [`Open`](StoreError::Open) when the
    /// system gives no thread or memory.
    pub fn in_memory(schema: &Schema) -> Result<Self, StoreError> {
        let writer = open::in_memory(schema)?;
        Self::start(Path::new(open::IN_MEMORY), writer, Vec::new(), Options::default().queue)
    }

    fn start(
        path: &Path,
        writer: Connection,
        readers: Vec<Connection>,
        queue: usize,
    ) -> Result<Self, StoreError> {
        let no_thread =
            |error: std::io::Error| StoreError::Open { path: path.into(), reason: error.to_string() };
        let (alive, ended) = watch::channel(());
        let alive = Arc::new(alive);
        let commits = Arc::new(AtomicU64::new(0));
        let readers = match readers.is_empty() {
            true => None,
            false => Some(threads::spawn_readers(readers, queue.max(1), &alive).map_err(no_thread)?),
        };
        let writer =
            threads::spawn_writer(writer, queue.max(1), Arc::clone(&commits), alive).map_err(no_thread)?;
        Ok(Self { writer, readers, commits, ended })
    }

    /// Runs `job` in the writer's next transaction; returns when that transaction is on the disk.
    ///
    /// What `job` changed is undone if it returns an error or panics, and only that: other jobs of the
    /// transaction are not touched. It must not begin or end a transaction itself, nor wait for anything
    /// else. Jobs run in the order in which they were queued. Dropping the future does not take a queued job
    /// back.
    ///
    /// The error type is the caller's own, so that a rule of his can undo a job; `?` on
    /// [`rusqlite::Error`] needs it to implement `From` of that, too ([`StoreError`] does).
    ///
    /// # Errors
    ///
    /// The job's own. Otherwise a [`StoreError`]: then nothing was changed. (One exception that nobody can
    /// close: when the disk fails during the very commit and the process dies before the next one, the next
    /// start may find the transaction, whole.)
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        run(&self.writer, job).await
    }

    /// Runs `job` on a snapshot of what is committed, on a reader's thread. It sees every write that had
    /// returned when it was called, and cannot change anything.
    ///
    /// # Errors
    ///
    /// The job's own, or a [`StoreError`].
    pub async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.readers {
            Some(readers) => run(readers, job).await,
            None => run(&self.writer, |connection: &Connection| threads::read_only(connection, job)).await,
        }
    }

    /// Transactions committed since this database was opened: beside the number of writes it tells how many
    /// share an fsync.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Drops this clone and waits until the threads have done what was queued and closed the file, which
    /// takes until the last other clone is dropped.
    pub async fn close(self) {
        let mut ended = self.ended.clone();
        drop(self);
        while ended.changed().await.is_ok() {}
    }
}

async fn run<T, E, F>(queue: &mpsc::Sender<Box<dyn Job>>, job: F) -> Result<T, E>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (pending, outcome) = Pending::new(job);
    queue.send(Box::new(pending)).await.map_err(|_| StoreError::Closed)?;
    outcome.await.map_err(|_| StoreError::Closed)?
}
