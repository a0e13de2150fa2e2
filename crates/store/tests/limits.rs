//! Death, and a full disk, at every write: what was acknowledged is there, and what was not is there whole or
//! not at all.
//!
//! A test starts itself as a child, which takes a message all its way and says what was acknowledged. A limit
//! on file sizes stops the log from growing past it: the write that would take it there puts down what fits,
//! and then kills the child (SIGXFSZ), or fails if the child was told to ignore that signal. The parent
//! raises the limit until the child gets through, so that it is stopped in the header and in the page of
//! every frame.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use molecule_store::state::{
    Backlog, Claimed, DeadLetter, Fence, Incoming, MessageKey, NewSend, Page, Position, Row, RowKind,
    Settlement, State, StateError, Unsettled,
};
use molecule_store::{MemoryState, Options, SqliteState, StoreError};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::runtime::Runtime;

/// Given to the child: its file, and how many bytes it may add to the log.
const FILE: &str = "MOLECULE_STORE_TEST_FILE";
const ROOM: &str = "MOLECULE_STORE_TEST_ROOM";
/// What the child says after a step, before its name.
const DONE: &str = "done: ";
const REFUSED: &str = "refused: ";
/// A frame of the log is a header and a page.
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + 4096;

#[test]
fn a_death_in_any_write_loses_nothing_that_was_acknowledged() {
    if let Some((file, room)) = as_child() {
        return child(&file, room);
    }
    let command = || Command::new(std::env::current_exe().expect("this test"));
    let mut deaths = Vec::new();
    for room in rooms() {
        let child = Child::run(command(), "a_death_in_any_write_loses_nothing_that_was_acknowledged", room);
        let killed = child.output.status.signal() == Some(Signal::XFSZ.as_raw());
        assert!(killed || child.output.status.success(), "with room for {room} bytes: {:?}", child.output);
        let done = child.said(DONE).len();
        let expected = [done, (done + 1).min(STEPS.len())].map(after);
        let left = child.left();
        assert!(
            expected.contains(&left),
            "killed with room for {room} bytes after {done} steps:\n{left:#?}\nis not\n{expected:#?}"
        );
        if !killed {
            assert_eq!(done, STEPS.len(), "the child ended early");
            break;
        }
        deaths.push(STEPS[done]);
    }
    for step in STEPS {
        assert!(deaths.contains(&step), "no death in {step}: {deaths:?}");
    }
}

#[test]
fn a_disk_that_is_full_at_any_write_refuses_the_verb_and_the_next_attempt_finds_nothing_half_done() {
    if let Some((file, room)) = as_child() {
        return child(&file, room);
    }
    let command = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        shell.arg(std::env::current_exe().expect("this test"));
        shell
    };
    let mut refused = Vec::new();
    for room in rooms() {
        let name =
            "a_disk_that_is_full_at_any_write_refuses_the_verb_and_the_next_attempt_finds_nothing_half_done";
        let child = Child::run(command(), name, room);
        assert!(child.output.status.success(), "with room for {room} bytes: {:?}", child.output);
        assert_eq!(child.said(DONE), STEPS, "with room for {room} bytes");
        assert_eq!(child.left(), after(STEPS.len()), "with room for {room} bytes");
        let refused_now = child.said(REFUSED);
        if refused_now.is_empty() {
            break;
        }
        refused.extend(refused_now);
    }
    for step in STEPS {
        assert!(refused.iter().any(|refused| refused == step), "{step} was never refused: {refused:?}");
    }
}

/// How far the log may grow: to the middle of every frame's header, and of its page.
fn rooms() -> impl Iterator<Item = usize> {
    (0..).flat_map(|frame| [FRAME_HEADER / 2, FRAME / 2].map(|cut| frame * FRAME + cut))
}

/// What is done to the state, in this order.
const STEPS: [&str; 10] =
    ["lease", "accept", "claim", "fault", "finish", "begin", "settle", "bury", "intend", "echo"];

/// A host on its way through the steps.
struct Host<'a, S> {
    state: &'a S,
    fence: Fence,
    keys: Vec<MessageKey>,
}

impl<'a, S: State> Host<'a, S> {
    fn new(state: &'a S) -> Self {
        Self { state, fence: Fence { workspace: String::new(), token: 0 }, keys: Vec::new() }
    }

    async fn step(&mut self, step: &str) -> Result<(), StateError> {
        let Self { state, fence, keys } = self;
        let send = |id: &str| NewSend {
            id: id.into(),
            to: "user".into(),
            digest: Some("digest".into()),
            body: format!("body of {id}"),
        };
        match step {
            "lease" => *fence = state.lease("workspace").await?,
            "accept" => drop(state.accept(fence, two_messages()).await?),
            "claim" => keys.extend(state.claim(fence, 2).await?.iter().map(|message| message.key)),
            "fault" => drop(state.fault(fence, keys[0], "it trapped").await?),
            "finish" => state.finish(fence, keys[0], Some(send("answer"))).await?,
            "begin" => state.begin(fence, "answer", 70).await?,
            "settle" => state.settle(fence, "answer", Settlement::Landed, 60).await?,
            "bury" => state.bury(fence, keys[1], "stuck", Some(send("notice")), 61).await?,
            "intend" => state.intend(fence, send("text"), 80).await?,
            "echo" => drop(state.accept(fence, an_echo()).await?),
            unknown => panic!("no such step: {unknown}"),
        }
        Ok(())
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
    Page {
        rows: vec![message("first"), message("second")],
        cursor: Some("row of second".into()),
        at: 50,
        ..Page::default()
    }
}

fn an_echo() -> Page {
    let row = Row { id: "row of echo".into(), kind: RowKind::Echo("digest".into()) };
    Page { rows: vec![row], cursor: Some("row of echo".into()), at: 90, ..Page::default() }
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
        let mut host = Host::new(&state);
        for step in &STEPS[..count] {
            host.step(step).await.expect("the step");
        }
        Left::of(&state).await
    })
}

/// A child that has ended, and its folder.
struct Child {
    folder: tempfile::TempDir,
    output: Output,
}

impl Child {
    fn run(mut command: Command, test: &str, room: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        command.args(["--exact", test, "--nocapture"]);
        command.env(FILE, folder.path().join("host.db")).env(ROOM, room.to_string());
        let output = command.output().expect("the child starts");
        Self { folder, output }
    }

    /// The steps of which it said that.
    fn said(&self, what: &str) -> Vec<String> {
        let output = String::from_utf8_lossy(&self.output.stdout);
        output.lines().filter_map(|line| Some(line.split_once(what)?.1.to_owned())).collect()
    }

    fn left(&self) -> Left {
        runtime().block_on(async {
            let file = self.folder.path().join("host.db");
            let state = SqliteState::open(&file, Options::default()).expect("the file opens");
            Left::of(&state).await
        })
    }
}

fn as_child() -> Option<(PathBuf, u64)> {
    let (file, room) = (std::env::var_os(FILE)?, std::env::var(ROOM).ok()?);
    Some((file.into(), room.parse().expect("a number of bytes")))
}

fn child(file: &Path, room: u64) {
    runtime().block_on(async {
        let state = SqliteState::open(file, Options::default()).expect("the state opens");
        fill(&state).await;
        let log = PathBuf::from(format!("{}-wal", file.display()));
        limit(Resource::Core, Some(0));
        limit(Resource::Fsize, Some(fs::metadata(log).expect("the log").len() + room));
        let mut host = Host::new(&state);
        for step in STEPS {
            if let Err(refused) = host.step(step).await {
                assert!(matches!(refused, StateError::Store(StoreError::DiskFull)), "{step}: {refused:?}");
                println!("{REFUSED}{step}");
                limit(Resource::Fsize, None);
                host.step(step).await.expect("there is room now");
            }
            println!("{DONE}{step}");
        }
    });
    // As it is: a process that closes its file in order would not show what the log holds.
    std::process::exit(0);
}

/// `None` takes the limit back.
fn limit(resource: Resource, bytes: Option<u64>) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(resource, Rlimit { current: bytes.or(maximum), maximum }).expect("the limit is set");
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}
