//! When secrets are pulled, and what is said when they cannot be.

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
