//! What the contract does not ask of every implementation: the file, its disk, its other users.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use molecule_store::state::{
    Backlog, Fence, Incoming, NewSend, Page, Progress, Retention, Row, RowKind, Settlement, State, StateError,
};
use molecule_store::{Database, Options, SqliteState, StoreError, rusqlite};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("host.db")
    }

    fn open(&self) -> SqliteState {
        SqliteState::open(&self.file(), Options::default()).expect("the state opens")
    }
}

fn page(name: &str, messages: usize) -> Page {
    let row = |number| Row {
        id: format!("{name} {number}"),
        kind: RowKind::Message(Incoming {
            sender: "peer".into(),
            message_id: Some(format!("{name} {number}")),
            body: format!("{name} {number} {}", "x".repeat(1000)),
        }),
    };
    Page { rows: (0..messages).map(row).collect(), cursor: Some(name.into()), at: 0, ..Page::default() }
}

fn answer(id: &str) -> NewSend {
    NewSend { id: id.into(), to: "user".into(), digest: Some(format!("digest of {id}")), body: id.into() }
}

async fn backlog(state: &SqliteState, fence: &Fence) -> Backlog {
    state.backlog(fence).await.expect("a backlog")
}

#[tokio::test]
async fn a_full_disk_takes_no_page_in_part_and_loses_no_message() {
    let folder = Folder::new();
    let options = Options { max_page_count: Some(120), ..Options::default() };
    let state = SqliteState::open(&folder.file(), options).expect("the state opens");
    let fence = state.lease("workspace").await.expect("a lease");
    let (mut pages, mut last) = (0, None);
    let error = loop {
        let name = format!("page {pages}");
        match state.accept(&fence, page(&name, 20)).await {
            Ok(_) => (pages, last) = (pages + 1, Some(name)),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StateError::Store(StoreError::DiskFull)), "{error:?}");
    assert!(pages > 0, "it was the size that ended it");
    assert_eq!(backlog(&state, &fence).await.waiting, pages * 20);
    assert_eq!(state.position(&fence).await.expect("the position").cursor, last);

    // What makes room still works: a message that ends leaves more than it takes.
    for message in state.claim(&fence, 20).await.expect("a claim") {
        state.finish(&fence, message.key, None).await.expect("a finish");
    }
    let refused = format!("page {pages}");
    let taken = state.accept(&fence, page(&refused, 10)).await.expect("there is room again");
    assert_eq!(taken.messages.len(), 10, "nothing of the page that was refused was remembered");
}

#[tokio::test]
async fn claims_at_the_same_time_hand_out_each_message_once() {
    let folder = Folder::new();
    let state = folder.open();
    let fence = state.lease("workspace").await.expect("a lease");
    state.accept(&fence, page("page", 100)).await.expect("accept");
    let claims: Vec<_> = (0..20)
        .map(|_| {
            let (state, fence) = (state.clone(), fence.clone());
            tokio::spawn(async move { state.claim(&fence, 5).await.expect("a claim") })
        })
        .collect();
    let mut keys = BTreeSet::new();
    for claim in claims {
        for message in claim.await.expect("the task") {
            assert!(keys.insert(message.key), "{} was handed out twice", message.key);
        }
    }
    assert_eq!(keys.len(), 100);
}

#[tokio::test]
async fn a_process_that_was_presumed_dead_is_fenced_by_the_one_that_took_over() {
    let folder = Folder::new();
    let (old, new) = (folder.open(), folder.open());
    let fence = old.lease("workspace").await.expect("the first lease");
    old.accept(&fence, page("page", 2)).await.expect("accept");
    let in_hand = old.claim(&fence, 1).await.expect("a claim").remove(0);

    let next = new.lease("workspace").await.expect("the second lease");
    let late = old.finish(&fence, in_hand.key, Some(answer("late"))).await;
    assert!(matches!(late, Err(StateError::Fenced { .. })), "{late:?}");

    let again = new.claim(&next, 1).await.expect("a claim").remove(0);
    assert_eq!((again.key, again.runs.interruptions), (in_hand.key, 1));
    new.finish(&next, again.key, Some(answer("once"))).await.expect("finish");
    let sends = new.unsettled(&next, 10).await.expect("the sends");
    assert_eq!(sends.iter().map(|send| send.send.id.as_str()).collect::<Vec<_>>(), ["once"]);
}

#[tokio::test]
async fn processes_share_a_file_each_with_its_own_workspaces() {
    let folder = Folder::new();
    let live = |name: &'static str| {
        let state = folder.open();
        tokio::spawn(async move {
            let fence = state.lease(name).await.expect("a lease");
            for number in 0..30 {
                state.accept(&fence, page(&format!("page {number}"), 1)).await.expect("accept");
                for message in state.claim(&fence, 1).await.expect("claim") {
                    let answer = answer(&format!("{name} {number}"));
                    state.finish(&fence, message.key, Some(answer)).await.expect("finish");
                }
            }
            (state, fence)
        })
    };
    let (one, two) = tokio::join!(live("one"), live("two"));
    for life in [one, two] {
        let (state, fence) = life.expect("a life");
        let expected = Backlog { unsettled: 30, ..Backlog::default() };
        assert_eq!(backlog(&state, &fence).await, expected);
    }
}

#[tokio::test]
async fn retention_in_many_pieces_drops_all_that_is_old() {
    let folder = Folder::new();
    let state = folder.open();
    let fence = state.lease("workspace").await.expect("a lease");
    let skips = (0..9_000).map(|n| Row { id: n.to_string(), kind: RowKind::Skip }).collect();
    state.accept(&fence, Page { rows: skips, cursor: None, at: 0, ..Page::default() }).await.expect("accept");
    let retention = Retention { ended_ms: 10, dead_ms: 10, keep_newest: 100 };
    let dropped = state.retain(&fence, retention, 1_000).await.expect("retain");
    assert_eq!(dropped.seen, 8_900);
    let again = state.retain(&fence, retention, 1_000).await.expect("retain");
    assert_eq!(again.seen, 0);
}

#[tokio::test]
async fn what_is_in_the_file_outlives_it_being_open() {
    let folder = Folder::new();
    let state = folder.open();
    let fence = state.lease("workspace").await.expect("a lease");
    state.accept(&fence, page("page", 3)).await.expect("accept");
    let messages = state.claim(&fence, 2).await.expect("claim");
    state.finish(&fence, messages[0].key, Some(answer("begun"))).await.expect("finish");
    state.begin(&fence, "begun", 77).await.expect("begin");
    let database = state.database().clone();
    drop(state);
    database.close().await;

    let state = folder.open();
    let fence = state.lease("workspace").await.expect("a lease");
    assert_eq!(fence.token, 2);
    assert_eq!(state.position(&fence).await.expect("the position").cursor.as_deref(), Some("page"));
    let sends = state.unsettled(&fence, 10).await.expect("the sends");
    assert_eq!(sends[0].progress, Progress::InDoubt { until: 77, echoed: false, once: false });
    state.settle(&fence, "begun", Settlement::Landed, 80).await.expect("settle");
    let left = state.claim(&fence, 10).await.expect("claim");
    assert_eq!(left.iter().map(|message| message.runs.interruptions).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test]
async fn a_program_may_keep_tables_of_its_own_beside() {
    const BOTH: molecule_store::Schema = molecule_store::Schema {
        application_id: 0x1234,
        migrations: &[SqliteState::MIGRATIONS[0], "CREATE TABLE own (x INTEGER) STRICT"],
    };
    let database = Database::in_memory(&BOTH).expect("in memory");
    let state = SqliteState::new(database.clone());
    let fence = state.lease("workspace").await.expect("a lease");
    state.accept(&fence, page("page", 1)).await.expect("accept");
    let own = |c: &rusqlite::Connection| Ok::<_, StoreError>(c.execute("INSERT INTO own VALUES (1)", [])?);
    assert_eq!(database.write(own).await.expect("a write"), 1);
}
