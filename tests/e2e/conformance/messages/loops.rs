//! Answers are not answered.

use std::time::Duration;

use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::world::World;
use serde_json::json;

/// Each of them answers whatever it hears: without the guard they would never stop.
#[tokio::test]
async fn two_agents_do_not_answer_each_others_answers() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let host = host(&world.path("state")).await;
    let a = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    let b = Embedded::start(&host, guests::ECHO, spec(world.url(), &bob)).await;
    let question = json!({ "role": "user", "messageId": "q", "parts": [{ "kind": "text", "text": "ping" }] });
    world.send(Some(&alice), &bob, &question).await;
    // Alice has handled Bob's answer ...
    a.event("Bob's answer", |event| match event {
        molecule_host::Event::Handled { answered, .. } => Some(*answered),
        _ => None,
    })
    .await;
    // ... and whatever she might say to it would have come before these.
    for (workspace, agent) in [(&alice, a), (&bob, b)] {
        world.say(workspace, "done").await;
        assert_eq!(world.answered(workspace, 1).await, ["done"]);
        agent.stop().await;
    }
    assert_eq!(world.peer_messages(&bob).await.len(), 1, "the question");
    let answers = world.peer_messages(&alice).await;
    assert_eq!(answers.len(), 1, "its answer: {answers:?}");
    assert_eq!((&answers[0]["role"], &answers[0]["metadata"]["in_reply_to"]), (&"agent".into(), &"q".into()));
}

/// What marks a reply: the role or the metadata, each alone. Others do not send both.
#[tokio::test]
async fn whatever_is_marked_as_an_answer_is_handled_and_not_answered() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::LIFECYCLE, spec(world.url(), &alice)).await;
    let part = json!([{ "kind": "text", "text": "x" }]);
    for message in [
        json!({ "role": "agent", "messageId": "1", "parts": part }),
        json!({ "role": "user", "messageId": "2", "parts": part, "metadata": { "in_reply_to": "earlier" } }),
        json!({ "role": "user", "messageId": "3", "parts": part }),
    ] {
        world.send(Some(&bob), &alice, &message).await;
    }
    for id in ["1", "2", "3"] {
        agent.logs(&format!("on-message Message {{ id: \"{id}\"")).await;
    }
    agent.stop().await;
    let answers = world.peer_messages(&bob).await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0]["metadata"]["in_reply_to"], "3");
}

#[tokio::test]
async fn an_answer_that_comes_after_the_call_gave_up_is_a_message_of_its_own() {
    let world = World::new().await;
    // Nobody runs Bob: the test speaks for him.
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.grants.peers.push("bob".parse().unwrap());
    spec.config.push(("call-timeout-ms".into(), "300".into()));
    let agent = Embedded::start(&host, guests::CALLER, spec).await;
    world.say(&alice, "ask bob how are you").await;
    assert_eq!(world.answered(&alice, 1).await, ["queued"]);

    let asked = world.peer_messages(&bob).await;
    let answer = json!({
        "role": "agent", "messageId": "late", "parts": [{ "kind": "text", "text": "fine" }],
        "metadata": { "in_reply_to": asked[0]["messageId"] },
    });
    world.send(Some(&bob), &alice, &answer).await;
    let line = tokio::time::timeout(Duration::from_secs(60), agent.logs("late answer: fine")).await;
    assert!(line.is_ok());
    agent.stop().await;
    assert_eq!(world.peer_messages(&bob).await.len(), 1, "an answer to the answer would be the second");
    assert_eq!(world.answers(&alice).await, ["queued"]);
}
