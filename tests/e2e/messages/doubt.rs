//! Answers of which nobody knows at first whether they have arrived.
//!
//! They take as long as it takes until a request can no longer land, which is about 16 s.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use molecule_host::Event;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;

fn is_notify(request: &Received) -> bool {
    request.method == "POST" && request.target.ends_with("/notify")
}

/// A platform whose first answers to texts for the user are like this, and whose others are its own.
async fn front(world: &World, first: Vec<Reply>) -> (Scripted, Arc<AtomicUsize>) {
    let platform = world.address();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let front = Scripted::answering(move |request| match is_notify(request) {
        true => first.get(count.fetch_add(1, Ordering::SeqCst)).cloned().unwrap_or(Reply::PassOn(platform)),
        false => Reply::PassOn(platform),
    })
    .await;
    (front, asked)
}

/// Case C26. Whether it had arrived before the connection broke, or not: the user reads it once.
#[tokio::test]
async fn an_answer_in_doubt_is_found_out_about_before_it_is_sent_again() {
    let world = World::new().await;
    let landed = Reply::Lose(world.address(), Box::new(Reply::Hangup));
    let landed_badly = Reply::Lose(world.address(), Box::new(Reply::empty(502)));
    let mut runs = Vec::new();
    for (name, first, requests) in [
        ("arrived", vec![landed], 1),
        ("arrived and was reported as broken", vec![landed_badly], 1),
        ("did not arrive", vec![Reply::Hangup], 2),
        ("did not arrive twice", vec![Reply::Hangup, Reply::empty(500)], 3),
    ] {
        let workspace = world.create(name).await;
        let (front, asked) = front(&world, first).await;
        let host = host(&world.path(&name.replace(' ', "-"))).await;
        let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &workspace)).await;
        world.say(&workspace, "hello").await;
        runs.push((name, workspace, front, asked, agent, requests));
    }
    for (name, workspace, _front, asked, agent, requests) in runs {
        agent.event(name, |event| matches!(event, Event::Delivered { .. }).then_some(())).await;
        assert_eq!(world.answers(&workspace).await, ["hello"], "{name}");
        assert_eq!(asked.load(Ordering::SeqCst), requests, "{name}");
        agent.stop().await;
        assert_eq!(world.answers(&workspace).await, ["hello"], "{name}");
    }
}

/// The echo of the one must not count as that of the other.
#[tokio::test]
async fn of_two_equal_answers_the_one_that_got_lost_is_sent_again() {
    let world = World::new().await;
    let landed = || Reply::PassOn(world.address());
    let swallowed = || Reply::Lose(world.address(), Box::new(Reply::Hangup));
    let mut runs = Vec::new();
    for (name, first) in [
        ("the first got lost", vec![Reply::Hangup, landed()]),
        ("the second got lost", vec![landed(), Reply::Hangup]),
        ("the answer to the first got lost", vec![swallowed(), landed()]),
        ("the answer to the second got lost", vec![landed(), swallowed()]),
        ("one got lost, and of the other the answer", vec![Reply::Hangup, swallowed()]),
    ] {
        let workspace = world.create(name).await;
        let (front, _) = front(&world, first).await;
        let host = host(&world.path(&name.replace([' ', ','], "-"))).await;
        let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &workspace)).await;
        world.say(&workspace, "twice").await;
        world.say(&workspace, "twice").await;
        runs.push((name, workspace, front, agent));
    }
    for (name, workspace, _front, agent) in runs {
        agent.nth(2, name, |event| matches!(event, Event::Delivered { .. }).then_some(())).await;
        agent.stop().await;
        assert_eq!(world.answers(&workspace).await, ["twice", "twice"], "{name}");
    }
}

/// Case C27: nothing is in doubt where nobody took the connection, so nothing is waited for.
#[tokio::test]
async fn an_answer_that_certainly_did_not_go_out_goes_out_once_the_platform_is_back() {
    let mut world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::SLOW, spec(world.url(), &alice)).await;
    let id = world.say(&alice, "1000 hello").await;
    agent.event("the message", |event| matches!(event, Event::MessageIn { .. }).then_some(())).await;
    world.stop_platform().await;
    let handled =
        |event: &Event| matches!(event, Event::Handled { id: done, .. } if *done == id).then_some(());
    agent.event("the answer", handled).await;
    world.start_platform().await;
    assert_eq!(world.answered(&alice, 1).await, ["1000 hello"]);
    agent.stop().await;
    assert_eq!(world.answers(&alice).await.len(), 1);
}

/// What the agent itself says while it works is never said twice: it is told that nobody knows, and may ask.
#[tokio::test]
async fn a_text_of_the_agents_own_is_not_repeated_when_it_may_have_arrived() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let (front, asked) = front(&world, vec![Reply::Hangup]).await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::EFFECTS, spec(&front.url(), &alice)).await;
    world.say(&alice, "messages.notify hello").await;
    let answers = world.answered(&alice, 1).await;
    assert!(answers[0].starts_with("messages.notify: error "), "{answers:?}");
    agent
        .event("the end of the doubt", |event| match event {
            Event::Undeliverable { to, reason } if to == "user" && reason.contains("did not arrive") => {
                Some(())
            }
            _ => None,
        })
        .await;
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the text, and the answer");
    agent.stop().await;
    assert_eq!(world.answers(&alice).await.len(), 1);
}
