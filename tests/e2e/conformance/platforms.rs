//! Platforms of every kind: one that polls, one that only pushes, one without cursors, one without tokens, one with a stream.

use std::time::Duration;

use molecule_host::{AgentSpec, Event, Intervals};
use molecule_tests::canvas::Workspace;
use molecule_tests::embedded::{Embedded, QUICK, host, spec};
use molecule_tests::guests;
use molecule_tests::others::{Kind, Other};
use molecule_tests::process::CommandLine;
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::world::World;
use serde_json::{Value, json};

const PEER: &str = "7c1e2b9a-1111-4222-8333-444455556666";
const TOKEN: &str = "the-token-of-this-test-0123456789";

fn notices(agent: &Embedded) -> Vec<String> {
    let trouble = |event: &Event| match event {
        Event::Trouble(line) => Some(line.clone()),
        _ => None,
    };
    agent.events().iter().filter_map(trouble).collect()
}

fn of(other: &Other) -> AgentSpec {
    spec(&other.url(), &other.workspace)
}

/// The same component, unchanged: here on a K-shaped platform, everywhere else in these tests on profile N.
#[tokio::test]
async fn c23_the_same_agent_answers_a_user_and_a_peer_on_a_platform_shaped_after_the_python_sdk() {
    let platform = Other::start(Kind::K, Some(TOKEN)).await;
    platform.say(Kind::K, None, "hello from the user");
    let folder = tempfile::tempdir().unwrap();
    let agent = Embedded::start(&host(folder.path()).await, guests::ECHO, of(&platform)).await;
    assert_eq!(platform.notified(1).await, ["hello from the user"]);
    platform.say(Kind::K, Some(PEER), "hello from a peer");
    let (peer, message) = platform.told_to_peers(1).await.remove(0);
    assert_eq!((peer.as_str(), &message["role"]), (PEER, &json!("agent")));
    assert_eq!(message["parts"][0]["text"], "hello from a peer");
    platform.say(Kind::K, None, "again");
    assert_eq!(platform.notified(2).await[1], "again");
    agent.stop().await;
    assert_eq!(platform.notified(2).await.len(), 2, "nothing is answered twice");
}

/// Of an older platform without a URL: the program says so, and goes on to beat.
#[tokio::test]
async fn c04_without_a_url_it_is_said_loudly_that_nobody_gets_through_and_the_agent_stays_online() {
    let platform = Other::start(Kind::S, Some(TOKEN)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut program =
        CommandLine::host_at(&platform.url(), &platform.workspace, guests::ECHO, folder.path()).spawn();
    program.says("cannot deliver messages to an agent without a public URL").await;
    platform.beats(3).await;
    assert!(program.runs());
    assert!(
        platform.registrations().iter().all(|body| body["delivery_mode"] == "poll" && body["url"].is_null())
    );
}

#[tokio::test]
async fn c04_with_a_url_the_second_attempt_is_a_push_registration_and_messages_are_read_from_the_log() {
    let platform = Other::start(Kind::S, Some(TOKEN)).await;
    platform.say(Kind::S, None, "before anybody was there");
    let folder = tempfile::tempdir().unwrap();
    let mut spec = of(&platform);
    spec.public_url = Some("https://agent.example/7f3c".parse().unwrap());
    let agent = Embedded::start(&host(folder.path()).await, guests::ECHO, spec).await;
    let tried: Vec<(Value, Value)> = platform
        .registrations()
        .into_iter()
        .map(|it| (it["delivery_mode"].clone(), it["url"].clone()))
        .collect();
    assert_eq!(tried, [(json!("poll"), Value::Null), (json!("push"), json!("https://agent.example/7f3c"))]);
    agent
        .event("what a push registration means", |event| match event {
            Event::Trouble(line) if line.contains("does not listen yet") => Some(()),
            _ => None,
        })
        .await;
    // The first look has passed over what was there before.
    agent.event("it works", |event| matches!(event, Event::Heartbeat).then_some(())).await;
    let looked = |it: &molecule_tests::scripted::Received| it.target.contains("/activity");
    while platform.received().iter().filter(|it| looked(it)).count() < 2 {
        platform.beats(1).await;
    }
    for text in ["one", "two", "two"] {
        platform.say(Kind::S, None, text);
    }
    assert_eq!(platform.notified(3).await, ["one", "two", "two"]);
    platform.beats(3).await;
    agent.stop().await;
    assert_eq!(
        platform.notified(3).await.len(),
        3,
        "the log is read again and again, and nothing answered twice"
    );
}

#[tokio::test]
async fn what_an_older_platform_had_before_the_first_start_is_taken_where_it_is_asked_for() {
    let platform = Other::start(Kind::S, Some(TOKEN)).await;
    let folder = tempfile::tempdir().unwrap();
    for text in 0..150 {
        platform.say(Kind::S, None, &text.to_string());
    }
    let mut spec = of(&platform);
    spec.public_url = Some("https://agent.example/7f3c".parse().unwrap());
    spec.look_back = Some(Duration::from_secs(100 * 365 * 24 * 3600));
    let agent = Embedded::start(&host(folder.path()).await, guests::ECHO, spec).await;
    // A page of it: how much there was before, an older platform does not say.
    assert_eq!(platform.notified(100).await[0], "50");
    agent.stop().await;
}

#[tokio::test]
async fn a_platform_without_tokens_is_worked_with_and_said_to_be_one() {
    let platform = Other::start(Kind::K, None).await;
    let folder = tempfile::tempdir().unwrap();
    let mut spec = of(&platform);
    spec.token = molecule_host::token::TokenInputs::default();
    let agent = Embedded::start(&host(folder.path()).await, guests::ECHO, spec).await;
    platform.say(Kind::K, None, "hello");
    assert_eq!(platform.notified(1).await, ["hello"]);
    let said: Vec<String> = notices(&agent).into_iter().filter(|it| it.contains("uses no tokens")).collect();
    agent.stop().await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(platform.received().iter().all(|it| it.header("authorization").is_none()));
}

/// Hardly ever looks.
const SELDOM: Intervals =
    Intervals { poll: Duration::from_secs(3600), poll_eager: Duration::from_secs(3600), ..QUICK };

async fn seldom(world: &World, alice: &Workspace) -> Embedded {
    let mut spec = spec(world.url(), alice);
    spec.intervals = SELDOM;
    Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec).await
}

#[tokio::test]
async fn an_event_of_the_platform_brings_a_message_that_no_poll_would() {
    let mut world = World::new().await;
    let alice = world.create("alice").await;
    let agent = seldom(&world, &alice).await;
    for (count, text) in ["one", "two", "three"].into_iter().enumerate() {
        world.say(&alice, text).await;
        assert_eq!(world.answered(&alice, count + 1).await[count], text);
    }
    // The stream breaks off with the platform, and is opened again.
    world.stop_platform().await;
    world.start_platform().await;
    world.say(&alice, "four").await;
    assert_eq!(world.answered(&alice, 4).await[3], "four");
    agent.stop().await;
}

#[tokio::test]
async fn a_platform_without_a_stream_is_polled_and_nothing_is_said() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let platform = world.address();
    let between = Scripted::answering(move |request| match request.target.ends_with("/events/stream") {
        true => Reply::typed(404, "text/plain", "404 page not found"),
        false => Reply::PassOn(platform),
    })
    .await;
    let agent =
        Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec(&between.url(), &alice)).await;
    world.say(&alice, "hello").await;
    assert_eq!(world.answered(&alice, 1).await, ["hello"]);
    assert_eq!(notices(&agent), Vec::<String>::new());
    agent.stop().await;
    let asked = between.received().iter().filter(|it| it.target.ends_with("/events/stream")).count();
    assert_eq!(asked, 1, "a route that is not there is not asked for again");
}
