//! How a host starts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use molecule_host::lock::LockError;
use molecule_host::{Ended, Event, Host, StartError};
use molecule_tests::canvas::PATIENCE;
use molecule_tests::embedded::{Embedded, host, load, spec};
use molecule_tests::guests;
use molecule_tests::process::CommandLine;
use molecule_tests::scripted::{Reply, Reserved, Scripted};
use molecule_tests::world::World;

use super::{listener, registrations};

/// Case C55.
#[tokio::test]
async fn c55_the_first_heartbeat_follows_the_registration_at_once() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let front = listener(&world).await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(&front.url(), &alice);
    spec.intervals.heartbeat = Duration::from_secs(3600);
    let agent = load(&host, guests::ECHO).await;
    let running = host.start(&agent, spec).await.unwrap();
    let beats = async {
        let mut seen = 0;
        while !front.received().iter().any(|request| request.target == "/registry/heartbeat") {
            seen = front.has_received(seen + 1).await.len();
        }
    };
    tokio::time::timeout(PATIENCE, beats).await.expect("a heartbeat");
    assert_eq!(running.stop(Duration::ZERO).await, Ended::Shutdown);
    let asked: Vec<String> = front.received().into_iter().map(|request| request.target).collect();
    let at = |target: &str| asked.iter().position(|it| it == target).unwrap();
    assert!(at("/registry/register") < at("/registry/heartbeat"), "{asked:?}");
}

/// Cases C06 and C13.
#[tokio::test]
async fn c06_c13_a_paused_workspace_is_not_registered_before_it_is_resumed_and_then_once() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    world.pause(&alice).await;
    world.say(&alice, "wake up").await;
    let front = listener(&world).await;
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::LIFECYCLE, spec(&front.url(), &alice)).await;
    // It asks, and asks again.
    let looks = async {
        let looked = || front.received().iter().filter(|request| request.target.ends_with("/state")).count();
        let mut seen = 0;
        while looked() < 3 {
            seen = front.has_received(seen + 1).await.len();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looks).await.expect("it looks again");
    assert_eq!(registrations(&front.received()), 0);
    assert_eq!(world.answers(&alice).await, Vec::<String>::new());
    world.status(&alice, "paused").await;

    world.resume(&alice).await;
    // The agent has never been paused: it did not run.
    assert_eq!(world.answered(&alice, 1).await, ["on-start on-message"]);
    agent.stop().await;
    assert_eq!(registrations(&front.received()), 1);
}

#[tokio::test]
async fn an_agent_is_told_whether_it_starts_for_the_first_time() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    for reason in ["first start", "restart", "restart"] {
        let host = host(&world.path("state")).await;
        let agent = Embedded::start(&host, guests::LIFECYCLE, spec(world.url(), &alice)).await;
        agent.logs(&format!("on-start ({reason}) {} lifecycle", alice.id)).await;
        agent.stop().await;
    }
}

#[tokio::test]
async fn an_agent_that_refuses_to_start_ends_its_host_in_its_own_words() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = CommandLine::host(&world, &alice, guests::REFUSES, &world.path("state"));
    let ended = host.clone().with(["--config", "refusal=I need a key."]).run().await;
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let line =
        "molecule-host: the agent refused to start: I need a key; give it what it asks for, or correct it\n";
    assert!(ended.stderr.ends_with(line), "{}", ended.stderr);

    let host = host.with(["--config", "refusal="]).spawn();
    host.says("INFO started").await;
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

/// Two hosts would answer every message twice.
#[tokio::test]
async fn a_workspace_has_one_host_on_a_machine_and_the_other_is_told_which() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let command = CommandLine::host(&world, &alice, guests::ECHO, &world.path("state"));
    let first = command.spawn();
    first.says("INFO started").await;
    let second = command.run().await;
    assert_eq!(second.code, Some(5), "{}", second.stderr);
    let line = second.stderr.lines().last().unwrap_or_default();
    let pid = first.pid();
    let expected =
        format!("molecule-host: another host (pid {pid}) holds workspace {}; stop it or ", alice.id);
    assert!(line.starts_with(&expected), "{line}");

    // An embedder gets the same as an error, and may run others of the same folder.
    let host = host(&world.path("state")).await;
    let agent = load(&host, guests::ECHO).await;
    let error = host.start(&agent, spec(world.url(), &alice)).await.unwrap_err();
    assert!(matches!(&error, StartError::Locked(LockError::Held { .. })), "{error}");
    let other = Embedded::start_loaded(&host, &agent, spec(world.url(), &bob)).await;
    for workspace in [&alice, &bob] {
        world.say(workspace, "hello").await;
        assert_eq!(world.answered(workspace, 1).await, ["hello"]);
    }
    other.stop().await;
    first.kill().await;

    // Death frees the workspace.
    let host = command.spawn();
    host.says("INFO started").await;
}

/// Case C53.
#[tokio::test]
async fn c53_agents_of_one_host_share_nothing() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let front = listener(&world).await;
    let host = host(&world.path("state")).await;
    let a = Embedded::start(&host, guests::COUNTER, spec(&front.url(), &alice)).await;
    let b = Embedded::start(&host, guests::COUNTER, spec(&front.url(), &bob)).await;
    for text in ["x", "x"] {
        world.say(&alice, text).await;
    }
    world.say(&bob, "x").await;
    assert_eq!(world.answered(&alice, 2).await, ["1", "2"]);
    assert_eq!(world.answered(&bob, 1).await, ["1"]);

    // A death and an end of the one are nothing to the other.
    world.say(&alice, "panic").await;
    a.event("a death", |event| matches!(event, Event::Died { .. }).then_some(())).await;
    world.delete(&alice).await;
    assert_eq!(a.ended().await, Ended::Removed);
    world.say(&bob, "x").await;
    assert_eq!(world.answered(&bob, 2).await, ["1", "2"]);
    b.stop().await;
    for request in front.received() {
        let who = request.header("x-workspace-id").unwrap();
        let token = if who == alice.id { &alice.token } else { &bob.token };
        let expected = format!("Bearer {token}");
        assert!(request.header("authorization").is_none_or(|it| it == expected), "{}", request.target);
    }
}

#[tokio::test]
async fn a_platform_that_is_not_there_yet_is_waited_for() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let nobody = Reserved::port();
    let mut command = CommandLine::host_at(&nobody.url(), &alice, guests::ECHO, &world.path("state"));
    command = command.with(["-v"]);
    let host = command.spawn();
    let line = host.says("WARN").await;
    assert!(line.contains("trying again"), "{line}");
    let platform = world.address();
    let _front = nobody.serve(move |_| Reply::PassOn(platform));
    world.say(&alice, "at last").await;
    assert_eq!(world.answered(&alice, 1).await, ["at last"]);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

/// What an edge answers while it has a bad moment would be a wrong setting if it went on.
#[tokio::test]
async fn odd_answers_at_the_start_are_waited_out_but_not_for_ever() {
    let world = World::new().await;
    let page = || vec![Reply::html(200), Reply::empty(404), Reply::Hangup, Reply::json(200, "{")];
    for (odd, starts) in [(2, true), (usize::MAX, false)] {
        for (number, reply) in page().into_iter().enumerate() {
            let alice = world.create("alice").await;
            let (platform, asked) = (world.address(), AtomicUsize::new(0));
            let front = Scripted::answering(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
                before if before < odd => reply.clone(),
                _ => Reply::PassOn(platform),
            })
            .await;
            let host = host(&world.path(&format!("{starts}-{number}"))).await;
            let agent = load(&host, guests::ECHO).await;
            match host.start(&agent, spec(&front.url(), &alice)).await {
                Ok(running) => {
                    assert!(starts, "{number}");
                    running.stop(Duration::ZERO).await;
                }
                Err(StartError::Misconfigured(_)) => assert!(!starts, "{number}"),
                Err(other) => panic!("{number}: {other}"),
            }
        }
    }
}

#[tokio::test]
async fn a_host_that_waits_for_its_platform_can_be_stopped() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let nobody = Reserved::port();
    let host = CommandLine::host_at(&nobody.url(), &alice, guests::ECHO, &world.path("state")).spawn();
    host.says("INFO connecting to").await;
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

/// What an embedder may write for "for ever" and "at once".
#[tokio::test]
async fn times_beyond_all_bounds_are_taken_for_the_bounds() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    (spec.callback_time, spec.shutdown_grace) = (Duration::MAX, Duration::MAX);
    (spec.intervals.heartbeat, spec.intervals.state) = (Duration::MAX, Duration::MAX);
    (spec.intervals.poll, spec.intervals.poll_eager) = (Duration::ZERO, Duration::ZERO);
    let agent = Embedded::start(&host, guests::ECHO, spec).await;
    world.say(&alice, "hello").await;
    assert_eq!(world.answered(&alice, 1).await, ["hello"]);
    assert_eq!(agent.running.stop(Duration::MAX).await, Ended::Shutdown);
}

#[tokio::test]
async fn what_one_host_has_compiled_is_found_by_another_one_that_shares_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for was_kept in [false, true] {
        // Neither has a state folder.
        let host = Host::builder().compiled_in(folder.path().join("compiled")).build().await.unwrap();
        assert_eq!(load(&host, guests::ECHO).await.component.was_kept(), was_kept);
    }
}
