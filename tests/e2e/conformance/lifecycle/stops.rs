//! How a host ends.

use std::time::Duration;

use molecule_host::{Ended, Event, OnEnd};
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::process::CommandLine;
use molecule_tests::world::World;

use super::{listener, registrations};

/// Case C52.
#[tokio::test]
async fn c52_a_message_in_hand_is_answered_before_the_host_ends() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = CommandLine::host(&world, &alice, guests::SLOW, &world.path("state")).spawn();
    world.say(&alice, "5000 soon").await;
    world.record(&alice, "busy", |record| record["active_tasks"] == 1).await;
    host.terminate();
    let ended = host.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(world.answers(&alice).await, ["5000 soon"]);
}

#[tokio::test]
async fn a_message_that_takes_longer_than_the_grace_is_left_to_the_next_host() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let command = |component| CommandLine::host(&world, &alice, component, &world.path("state"));
    let host = command(guests::SLOW).with(["--shutdown-grace", "0.1"]).spawn();
    world.say(&alice, "600000 late").await;
    world.record(&alice, "busy", |record| record["active_tasks"] == 1).await;
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
    assert_eq!(world.answers(&alice).await, Vec::<String>::new());

    let host = command(guests::ECHO).spawn();
    assert_eq!(world.answered(&alice, 1).await, ["600000 late"]);
    // The second Ctrl-C does not ask.
    world.say(&alice, "x").await;
    world.answered(&alice, 2).await;
    host.signal(rustix::process::Signal::INT);
    host.signal(rustix::process::Signal::INT);
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_a_host_that_waits_for_its_agent() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = CommandLine::host(&world, &alice, guests::SPIN, &world.path("state"));
    let host = host.with(["--shutdown-grace", "3600"]).spawn();
    world.say(&alice, "spin").await;
    world.record(&alice, "busy", |record| record["active_tasks"] == 1).await;
    host.terminate();
    host.says("stopping").await;
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn the_agent_is_told_why_it_stops() {
    let world = World::new().await;
    let host = host(&world.path("state")).await;
    for (case, reason) in [("stopped", "shutdown"), ("deleted", "removed")] {
        let workspace = world.create(case).await;
        let agent = Embedded::start(&host, guests::LIFECYCLE, spec(world.url(), &workspace)).await;
        agent.event("a start", |event| matches!(event, Event::Started).then_some(())).await;
        match case {
            "stopped" => assert_eq!(agent.running.stop(Duration::from_secs(20)).await, Ended::Shutdown),
            _ => {
                world.delete(&workspace).await;
                assert_eq!(agent.ended().await, Ended::Removed);
            }
        }
        agent.logs(&format!("on-stop {reason}")).await;
    }
}

#[tokio::test]
async fn a_deleted_workspace_is_never_registered_again() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let front = listener(&world).await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::ECHO, spec(&front.url(), &alice)).await;
    world.delete(&alice).await;
    assert_eq!(agent.ended().await, Ended::Removed);
    assert_eq!(registrations(&front.received()), 1);

    // Nor by the next start.
    let ended = CommandLine::host_at(&front.url(), &alice, guests::ECHO, &world.path("state")).run().await;
    assert_eq!(ended.code, Some(11), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("molecule-host: workspace ") && last.contains("was deleted on the platform; "),
        "{last}"
    );
    assert_eq!(registrations(&front.received()), 1);
}

#[tokio::test]
async fn a_pause_stops_the_agent_and_a_resumption_lets_it_go_on() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::LIFECYCLE, spec(world.url(), &alice)).await;
    for round in 1..=2 {
        world.pause(&alice).await;
        agent.nth(round, "a pause", |event| matches!(event, Event::Paused).then_some(())).await;
        world.resume(&alice).await;
        agent.nth(round, "a resumption", |event| matches!(event, Event::Resumed).then_some(())).await;
    }
    world.say(&alice, "callbacks").await;
    let callbacks = "on-start on-pause on-resume on-pause on-resume on-message";
    assert_eq!(world.answered(&alice, 1).await, [callbacks]);
    agent.stop().await;
}

/// What is in hand when the pause comes is not thrown away.
#[tokio::test]
async fn a_message_in_hand_is_answered_in_spite_of_a_pause_and_no_other_is_begun() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.concurrency = Some(1);
    let agent = Embedded::start(&host, guests::SLOW, spec).await;
    world.say(&alice, "5000 in hand").await;
    world.say(&alice, "0 waits").await;
    agent.nth(2, "both", |event| matches!(event, Event::MessageIn { .. }).then_some(())).await;
    world.pause(&alice).await;
    agent.event("a pause", |event| matches!(event, Event::Paused).then_some(())).await;
    assert_eq!(world.answered(&alice, 1).await, ["5000 in hand"]);
    let handled = |event: &Event| matches!(event, Event::Handled { .. });
    assert_eq!(agent.count(handled), 1);
    world.resume(&alice).await;
    assert_eq!(world.answered(&alice, 2).await, ["5000 in hand", "0 waits"]);
    agent.stop().await;
}

#[tokio::test]
async fn a_host_that_was_told_to_exits_when_its_workspace_is_paused() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let command =
        CommandLine::host(&world, &alice, guests::ECHO, &world.path("state")).with(["--on-pause", "exit"]);
    let host = command.spawn();
    host.says("INFO started").await;
    world.pause(&alice).await;
    let ended = host.ended().await;
    assert_eq!(ended.code, Some(10), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, "molecule-host: the workspace is paused; resume it on the platform and start again");
    // It finds it so at its next start, too.
    assert_eq!(command.run().await.code, Some(10));

    let host = host_of(&world).await;
    let mut spec = spec(world.url(), &alice);
    spec.on_pause = OnEnd::Exit;
    let agent = Embedded::start(&host, guests::ECHO, spec).await;
    assert_eq!(agent.ended().await, Ended::Paused);
}

async fn host_of(world: &World) -> molecule_host::Host {
    host(&world.path("state")).await
}
