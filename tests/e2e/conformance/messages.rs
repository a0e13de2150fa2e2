//! What is promised about messages: accepted once, handled at least once, answered once.

mod doubt;
mod failing;
mod loops;
mod missed;

use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::world::World;

#[tokio::test]
async fn equal_texts_are_answered_as_often_as_they_were_sent_and_in_order() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let said = ["a", "a", "b", "a", "b", "c", "a", "a"];
    // All at once, before there is anybody to answer.
    for text in said {
        world.say(&alice, text).await;
    }
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    assert_eq!(world.answered(&alice, said.len()).await, said);
    agent.stop().await;
    assert_eq!(world.answers(&alice).await, said, "and nothing was left to say");
}

#[tokio::test]
async fn a_message_that_came_while_no_host_ran_is_answered_by_the_next_one() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    world.say(&alice, "before").await;
    world.answered(&alice, 1).await;
    agent.stop().await;

    world.say(&alice, "meanwhile").await;
    world.say(&alice, "before").await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    assert_eq!(world.answered(&alice, 3).await, ["before", "meanwhile", "before"]);
    agent.stop().await;
}

#[tokio::test]
async fn a_copy_of_a_message_is_not_answered_again_but_the_same_id_from_somebody_else_is_no_copy() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let message = |text: &str| serde_json::json!({ "role": "user", "messageId": "m-1", "parts": [{ "kind": "text", "text": text }] });
    world.send(None, &alice, &message("one")).await;
    world.send(None, &alice, &message("one")).await;
    world.send(Some(&bob), &alice, &message("two")).await;
    world.say(&alice, "three").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    assert_eq!(world.answered(&alice, 2).await, ["one", "three"]);
    agent.stop().await;
    assert_eq!(world.answers(&alice).await, ["one", "three"]);
    let to_bob = world.peer_messages(&bob).await;
    assert_eq!(to_bob.len(), 1, "{to_bob:?}");
    assert_eq!(
        (&to_bob[0]["parts"][0]["text"], &to_bob[0]["metadata"]["in_reply_to"]),
        (&"two".into(), &"m-1".into())
    );
}

/// A slow one must not hold up the others, and its answer must not be lost.
#[tokio::test]
async fn messages_of_an_agent_that_asks_for_it_are_handled_at_once() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    for text in ["30000 slow", "1 quick", "2 quick"] {
        world.say(&alice, text).await;
    }
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::SLOW, spec(world.url(), &alice)).await;
    let mut answers = world.answered(&alice, 2).await;
    answers.sort();
    assert_eq!(answers, ["1 quick", "2 quick"], "while the slow one still sleeps");
    drop(agent);
}
