//! Messages a second through accept, claim and finish, each durable, from many workspaces of one database at
//! once.
//!
//! `cargo bench -p molecule-store`; `TMPDIR` says which disk. A message costs two commits: its page, then its
//! finish together with the claim of the next one, which the caller asks for at the same time. The target on
//! 2 cores is 8,000 a second from 16 workspaces (measured when the design was made: 9,000 to 11,000; 14,000
//! to 16,000 from 64).

#![allow(clippy::expect_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use molecule_store::state::{Incoming, NewSend, Page, Retention, Row, RowKind, State};
use molecule_store::{Options, SqliteState};

const RUN: Duration = Duration::from_secs(4);
const REMEMBERED: usize = 100_000;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    println!(
        "{:>10} {:>10} {:>9} {:>9} {:>9} {:>11}",
        "workspaces", "remembered", "msg/s", "p50 ms", "p99 ms", "msg/commit"
    );
    for remembered in [0, REMEMBERED] {
        for workspaces in [1, 16, 64] {
            let path = folder.path().join(format!("{workspaces}-{remembered}.db"));
            let state = SqliteState::open(&path, Options::default()).expect("the state opens");
            runtime.block_on(measure(state, workspaces, remembered));
        }
    }
}

async fn measure(state: SqliteState, workspaces: usize, remembered: usize) {
    for workspace in 0..workspaces {
        remember(&state, workspace, remembered / workspaces).await;
    }
    let (commits, start) = (state.database().commits(), Instant::now());
    let lives: Vec<_> =
        (0..workspaces).map(|workspace| tokio::spawn(live(state.clone(), workspace, start + RUN))).collect();
    let mut latencies = Vec::new();
    for life in lives {
        latencies.extend(life.await.expect("a workspace"));
    }
    let elapsed = start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let messages = latencies.len();
    let quantile = |q: f64| latencies[(messages as f64 * q) as usize].as_secs_f64() * 1e3;
    println!(
        "{workspaces:>10} {remembered:>10} {:>9.0} {:>9.2} {:>9.2} {:>11.1}",
        messages as f64 / elapsed,
        quantile(0.5),
        quantile(0.99),
        messages as f64 / (state.database().commits() - commits) as f64,
    );
    if remembered > 0 {
        let fence = state.lease("workspace 0").await.expect("a lease");
        let retention = Retention { keep_newest: u64::MAX, ..Retention::default() };
        let start = Instant::now();
        state.retain(&fence, retention, i64::MAX).await.expect("a look at what may go");
        println!(
            "{:>10} walking what one of them remembers took {:.1} ms",
            "",
            start.elapsed().as_secs_f64() * 1e3
        );
    }
}

/// Takes messages in and ends them until the time is up; the time of each from its page to its end.
async fn live(state: SqliteState, workspace: usize, end: Instant) -> Vec<Duration> {
    let fence = state.lease(&format!("workspace {workspace}")).await.expect("a lease");
    let mut latencies = Vec::new();
    let mut in_hand = None;
    for number in 0.. {
        let taken = Instant::now();
        if taken > end {
            break;
        }
        state.accept(&fence, page(&format!("{workspace} {number}"), 1)).await.expect("accept");
        let finish = async {
            let Some((key, since)) = in_hand.take() else { return };
            let answer = NewSend {
                id: format!("answer {workspace} {key}"),
                to: "user".into(),
                digest: Some(format!("{key:064}")),
                body: "an answer of a hundred bytes or so ".repeat(3),
            };
            state.finish(&fence, key, Some(answer)).await.expect("finish");
            latencies.push(Instant::elapsed(&since));
        };
        let (claimed, ()) = tokio::join!(state.claim(&fence, 1), finish);
        in_hand = claimed.expect("claim").first().map(|message| (message.key, taken));
    }
    latencies
}

/// Rows that were taken long ago.
async fn remember(state: &SqliteState, workspace: usize, count: usize) {
    let fence = state.lease(&format!("workspace {workspace}")).await.expect("a lease");
    for start in (0..count).step_by(500) {
        state.accept(&fence, page(&format!("old {workspace} {start}"), 500)).await.expect("accept");
        for message in state.claim(&fence, 500).await.expect("claim") {
            state.finish(&fence, message.key, None).await.expect("finish");
        }
    }
}

fn page(name: &str, rows: usize) -> Page {
    let row = |n| {
        let id = scattered(&format!("{name} {n}"));
        let message = Incoming {
            sender: format!("sender of {}", &id[..8]),
            message_id: Some(id.clone()),
            body: "a message of two hundred bytes or so ".repeat(6),
        };
        Row { id, kind: RowKind::Message(message) }
    };
    Page { rows: (0..rows).map(row).collect(), cursor: Some(name.to_owned()), at: 0, ..Page::default() }
}

/// Ids in no order, as the platform's are.
fn scattered(name: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, name).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}-{:016x}", hash(0), hash(1))
}
