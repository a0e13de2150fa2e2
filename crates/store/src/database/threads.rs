//! The writer, which makes one transaction of all that waits, and the readers.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, watch};

use super::job::Job;
use crate::StoreError;

/// Jobs in one transaction at most: bounds how long the first of them waits for the others.
const MAX_BATCH: usize = 256;

type Queue = mpsc::Receiver<Box<dyn Job>>;

/// Starts the thread that owns the writing connection. It drops `alive` when it has closed the file.
pub(super) fn spawn_writer(
    connection: Connection,
    queue: usize,
    commits: Arc<AtomicU64>,
    alive: Arc<watch::Sender<()>>,
) -> io::Result<mpsc::Sender<Box<dyn Job>>> {
    let (sender, queue) = mpsc::channel(queue);
    thread::Builder::new().name("store-writer".into()).spawn(move || {
        Writer { connection, commits }.drain(queue);
        drop(alive);
    })?;
    Ok(sender)
}

/// Starts a thread for each connection; they share a queue.
pub(super) fn spawn_readers(
    connections: Vec<Connection>,
    queue: usize,
    alive: &Arc<watch::Sender<()>>,
) -> io::Result<mpsc::Sender<Box<dyn Job>>> {
    let (sender, queue) = mpsc::channel(queue);
    let queue = Arc::new(Mutex::new(queue));
    for connection in connections {
        let (queue, alive) = (Arc::clone(&queue), Arc::clone(alive));
        thread::Builder::new().name("store-reader".into()).spawn(move || {
            read_jobs(connection, &queue);
            drop(alive);
        })?;
    }
    Ok(sender)
}

struct Writer {
    connection: Connection,
    commits: Arc<AtomicU64>,
}

impl Writer {
    fn drain(self, mut queue: Queue) {
        let mut batch = Vec::new();
        while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
            let mut waiting = batch.drain(..).peekable();
            while waiting.peek().is_some() {
                self.transaction(&mut waiting);
            }
        }
    }

    /// Runs the jobs that wait in one transaction and tells their callers. Leaves some waiting when SQLite
    /// undid the transaction under them: they had no part in it.
    fn transaction(&self, waiting: &mut impl Iterator<Item = Box<dyn Job>>) {
        let mut taken = Vec::new();
        let committed = self.commit(waiting, &mut taken);
        if committed.is_err() && !self.connection.is_autocommit() {
            // It fails only when there is nothing to roll back.
            let _ = self.execute("ROLLBACK");
        }
        for job in taken {
            job.resolve(committed.clone());
        }
    }

    /// Moves the jobs that share the outcome from `waiting` to `taken`.
    fn commit(
        &self,
        waiting: &mut impl Iterator<Item = Box<dyn Job>>,
        taken: &mut Vec<Box<dyn Job>>,
    ) -> Result<(), StoreError> {
        // Immediate: a transaction that began as a reader cannot wait for another process's writer, only
        // fail.
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            taken.extend(waiting);
            return Err(error);
        }
        for mut job in waiting {
            let outcome = self.savepoint(&mut *job);
            taken.push(job);
            outcome?;
        }
        self.execute("COMMIT")?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Runs one job, and undoes it alone if it fails.
    ///
    /// # Errors
    ///
    /// When the whole transaction is lost.
    fn savepoint(&self, job: &mut dyn Job) -> Result<(), StoreError> {
        self.execute("SAVEPOINT job")?;
        let keep = job.run(&self.connection);
        if self.connection.is_autocommit() {
            // SQLite answers some failures (no room, no memory, a failing disk) by undoing the whole
            // transaction.
            return Err(StoreError::RolledBack);
        }
        if !keep {
            self.execute("ROLLBACK TO job")?;
        }
        self.execute("RELEASE job")
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

fn read_jobs(connection: Connection, queue: &Mutex<Queue>) {
    loop {
        // The one that waits holds the lock; who gets a job gives it to the next.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(mut job) = next else { return };
        // A transaction, so that all statements of the job see the same snapshot.
        let outcome = connection.execute_batch("BEGIN");
        if outcome.is_ok() {
            job.run(&connection);
            // Nothing to undo in a reader; it fails only when there is no transaction any more.
            let _ = connection.execute_batch("ROLLBACK");
        }
        job.resolve(outcome.map_err(StoreError::from));
    }
}

/// Runs a reader's job on the writer's connection, held to a reader's rules.
pub(super) fn read_only<T, E: From<StoreError>>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    struct Guard<'a>(&'a Connection);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            // Setting a flag of the connection does not fail.
            let _ = self.0.pragma_update(None, "query_only", false);
        }
    }
    connection.pragma_update(None, "query_only", true).map_err(StoreError::from)?;
    let _guard = Guard(connection);
    job(connection)
}
