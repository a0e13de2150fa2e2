//! When secrets are pulled, and what is said when they cannot be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;

use super::{heartbeat, listener};

fn pulls(received: &[Received]) -> usize {
    received.iter().filter(|request| request.target.ends_with("/secrets/values")).count()
}

/// Waits until secrets have been pulled so often.
async fn pulled(front: &Scripted, times: usize) {
    let pulled = async {
        let mut seen = 0;
        while pulls(&front.received()) < times {
            seen = front.has_received(seen + 1).await.len();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), pulled).await.expect("secrets are pulled");
}

#[tokio::test]
async fn secrets_are_pulled_before_the_agent_starts_and_whenever_one_says_so() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let front = listener(&world).await;
    let mut spec = spec(&front.url(), &alice);
    spec.grants.secrets.push("KEY@api.example.com".parse().unwrap());
    let agent = Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec).await;
    agent.event("the start", |event| matches!(event, molecule_host::Event::Started).then_some(())).await;
    assert_eq!(pulls(&front.received()), 1);
    agent.running.pull_secrets();
    pulled(&front, 2).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_may_use_no_secret_has_none_pulled() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let front = listener(&world).await;
    let agent =
        Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec(&front.url(), &alice)).await;
    agent.nth(3, "heartbeats", heartbeat).await;
    agent.stop().await;
    assert_eq!(pulls(&front.received()), 0);
}

#[tokio::test]
async fn secrets_that_cannot_be_read_are_said_once_and_the_agent_runs() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let platform = world.address();
    let front = Scripted::answering(move |received| match received.target.ends_with("/secrets/values") {
        true => Reply::json(400, r#"{"error":"no secrets today"}"#),
        false => Reply::PassOn(platform),
    })
    .await;
    let mut spec = spec(&front.url(), &alice);
    spec.grants.secrets.push("KEY@api.example.com".parse().unwrap());
    spec.secrets.push("OWN=file:/no/such/file".parse().unwrap());
    let agent = Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec).await;
    agent.complains("the secret OWN cannot be read from file:/no/such/file").await;
    agent.complains("no secrets today").await;
    agent.running.pull_secrets();
    pulled(&front, 2).await;
    world.say(&alice, "still there?").await;
    agent
        .event("an answer", |event| matches!(event, molecule_host::Event::Handled { .. }).then_some(()))
        .await;
    let complaints =
        agent.count(|event| matches!(event, molecule_host::Event::Trouble(it) if it.contains("secret")));
    assert_eq!(complaints, 2, "{:#?}", agent.events());
    agent.stop().await;
}

#[tokio::test]
async fn a_new_trouble_is_said_while_an_old_one_lasts() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let platform = world.address();
    let fails = Arc::new(AtomicBool::new(false));
    let failing = fails.clone();
    let front = Scripted::answering(move |received| {
        match received.target.ends_with("/secrets/values") && failing.load(Ordering::Relaxed) {
            true => Reply::json(400, r#"{"error":"no secrets today"}"#),
            false => Reply::PassOn(platform),
        }
    })
    .await;
    let mut spec = spec(&front.url(), &alice);
    spec.grants.secrets.push("KEY@api.example.com".parse().unwrap());
    spec.secrets.push("OWN=file:/no/such/file".parse().unwrap());
    let agent = Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec).await;
    agent.complains("the secret OWN cannot be read").await;
    fails.store(true, Ordering::Relaxed);
    agent.running.pull_secrets();
    agent.complains("no secrets today").await;
    let complaints =
        agent.count(|event| matches!(event, molecule_host::Event::Trouble(it) if it.contains("secret OWN")));
    assert_eq!(complaints, 1, "{:#?}", agent.events());
    agent.stop().await;
}

/// Nobody is told when a secret changes.
#[tokio::test]
async fn secrets_are_pulled_again_and_again_and_their_new_values_used() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let platform = world.address();
    let times = AtomicUsize::new(0);
    let front = Scripted::answering(move |received| match received.target.ends_with("/secrets/values") {
        true if times.fetch_add(1, Ordering::Relaxed) < 2 => Reply::json(200, r#"{"KEY":"the old value"}"#),
        true => Reply::json(200, r#"{"KEY":"the new value"}"#),
        false => Reply::PassOn(platform),
    })
    .await;
    let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
    let mut spec = spec(&front.url(), &alice);
    spec.intervals.secrets = Duration::from_millis(50);
    let port = server.address().port();
    spec.grants.net.push(server.url().parse().unwrap());
    spec.grants.secrets.push(format!("KEY@localhost:{port}").parse().unwrap());
    let agent = Embedded::start(&host(&world.path("state")).await, guests::FETCHES, spec).await;
    // The third has been taken over when the fourth begins.
    pulled(&front, 4).await;
    world.say(&alice, &format!("GET {}/ authorization:{{{{secret:KEY}}}}", server.url())).await;
    assert_eq!(world.answered(&alice, 1).await, ["200 {}"]);
    assert_eq!(server.received()[0].header("authorization"), Some("the new value"));
    agent.stop().await;
}

/// Take the redaction out of what is said and this one fails.
#[tokio::test]
async fn what_is_said_has_no_secret_that_was_used() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let platform = world.address();
    let times = AtomicUsize::new(0);
    let front = Scripted::answering(move |received| match received.target.ends_with("/secrets/values") {
        true if times.fetch_add(1, Ordering::Relaxed) == 0 => Reply::json(200, r#"{"KEY":"hunter22"}"#),
        true => Reply::json(400, r#"{"error":"what about hunter22 now?"}"#),
        false => Reply::PassOn(platform),
    })
    .await;
    let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
    let mut spec = spec(&front.url(), &alice);
    spec.grants.net.push(server.url().parse().unwrap());
    spec.grants.secrets.push(format!("KEY@localhost:{}", server.address().port()).parse().unwrap());
    let agent = Embedded::start(&host(&world.path("state")).await, guests::FETCHES, spec).await;
    world.say(&alice, &format!("GET {}/ authorization:{{{{secret:KEY}}}}", server.url())).await;
    assert_eq!(world.answered(&alice, 1).await, ["200 {}"]);
    agent.running.pull_secrets();
    let said = agent.complains("what about").await;
    assert!(said.contains("what about [secret KEY] now?"), "{said}");
    agent.stop().await;
}
