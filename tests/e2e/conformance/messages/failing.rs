//! Messages that are not handled well.

use std::time::Duration;

use molecule_host::Event;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::world::World;

fn deaths(event: &Event) -> bool {
    matches!(event, Event::Died { .. })
}

/// Case C24.
#[tokio::test]
async fn c24_a_message_that_kills_its_handler_three_times_is_given_up_with_one_honest_line() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::PANICS, spec(world.url(), &alice)).await;
    let killer = world.say(&alice, "panic").await;
    world.say(&alice, "still there?").await;
    let answers = world.answered(&alice, 2).await;
    // Its words, and where it says them.
    let reason = "panicked: asked to panic by a message (zoo/examples/panics.rs:23:13)";
    let line = format!("Your message could not be handled and was set aside: {reason}.");
    assert_eq!(answers, [line.as_str(), "still there?"]);
    assert_eq!(agent.count(deaths), 3);
    let given_up = agent.event("a dead letter", |event| match event {
        Event::DeadLetter { id, reason, .. } => Some((id.clone(), reason.clone())),
        _ => None,
    });
    assert_eq!(given_up.await, (killer, reason.to_owned()));
    agent.stop().await;
    assert_eq!(world.answers(&alice).await.len(), 2);
}

#[tokio::test]
async fn a_message_of_an_agent_that_asked_for_it_is_given_up_after_the_first_death() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::FAILS, spec(world.url(), &alice)).await;
    world.say(&alice, "panic now").await;
    world.say(&alice, "completed well").await;
    let answers = world.answered(&alice, 2).await;
    assert!(answers[0].contains("was set aside: panicked: asked to panic"), "{answers:?}");
    assert_eq!((answers[1].as_str(), agent.count(deaths)), ("well", 1));
    agent.stop().await;
}

/// A death that is remembered: the host may stop and start between two of them.
#[tokio::test]
async fn deaths_are_counted_across_restarts_of_the_host() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    world.say(&alice, "panic").await;
    let mut died = 0;
    while world.answers(&alice).await.is_empty() {
        let host = host(&world.path("state")).await;
        let mut spec = spec(world.url(), &alice);
        // Time enough to be stopped between two deaths.
        spec.restarts.first = Duration::from_secs(3600);
        spec.restarts.max = Duration::from_secs(3600);
        let agent = Embedded::start(&host, guests::PANICS, spec).await;
        agent.event("a death", |event| deaths(event).then_some(())).await;
        died += 1;
        assert!(died <= 3, "{:?}", world.log(&alice).await);
        if died == 3 {
            world.answered(&alice, 1).await;
        }
        agent.stop().await;
    }
    assert_eq!(died, 3);
}

#[tokio::test]
async fn a_handler_that_takes_too_long_counts_as_one_that_died() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.callback_time = Duration::from_millis(300);
    let agent = Embedded::start(&host, guests::SPIN, spec).await;
    world.say(&alice, "spin").await;
    world.say(&alice, "hello").await;
    let mut answers = world.answered(&alice, 2).await;
    answers.sort();
    assert_eq!(answers[1], "hello");
    assert!(answers[0].starts_with("Your message could not be handled"), "{answers:?}");
    agent.stop().await;
}

#[tokio::test]
async fn a_failure_is_an_answer_and_not_a_death() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::FAILS, spec(world.url(), &alice)).await;
    let cases = [
        ("failed for a reason", Some("for a reason")),
        ("error no such thing", Some("That did not work: no such thing")),
        ("rejected not mine", Some("not mine")),
        ("canceled enough", Some("enough")),
        ("input-required which one?", Some("which one?")),
        ("nothing", None),
        ("empty", None),
        ("artifacts", Some("Here they are.\nRoses are red\n[1,2]")),
        ("completed at last", Some("at last")),
    ];
    for (text, _) in cases {
        world.say(&alice, text).await;
    }
    let expected: Vec<&str> = cases.iter().filter_map(|(_, answer)| *answer).collect();
    assert_eq!(world.answered(&alice, expected.len()).await, expected);
    assert_eq!(agent.count(deaths), 0);
    agent.stop().await;
}

#[tokio::test]
async fn an_answer_longer_than_granted_is_replaced_by_a_line_that_says_so() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.grants.limits.message_bytes = 200;
    let agent = Embedded::start(&host, guests::ECHO, spec).await;
    world.say(&alice, &"x".repeat(201)).await;
    world.say(&alice, &"y".repeat(200)).await;
    let answers = world.answered(&alice, 2).await;
    assert!(answers[0].starts_with("The agent's answer was not sent: "), "{answers:?}");
    assert!(answers[0].contains("--max-message-bytes"), "it names the grant: {answers:?}");
    assert_eq!(answers[1], "y".repeat(200));
    agent.stop().await;
}
