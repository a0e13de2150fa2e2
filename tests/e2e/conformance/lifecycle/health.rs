//! Signs of life, whatever the agent does.

use std::time::Duration;

use molecule_host::Event;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::world::World;

use super::{heartbeat, listener};

/// Case C07: it computes without end, it sleeps in a way that holds up its whole instance, or it waits.
#[tokio::test]
async fn c07_heartbeats_go_on_whatever_a_handler_does() {
    let world = World::new().await;
    for (component, text) in
        [(guests::SPIN, "spin"), (guests::SLEEPER, "600000 zzz"), (guests::SLOW, "600000 zzz")]
    {
        let workspace = world.create("busy").await;
        let host = host(&world.path(&workspace.id)).await;
        let agent = Embedded::start(&host, component, spec(world.url(), &workspace)).await;
        world.say(&workspace, text).await;
        // The platform hears that there is one in hand, ...
        world.record(&workspace, "busy", |record| record["active_tasks"] == 1).await;
        let beats = agent.count(|event| heartbeat(event).is_some());
        // ... and goes on hearing.
        agent.nth(beats + 5, "a heartbeat", heartbeat).await;
        let ended = |event: &Event| matches!(event, Event::Handled { .. } | Event::Died { .. });
        assert_eq!(agent.count(ended), 0, "{text} of {component} is still in hand");
        world.status(&workspace, "online").await;
        agent.running.stop(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn heartbeats_say_what_the_agent_does() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let front = listener(&world).await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::EFFECTS, spec(&front.url(), &alice)).await;
    let cases = [("workspace.set-task counting sheep", "counting sheep"), ("workspace.set-task", "")];
    for (round, (said, task)) in cases.into_iter().enumerate() {
        world.say(&alice, said).await;
        agent.nth(round + 1, "the end", |event| matches!(event, Event::Handled { .. }).then_some(())).await;
        // The one under way may have been made before.
        let beats = agent.count(|event| heartbeat(event).is_some());
        agent.nth(beats + 2, "a heartbeat", heartbeat).await;
        let received = front.received();
        let beat = received.iter().rfind(|request| request.target == "/registry/heartbeat").unwrap();
        let beat: serde_json::Value = serde_json::from_slice(&beat.body).unwrap();
        assert_eq!((&beat["current_task"], &beat["active_tasks"]), (&task.into(), &0.into()));
        assert_eq!(beat["runtime_state"], "", "any other word would keep a degraded workspace so");
    }
    agent.stop().await;
}

/// Five deaths in five minutes.
#[tokio::test]
async fn an_agent_that_dies_again_and_again_is_reported_as_wedged_until_it_works_again() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let front = listener(&world).await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(&front.url(), &alice);
    spec.restarts.first = Duration::from_millis(1);
    spec.restarts.healthy_after = Duration::from_secs(1);
    // Only events make it beat.
    spec.intervals.heartbeat = Duration::from_secs(80);
    let agent = Embedded::start(&host, guests::PANICS, spec).await;
    for _ in 0..2 {
        world.say(&alice, "panic").await;
    }
    agent.event("wedged", |event| matches!(event, Event::Wedged { .. }).then_some(())).await;
    world.status(&alice, "degraded").await;
    assert_eq!(world.answered(&alice, 2).await.len(), 2, "both are given up");
    world.say(&alice, "are you well?").await;
    assert_eq!(world.answered(&alice, 3).await[2], "are you well?");
    agent.event("recovered", |event| matches!(event, Event::Recovered).then_some(())).await;
    // Degraded it stays until more messages have gone well than badly, but no longer because it is wedged.
    agent.nth(3, "a heartbeat", heartbeat).await;
    let received = front.received();
    let beats = received.iter().filter(|request| request.target == "/registry/heartbeat");
    let states: Vec<_> = beats
        .map(|beat| serde_json::from_slice::<serde_json::Value>(&beat.body).unwrap()["runtime_state"].clone())
        .collect();
    assert_eq!(states, ["", "wedged", ""]);
    agent.stop().await;
}

#[tokio::test]
async fn a_platform_that_restarts_finds_its_agents_and_their_messages_again() {
    let mut world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(world.url(), &alice)).await;
    world.say(&alice, "before").await;
    world.answered(&alice, 1).await;
    world.stop_platform().await;
    agent.complains("no heartbeat").await;
    world.start_platform().await;
    world.say(&alice, "after").await;
    assert_eq!(world.answered(&alice, 2).await, ["before", "after"]);
    world.status(&alice, "online").await;
    agent.stop().await;
}
