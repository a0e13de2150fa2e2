//! The writer, its readers, and what happens when a job, the disk or another process gets in the way.

#![allow(clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use molecule_store::rusqlite::{self, Connection};
use molecule_store::{Database, Options, Schema, StoreError};

const NOTES: Schema = Schema {
    application_id: 0x6e6f_7465,
    migrations: &[
        "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
        "CREATE TABLE page (
            note INTEGER NOT NULL REFERENCES note DEFERRABLE INITIALLY DEFERRED
        ) STRICT; INSERT INTO note (text) VALUES ('first')",
    ],
};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("notes.db")
    }

    fn open(&self) -> Database {
        Database::open(&self.file(), &NOTES, Options::default()).expect("the database opens")
    }
}

fn insert(connection: &Connection, text: &str) -> Result<(), StoreError> {
    connection.execute("INSERT INTO note (text) VALUES (?1)", [text])?;
    Ok(())
}

async fn note(database: &Database, text: impl Into<String>) -> Result<(), StoreError> {
    let text = text.into();
    database.write(move |connection| insert(connection, &text)).await
}

/// What was noted after the migrations' own note.
async fn notes(database: &Database) -> Vec<String> {
    database
        .read(|connection| {
            let mut statement = connection.prepare("SELECT text FROM note WHERE id > 1 ORDER BY id")?;
            let notes = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok::<_, StoreError>(notes)
        })
        .await
        .expect("a read")
}

/// Holds the writer in a transaction of its own until the returned sender is used or dropped, so that all
/// jobs queued meanwhile share the next one.
async fn hold_writer(database: &Database) -> (mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    let (go, held) = mpsc::channel::<()>();
    let (entered, inside) = tokio::sync::oneshot::channel();
    let database = database.clone();
    let holder = tokio::spawn(async move {
        let job = move |_: &Connection| {
            let _ = entered.send(());
            let _ = held.recv();
            Ok::<_, StoreError>(())
        };
        database.write(job).await.expect("the holder's own job");
    });
    inside.await.expect("the holder entered");
    (go, holder)
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening_and_the_migrations_ran_once() {
    let folder = Folder::new();
    for round in 0..3 {
        let database = folder.open();
        note(&database, format!("round {round}")).await.expect("a write");
        database.close().await;
    }
    assert_eq!(notes(&folder.open()).await, ["round 0", "round 1", "round 2"]);
    let firsts: i64 = folder
        .open()
        .read(|c| {
            Ok::<_, StoreError>(
                c.query_row("SELECT count(*) FROM note WHERE text = 'first'", [], |r| r.get(0))?,
            )
        })
        .await
        .expect("a read");
    assert_eq!(firsts, 1);
}

#[tokio::test]
async fn a_job_that_fails_or_panics_is_undone_alone() {
    let folder = Folder::new();
    for database in [folder.open(), Database::in_memory(&NOTES).expect("in memory")] {
        let before = database.commits();
        let (go, holder) = hold_writer(&database).await;
        let failing = database.write(|c| {
            insert(c, "undone")?;
            Err::<(), _>(StoreError::Busy)
        });
        let panicking = database.write(|c| -> Result<(), StoreError> {
            insert(c, "undone, too")?;
            panic!("on purpose");
        });
        let all = async {
            tokio::join!(note(&database, "one"), failing, panicking, note(&database, "two"), async {
                drop(go);
            })
        };
        let (one, failed, panicked, two, ()) = all.await;
        one.expect("the first job");
        two.expect("the last job");
        assert!(matches!(failed, Err(StoreError::Busy)), "the job's own error comes back");
        let panicked = panicked.expect_err("the panic comes back as an error").to_string();
        assert!(panicked.contains("on purpose"), "{panicked}");
        holder.await.expect("the holder");
        assert_eq!(database.commits() - before, 2, "the holder's transaction, and one for the four");
        assert_eq!(notes(&database).await, ["one", "two"]);
    }
}

#[tokio::test]
async fn when_the_commit_fails_every_job_of_it_fails_and_nothing_is_changed() {
    let folder = Folder::new();
    let database = folder.open();
    let (go, holder) = hold_writer(&database).await;
    let dangling =
        database.write(|c| c.execute("INSERT INTO page VALUES (99)", []).map(drop).map_err(StoreError::from));
    let (innocent, dangling, ()) = tokio::join!(note(&database, "lost"), dangling, async { drop(go) });
    holder.await.expect("the holder");
    assert!(matches!(innocent, Err(StoreError::Sqlite(_))), "{innocent:?}");
    assert!(matches!(dangling, Err(StoreError::Sqlite(_))), "{dangling:?}");
    note(&database, "after").await.expect("the writer goes on");
    assert_eq!(notes(&database).await, ["after"]);
}

#[tokio::test]
async fn a_transaction_lost_in_the_middle_fails_the_jobs_it_held_and_no_others() {
    let folder = Folder::new();
    let database = folder.open();
    let (go, holder) = hold_writer(&database).await;
    // What SQLite itself does when it runs out of memory in the wrong place.
    let fatal = database.write(|c| c.execute_batch("ROLLBACK").map_err(StoreError::from));
    let (before, fatal, after, ()) =
        tokio::join!(note(&database, "before"), fatal, note(&database, "after"), async { drop(go) });
    holder.await.expect("the holder");
    assert!(matches!(before, Err(StoreError::RolledBack)), "{before:?}");
    assert!(matches!(fatal, Err(StoreError::RolledBack)), "{fatal:?}");
    after.expect("a job that had not begun runs in a transaction of its own");
    assert_eq!(notes(&database).await, ["after"]);
}

#[tokio::test]
async fn many_writers_share_few_commits() {
    const WRITERS: u64 = 200;
    let folder = Folder::new();
    let database = folder.open();
    let (go, holder) = hold_writer(&database).await;
    let before = database.commits();
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let database = database.clone();
            tokio::spawn(async move { note(&database, n.to_string()).await })
        })
        .collect();
    // Each spawned task queues its job at its first poll; this one runs after them (one thread, in order).
    tokio::task::yield_now().await;
    drop(go);
    for writer in writers {
        writer.await.expect("the task").expect("the write");
    }
    holder.await.expect("the holder");
    assert_eq!(notes(&database).await.len() as u64, WRITERS);
    let commits = database.commits() - before;
    assert!(commits <= 4, "{WRITERS} writes took {commits} commits");
}

#[tokio::test]
async fn a_full_disk_says_so_loses_nothing_and_is_over_when_there_is_room() {
    let folder = Folder::new();
    let options = Options { max_page_count: Some(40), ..Options::default() };
    let database = Database::open(&folder.file(), &NOTES, options).expect("it opens");
    let mut kept = Vec::new();
    let error = loop {
        let text = format!("{:04}{}", kept.len(), "x".repeat(1000));
        match note(&database, text.clone()).await {
            Ok(()) => kept.push(text),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::DiskFull), "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(kept.len() > 40, "it was the size that ended it, after {}", kept.len());
    assert_eq!(notes(&database).await, kept, "what was acknowledged is there, what was refused is not");

    database
        .write(|c| {
            c.pragma_update_and_check(None, "max_page_count", 4000, |_| Ok(())).map_err(StoreError::from)
        })
        .await
        .expect("room is made");
    note(&database, "there is room").await.expect("a write");
    kept.push("there is room".into());
    database.close().await;
    assert_eq!(notes(&folder.open()).await, kept);
}

#[tokio::test]
async fn two_processes_write_one_file_at_once() {
    const EACH: usize = 100;
    let folder = Folder::new();
    let (one, two) = (folder.open(), folder.open());
    let write_all = |database: Database, name: &'static str| {
        tokio::spawn(async move {
            for n in 0..EACH {
                note(&database, format!("{name} {n}")).await.expect("a write");
            }
        })
    };
    let (a, b) = tokio::join!(write_all(one.clone(), "one"), write_all(two.clone(), "two"));
    a.expect("the first writes");
    b.expect("the second writes");
    for database in [one, two] {
        let notes = notes(&database).await;
        for name in ["one", "two"] {
            let own: Vec<_> = notes.iter().filter(|note| note.starts_with(name)).cloned().collect();
            assert_eq!(own, (0..EACH).map(|n| format!("{name} {n}")).collect::<Vec<_>>());
        }
    }
}

#[test]
fn two_processes_that_open_a_new_file_at_once_migrate_it_once() {
    for _ in 0..20 {
        let folder = Folder::new();
        let path = folder.file();
        thread::scope(|scope| {
            let openers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| Database::open(&path, &NOTES, Options::default()))).collect();
            for opener in openers {
                opener.join().expect("the opener").expect("it opens");
            }
        });
        let connection = Connection::open(&path).expect("the file");
        let firsts: i64 =
            connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).expect("a count");
        assert_eq!(firsts, 1);
    }
}

#[test]
fn opening_waits_for_another_process_as_long_as_a_write_does() {
    let folder = Folder::new();
    let other = Connection::open(folder.file()).expect("another process");
    other.execute_batch("BEGIN IMMEDIATE").expect("it locks");
    let options = Options { busy_timeout: Duration::from_millis(50), ..Options::default() };
    let start = Instant::now();
    let refused = Database::open(&folder.file(), &NOTES, options).expect_err("it stays locked");
    assert!(matches!(refused, StoreError::Busy), "{refused:?}");
    assert!(start.elapsed() >= Duration::from_millis(50), "it gave up after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_database_that_another_process_keeps_locked_is_busy_until_it_lets_go() {
    let folder = Folder::new();
    let options = Options { busy_timeout: Duration::from_millis(1), ..Options::default() };
    let database = Database::open(&folder.file(), &NOTES, options).expect("it opens");
    let other = Connection::open(folder.file()).expect("another process");
    other.execute_batch("BEGIN IMMEDIATE").expect("it locks");
    let refused = note(&database, "refused").await;
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    other.execute_batch("ROLLBACK").expect("it lets go");
    note(&database, "taken").await.expect("a write");
    assert_eq!(notes(&database).await, ["taken"]);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_was() {
    fn sql(path: &Path, sql: &str) {
        Connection::open(path).and_then(|c| c.execute_batch(sql)).expect("the file is prepared");
    }
    type Prepare = fn(&Path);
    type Expected = fn(&StoreError) -> bool;
    let cases: [(&str, Prepare, Expected); 5] = [
        (
            "not a database",
            |path| std::fs::write(path, "Dear diary, ".repeat(100)).expect("a text"),
            |error| matches!(error, StoreError::NotADatabase { .. }),
        ),
        (
            "damaged in its header",
            |path| {
                sql(path, "CREATE TABLE t (x)");
                let mut bytes = std::fs::read(path).expect("the file");
                bytes[..8].fill(0xff);
                std::fs::write(path, bytes).expect("the damage");
            },
            |error| matches!(error, StoreError::NotADatabase { .. }),
        ),
        (
            "another application's",
            |path| sql(path, "PRAGMA application_id = 7; CREATE TABLE t (x)"),
            |error| matches!(error, StoreError::OtherApplication { found: 7, .. }),
        ),
        (
            "nobody's, with tables",
            |path| sql(path, "CREATE TABLE t (x)"),
            |error| matches!(error, StoreError::OtherApplication { found: 0, .. }),
        ),
        (
            "a newer release's",
            |path| {
                sql(path, "PRAGMA application_id = 0x6e6f7465; PRAGMA user_version = 3; CREATE TABLE t (x)")
            },
            |error| matches!(error, StoreError::NewerSchema { found: 3, known: 2, .. }),
        ),
    ];
    for (name, prepare, expected) in cases {
        let folder = Folder::new();
        prepare(&folder.file());
        let before = std::fs::read(folder.file()).expect("the file");
        let error = Database::open(&folder.file(), &NOTES, Options::default()).expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
        assert!(error.to_string().contains("notes.db"), "{name}: {error}");
        assert_eq!(std::fs::read(folder.file()).expect("the file"), before, "{name}: changed");
    }
}

#[test]
fn a_folder_that_cannot_hold_the_file_is_one_clear_line() {
    let folder = Folder::new();
    let not_a_folder = folder.0.path().join("a-file");
    std::fs::write(&not_a_folder, "").expect("a file");
    let missing = folder.0.path().join("no-such-folder");
    for parent in [not_a_folder, missing] {
        let error =
            Database::open(&parent.join("notes.db"), &NOTES, Options::default()).expect_err("refused");
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_version_before_it() {
    const BROKEN: Schema = Schema {
        migrations: &[
            NOTES.migrations[0],
            NOTES.migrations[1],
            "CREATE TABLE later (x); INSERT INTO nowhere VALUES (1)",
        ],
        ..NOTES
    };
    let folder = Folder::new();
    let error = Database::open(&folder.file(), &BROKEN, Options::default()).expect_err("it fails");
    assert!(matches!(error, StoreError::Migration { version: 3, .. }), "{error:?}");
    note(&folder.open(), "still version 2").await.expect("the older release opens it");
    let connection = Connection::open(folder.file()).expect("the file");
    let later: bool = connection.table_exists(None, "later").expect("a look");
    assert!(!later, "half a migration stayed");
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    let folder = Folder::new();
    for database in [folder.open(), Database::in_memory(&NOTES).expect("in memory")] {
        let refused = database.read(|c| insert(c, "by a reader")).await;
        assert!(matches!(refused, Err(StoreError::Sqlite(_))), "{refused:?}");
        note(&database, "by the writer").await.expect("the writer still writes");
        assert_eq!(notes(&database).await, ["by the writer"]);
    }
}

#[tokio::test]
async fn a_read_sees_one_snapshot() {
    fn count(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).expect("a count")
    }
    let folder = Folder::new();
    let database = folder.open();
    let (written, wait) = mpsc::channel::<()>();
    let (counted, first) = tokio::sync::oneshot::channel();
    let reader = tokio::spawn({
        let database = database.clone();
        async move {
            let job = move |c: &Connection| {
                let before = count(c);
                counted.send(()).expect("the test waits");
                wait.recv().expect("the write");
                Ok::<_, StoreError>((before, count(c)))
            };
            database.read(job).await.expect("a read")
        }
    });
    first.await.expect("the first count");
    note(&database, "meanwhile").await.expect("a write");
    written.send(()).expect("the reader waits");
    assert_eq!(reader.await.expect("the reader"), (1, 1));
    assert_eq!(notes(&database).await, ["meanwhile"]);
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_the_file_its_log_and_its_index() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let database = folder.open();
    note(&database, "private").await.expect("a write");
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", folder.file().display());
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
}

#[tokio::test]
async fn the_last_drop_ends_the_threads_after_what_is_queued() {
    let folder = Folder::new();
    let database = folder.open();
    let (go, _holder) = hold_writer(&database).await;
    let mut abandoned = Box::pin(note(&database, "abandoned by its caller"));
    assert!(abandoned.as_mut().poll_once().is_pending());
    drop(abandoned);
    go.send(()).expect("the holder waits");
    database.close().await;
    assert!(!folder.0.path().join("notes.db-wal").exists(), "the last connection folds the log in");
    assert_eq!(notes(&folder.open()).await, ["abandoned by its caller"]);
}

#[test]
fn it_needs_no_async_runtime() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let waker = Arc::new(Unpark(thread::current())).into();
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }
    let folder = Folder::new();
    let database = folder.open();
    block_on(note(&database, "alone")).expect("a write");
    assert_eq!(block_on(notes(&database)), ["alone"]);
}

trait PollOnce: Future {
    fn poll_once(self: std::pin::Pin<&mut Self>) -> Poll<Self::Output> {
        self.poll(&mut Context::from_waker(Waker::noop()))
    }
}

impl<F: Future> PollOnce for F {}
