//! Death at every write: what was acknowledged is there, and what was not is there whole or not at all.
//!
//! The test starts itself as a child, which takes a message all its way and says what was acknowledged. A limit on
//! file sizes kills it (SIGXFSZ) in the write that would take the log past that, with what fits written. The parent
//! raises the limit until the child survives, so that it dies in the header and in the page of every frame.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use molecule_store::state::{
    Backlog, Claimed, DeadLetter, Fence, Incoming, NewSend, Page, Position, Row, RowKind, Settlement, State,
    Unsettled,
};
use molecule_store::{MemoryState, Options, SqliteState};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use tokio::runtime::Runtime;

const TEST: &str = "a_death_in_any_write_loses_nothing_that_was_acknowledged";
/// Given to the child: its file, and how many bytes it may add to the log.
const FILE: &str = "MOLECULE_STORE_TEST_FILE";
const ROOM: &str = "MOLECULE_STORE_TEST_ROOM";
const ACKNOWLEDGED: &str = "acknowledged";
/// A frame of the log is a header and a page.
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + 4096;

#[test]
fn a_death_in_any_write_loses_nothing_that_was_acknowledged() {
    if let (Ok(file), Ok(room)) = (std::env::var(FILE), std::env::var(ROOM)) {
        return child(Path::new(&file), room.parse().expect("a number of bytes"));
    }
    let mut deaths = [0; STEPS.len()];
    for frame in 0.. {
        for cut in [FRAME_HEADER / 2, FRAME_HEADER, FRAME / 2] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let file = folder.path().join("host.db");
            let room = frame * FRAME + cut;
            let (acknowledged, survived) = run_child(&file, room);
            let left = runtime().block_on(async {
                let state = SqliteState::open(&file, Options::default()).expect("the file opens");
                Left::of(&state).await
            });
            let expected = [acknowledged, (acknowledged + 1).min(STEPS.len())].map(after);
            assert!(
                expected.contains(&left),
                "killed with room for {room} bytes, {acknowledged} steps acknowledged:\n{left:#?}\nis not\n{expected:#?}"
            );
            if survived {
                assert_eq!(acknowledged, STEPS.len(), "the child ended early");
                assert!(deaths.iter().all(|deaths| *deaths > 0), "a step without a death: {deaths:?}");
                return;
            }
            deaths[acknowledged] += 1;
        }
    }
}

/// What is done to the state, in this order.
const STEPS: [&str; 10] =
    ["lease", "accept", "claim", "fault", "finish", "begin", "settle", "bury", "intend", "echo"];

/// Does the first `count` steps, and calls `acknowledge` after each.
async fn go(state: &impl State, count: usize, mut acknowledge: impl FnMut()) {
    let mut fence = Fence { workspace: String::new(), token: 0 };
    let mut keys = Vec::new();
    let send = |id: &str| NewSend {
        id: id.into(),
        to: "user".into(),
        digest: Some("digest".into()),
        body: format!("body of {id}"),
    };
    for step in &STEPS[..count] {
        match *step {
            "lease" => fence = state.lease("workspace").await.expect("lease"),
            "accept" => drop(state.accept(&fence, two_messages()).await.expect("accept")),
            "claim" => {
                let claimed = state.claim(&fence, 2).await.expect("claim");
                keys.extend(claimed.iter().map(|message| message.key));
            }
            "fault" => drop(state.fault(&fence, keys[0], "it trapped").await.expect("fault")),
            "finish" => state.finish(&fence, keys[0], Some(send("answer"))).await.expect("finish"),
            "begin" => state.begin(&fence, "answer", 70).await.expect("begin"),
            "settle" => state.settle(&fence, "answer", Settlement::Landed, 60).await.expect("settle"),
            "bury" => state.bury(&fence, keys[1], "stuck", Some(send("notice")), 61).await.expect("bury"),
            "intend" => state.intend(&fence, send("text"), 80).await.expect("intend"),
            "echo" => drop(state.accept(&fence, an_echo()).await.expect("accept")),
            unknown => panic!("no such step: {unknown}"),
        }
        acknowledge();
    }
}

fn two_messages() -> Page {
    let message = |id: &str| Row {
        id: format!("row of {id}"),
        kind: RowKind::Message(Incoming {
            sender: "peer".into(),
            message_id: Some(id.into()),
            // Long enough to need a page of its own.
            body: id.repeat(1000),
        }),
    };
    Page { rows: vec![message("first"), message("second")], cursor: Some("row of second".into()), at: 50 }
}

fn an_echo() -> Page {
    let row = Row { id: "row of echo".into(), kind: RowKind::Echo("digest".into()) };
    Page { rows: vec![row], cursor: Some("row of echo".into()), at: 90 }
}

/// Fills the log past the length of its index, which the limit is not to cut.
async fn fill(state: &impl State) {
    let fence = state.lease("other").await.expect("lease");
    let message = Incoming { sender: "peer".into(), message_id: None, body: "x".repeat(40_000) };
    let row = Row { id: "row".into(), kind: RowKind::Message(message) };
    state.accept(&fence, Page { rows: vec![row], ..Page::default() }).await.expect("accept");
}

/// All that can be seen of the workspace by the next process.
#[derive(Debug, PartialEq)]
struct Left {
    fence: Fence,
    position: Position,
    backlog: Backlog,
    unsettled: Vec<Unsettled>,
    dead: Vec<DeadLetter>,
    waiting: Vec<Claimed>,
    /// Taken anew if they were forgotten.
    duplicates: usize,
}

impl Left {
    async fn of(state: &impl State) -> Self {
        let fence = state.lease("workspace").await.expect("lease");
        Self {
            position: state.position(&fence).await.expect("position"),
            backlog: state.backlog(&fence).await.expect("backlog"),
            unsettled: state.unsettled(&fence, 10).await.expect("unsettled"),
            dead: state.dead_letters(&fence, 10).await.expect("dead letters"),
            waiting: state.claim(&fence, 10).await.expect("claim"),
            duplicates: state.accept(&fence, two_messages()).await.expect("accept").duplicates,
            fence,
        }
    }
}

/// What the next process should find after `count` steps.
fn after(count: usize) -> Left {
    runtime().block_on(async {
        let state = MemoryState::new();
        fill(&state).await;
        go(&state, count, || ()).await;
        Left::of(&state).await
    })
}

/// The steps that it acknowledged, and whether it lived through them all.
fn run_child(file: &Path, room: usize) -> (usize, bool) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", TEST, "--nocapture"])
        .env(FILE, file)
        .env(ROOM, room.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let acknowledged = lines.map_while(Result::ok).filter(|line| line.ends_with(ACKNOWLEDGED)).count();
    let status = child.wait().expect("the child ends");
    let killed = status.signal() == Some(Signal::XFSZ.as_raw());
    assert!(killed || status.success(), "the child ended with {status}");
    (acknowledged, !killed)
}

fn child(file: &Path, room: usize) {
    runtime().block_on(async {
        let state = SqliteState::open(file, Options::default()).expect("the state opens");
        fill(&state).await;
        let log = PathBuf::from(format!("{}-wal", file.display()));
        let limit = fs::metadata(log).expect("the log").len() + room as u64;
        limit_to(Resource::Core, 0);
        limit_to(Resource::Fsize, limit);
        go(&state, STEPS.len(), || println!("{ACKNOWLEDGED}")).await;
    });
    // As it is: a process that closes its file in order would not show what the log holds.
    std::process::exit(0);
}

fn limit_to(resource: Resource, bytes: u64) {
    setrlimit(resource, Rlimit { current: Some(bytes), maximum: Some(bytes) }).expect("the limit holds");
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}
