//! Clocks that are wrong, and clocks that jump.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use molecule_host::store::state::{Fence, NewSend, Page, Row, RowKind, State as _};
use molecule_host::store::{Options, SqliteState};
use molecule_platform::Clock;
use molecule_tests::canvas::Workspace;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::world::World;

/// Case C51: the platform's clock is not ours, and jumps by a day and back.
#[tokio::test]
async fn c51_the_platforms_clock_may_jump() {
    let ahead = Arc::new(AtomicI64::new(0));
    let seconds = ahead.clone();
    let clock = Clock::new(move || {
        let now = SystemTime::now() + Duration::from_secs(3 * 24 * 3600);
        let jumped = Duration::from_secs(seconds.load(Ordering::SeqCst).unsigned_abs());
        (now - jumped).try_into().unwrap()
    });
    let world = World::with_clock(clock).await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    let mut said = Vec::new();
    for days in [3, 0, 2, 6, 1] {
        ahead.store(days * 24 * 3600, Ordering::SeqCst);
        let text = format!("{days} days");
        world.say(&alice, &text).await;
        said.push(text);
        assert_eq!(world.answered(&alice, said.len()).await, said);
    }
    agent.stop().await;
    assert_eq!(world.answers(&alice).await, said);
}

const YEAR: i64 = 365 * 24 * 3600 * 1000;

/// A state as a host has left it whose clock was ahead or behind.
async fn left_behind(world: &World, of: &Workspace) -> (SqliteState, Fence) {
    let folder = world.path("state");
    std::fs::create_dir_all(&folder).unwrap();
    let state = SqliteState::open(&folder.join("host.db"), Options::default()).unwrap();
    let fence = state.lease(&of.id).await.unwrap();
    (state, fence)
}

fn now() -> i64 {
    i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// Our clock was a year ahead when an answer was begun, and has been set right since.
#[tokio::test]
async fn a_doubt_that_ends_next_year_by_a_wrong_clock_ends_today() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let (state, fence) = left_behind(&world, &alice).await;
    let send = NewSend {
        id: "s-1".into(),
        to: "user".into(),
        digest: Some("of a text that never arrived".into()),
        body: r#"{"text":"hello"}"#.into(),
    };
    let page =
        Page { rows: vec![Row { id: "r-1".into(), kind: message() }], at: now() + YEAR, ..Page::default() };
    state.accept(&fence, page).await.unwrap();
    let key = state.claim(&fence, 1).await.unwrap()[0].key;
    state.finish(&fence, key, Some(send)).await.unwrap();
    state.begin(&fence, "s-1", now() + YEAR).await.unwrap();
    drop(state);

    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    assert_eq!(world.answered(&alice, 1).await, ["hello"]);
    agent.stop().await;
    assert_eq!(world.answers(&alice).await.len(), 1);
}

fn message() -> RowKind {
    RowKind::Message(molecule_host::store::state::Incoming {
        sender: "user".into(),
        message_id: None,
        body: "{}".into(),
    })
}

/// By our clock the last look was next year, or last year, and the platform has dropped the row that it ended with.
#[tokio::test]
async fn a_lost_cursor_is_recovered_from_whatever_our_clock_has_said() {
    for jump in [YEAR, -YEAR] {
        let world = World::new().await;
        let alice = world.create("alice").await;
        let (state, fence) = left_behind(&world, &alice).await;
        let rows = vec![Row { id: "gone".into(), kind: RowKind::Skip }];
        let page = Page { rows, cursor: Some("gone".into()), at: now() + jump, ..Page::default() };
        state.accept(&fence, page).await.unwrap();
        drop(state);
        world.say(&alice, "hello").await;

        let platform = world.address();
        let front = Scripted::answering(move |_| Reply::PassOn(platform)).await;
        let host = host(&world.path("state")).await;
        let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
        assert_eq!(world.answered(&alice, 1).await, ["hello"]);
        agent.stop().await;
        assert!(front.received().iter().any(|request| request.target.contains("since_id=gone")));
        assert_eq!(world.answers(&alice).await.len(), 1);
    }
}
