//! Rows that a host could miss.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use molecule_host::Event;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;
use serde_json::{Value, json};

fn is_poll(request: &Received) -> bool {
    request.method == "GET" && request.target.contains("/activity?")
}

/// Case C17: the platform has forgotten the row that the host stopped at, and none else. So more has come since than the
/// newest page holds, and the stretch that is read again is full of what was handled long ago.
#[tokio::test]
async fn c17_after_a_lost_cursor_nothing_is_missed_and_nothing_handled_twice() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let forgotten = Arc::new(Mutex::new(Vec::<String>::new()));
    let (gone, platform) = (forgotten.clone(), world.address());
    let front = Scripted::answering(move |request| {
        let cursor = request.target.split(['?', '&']).find_map(|it| it.strip_prefix("since_id="));
        match cursor.is_some_and(|cursor| gone.lock().unwrap().iter().any(|id| id == cursor)) {
            true => Reply::json(410, r#"{"error":"cursor not found"}"#),
            false => Reply::PassOn(platform),
        }
    })
    .await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
    let mut said: Vec<String> = ["1", "2", "1"].map(String::from).into();
    for text in &said {
        world.say(&alice, text).await;
    }
    world.answered(&alice, said.len()).await;
    agent.stop().await;

    let rows = world.log(&alice).await;
    *forgotten.lock().unwrap() = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let more: Vec<String> = (0..150).map(|number| (number % 100).to_string()).collect();
    for text in &more {
        world.say(&alice, text).await;
    }
    said.extend(more);
    let asked = front.received().len();
    let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
    assert_eq!(world.answered(&alice, said.len()).await, said);
    agent.stop().await;
    assert_eq!(world.answers(&alice).await, said);
    let polls: Vec<String> =
        front.received()[asked..].iter().filter(|it| is_poll(it)).map(|it| it.target.clone()).collect();
    assert!(polls[0].contains("since_id=") && polls[1].contains("since_secs="), "{polls:?}");
}

/// Of a stretch of several pages the newest comes first. A 410 to an older one must not let the cursor pass over it.
#[tokio::test]
async fn a_410_in_the_middle_of_a_stretch_of_the_log_loses_no_page() {
    const MESSAGES: usize = 510;
    let world = World::new().await;
    let alice = world.create("alice").await;
    for number in 0..MESSAGES {
        world.say(&alice, &number.to_string()).await;
    }
    let (platform, asked) = (world.address(), AtomicUsize::new(0));
    let front = Scripted::answering(move |request| match request.target.contains("before_ts=") {
        true if asked.fetch_add(1, Ordering::SeqCst) == 0 => Reply::empty(410),
        _ => Reply::PassOn(platform),
    })
    .await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
    let taken = |event: &Event| matches!(event, Event::MessageIn { .. }).then_some(());
    agent.nth(MESSAGES, "a message", taken).await;
    agent.complains("410 to a request without a cursor").await;
    agent.running.stop(Duration::ZERO).await;
}

/// A page of nothing but the longest messages is longer than the host reads at once: it asks for fewer.
#[tokio::test]
async fn messages_that_are_too_long_for_one_page_come_in_smaller_ones() {
    const LONG: usize = 1000 * 1000;
    let world = World::new().await;
    let alice = world.create("alice").await;
    for number in 0..20 {
        world.say(&alice, &format!("{number} {}", "x".repeat(LONG))).await;
    }
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::COUNTER, spec(world.url(), &alice)).await;
    // By its events: the log of the workspace is 20 MB, too much to be looked through again and again.
    agent.nth(20, "an answer", |event| matches!(event, Event::Delivered { .. }).then_some(())).await;
    agent.stop().await;
    assert_eq!(world.answers(&alice).await.len(), 20);
}

/// Rows become visible slightly out of order: this one after a younger one was read.
#[tokio::test]
async fn a_row_that_shows_up_behind_the_cursor_is_found() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let row = |id: &str, at: &str| {
        json!({
            "id": id, "workspace_id": alice.id, "activity_type": "a2a_receive", "source_id": null,
            "method": "message/send", "status": "ok", "created_at": at,
            "request_body": { "params": { "message": {
                "role": "user", "messageId": id, "parts": [{ "kind": "text", "text": id }],
            }}},
        })
    };
    let (late, young) = (row("late", "2026-04-27T11:36:15.1Z"), row("young", "2026-04-27T11:36:15.2Z"));
    let platform = world.address();
    let looks = AtomicUsize::new(0);
    let front = Scripted::answering(move |request| {
        if !is_poll(request) {
            return Reply::PassOn(platform);
        }
        let rows: Vec<&Value> = match looks.fetch_add(1, Ordering::SeqCst) {
            0 => vec![&young],
            _ if request.target.contains("since_id=") => vec![],
            _ => vec![&young, &late],
        };
        Reply::json(200, &json!(rows).to_string())
    })
    .await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
    assert_eq!(world.answered(&alice, 2).await, ["young", "late"]);
    agent.stop().await;
}

/// Case C16.
#[tokio::test]
async fn c16_more_than_a_page_is_fetched_at_once_and_in_order() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    world.say(&alice, "first").await;
    world.answered(&alice, 1).await;
    agent.stop().await;

    let texts: Vec<String> = (0..230).map(|number| number.to_string()).collect();
    for text in &texts {
        world.say(&alice, text).await;
    }
    let front = {
        let platform = world.address();
        Scripted::answering(move |_| Reply::PassOn(platform)).await
    };
    let mut spec = spec(&front.url(), &alice);
    // Whatever comes does so with the first look.
    spec.intervals.poll = std::time::Duration::from_secs(3600);
    spec.intervals.poll_eager = spec.intervals.poll;
    let agent = Embedded::start(&host, guests::ECHO, spec).await;
    let answers = world.answered(&alice, 231).await;
    assert_eq!(answers[1..], texts);
    drop(agent);
    let pages = front.received().iter().filter(|it| is_poll(it) && it.target.contains("since_id=")).count();
    assert_eq!(pages, 3, "of 100, 100 and 31: the echo of the first is in it");
}

/// Cases C19 and C23.
#[tokio::test]
async fn c19_c23_rows_that_are_no_messages_are_passed_over_and_odd_ones_are_read() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let rows = json!([
        { "id": "1", "activity_type": "a2a_receive", "method": "notify", "source_id": null,
          "response_body": { "result": "an echo" } },
        { "id": "2", "activity_type": "a2a_receive", "method": "message/send", "source_id": alice.id,
          "request_body": { "params": { "message": { "role": "user", "parts": [{ "kind": "text", "text": "own" }] } } } },
        { "id": "3", "activity_type": "a2a_receive", "method": "message/send", "source_id": null },
        { "id": "4", "type": "a2a_receive", "data": { "text": "odd", "source": "canvas_user" } },
        { "id": "5", "activity_type": "a2a_receive", "method": "message/send", "source_id": null,
          "request_body": { "params": { "message": { "role": "user", "messageId": "5",
              "parts": [{ "type": "text", "text": "real" }] } } } },
    ]);
    let platform = world.address();
    let front = Scripted::answering(move |request| match is_poll(request) {
        true if request.target.contains("since_id=5") => Reply::json(200, "[]"),
        true => Reply::json(200, &rows.to_string()),
        false => Reply::PassOn(platform),
    })
    .await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
    let mut answers = world.answered(&alice, 2).await;
    answers.sort();
    assert_eq!(answers, ["odd", "real"]);
    agent.stop().await;
    assert_eq!(world.answers(&alice).await.len(), 2);
}
