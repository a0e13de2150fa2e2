//! Agents that take too much, beside one that does not.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use molecule_host::runtime::Cause;
use molecule_host::{AgentSpec, Ended, Event, Host, Running};
use molecule_tests::canvas::Workspace;
use molecule_tests::embedded::{Embedded, QUICK, host, spec};
use molecule_tests::guests;
use molecule_tests::world::World;

/// What an agent does in every callback but its start, what its sender is told, and how its deaths are named.
const HOSTILE: [(&str, &str, &str); 6] = [
    ("spin", "CPU limit: on-message took more than 300ms of CPU time.", "cpu-limit"),
    ("eat", "memory limit: 33 MiB wanted, 32 MiB allowed.", "memory-limit"),
    ("recurse", "stack limit: stack overflow.", "stack-limit"),
    ("panic", "panicked: I do not want to (zoo/examples/hostile.rs:", "panic"),
    ("trap", "trapped: it aborted (unreachable code reached) in ", "trap"),
    ("sleep", "time limit: on-message did not return within 300ms.", "time-limit"),
];

fn hostile(world: &World, workspace: &Workspace, does: &str, spares: &str) -> AgentSpec {
    let mut spec = spec(world.url(), workspace);
    spec.config = vec![("does".to_owned(), does.to_owned()), ("spares".to_owned(), spares.to_owned())];
    spec.limits.memory_bytes = 32 * 1024 * 1024;
    if does != "flood" {
        spec.limits.callback_cpu = Duration::from_millis(300);
    }
    spec.limits.log_lines_per_minute = 100;
    spec.restarts.first = Duration::from_millis(1);
    if does == "sleep" {
        spec.callback_time = Duration::from_millis(300);
    }
    spec
}

async fn start(world: &World, host: &Host, does: &'static str, spares: &str) -> (Workspace, Embedded) {
    let workspace = world.create(does).await;
    let spec = hostile(world, &workspace, does, spares);
    (workspace, Embedded::start(host, guests::HOSTILE, spec).await)
}

/// When the heartbeats of an agent were taken.
fn heartbeats(of: &Running) -> Arc<Mutex<Vec<Instant>>> {
    let beats = Arc::new(Mutex::new(vec![Instant::now()]));
    let (noted, mut events) = (beats.clone(), of.events());
    tokio::spawn(async move {
        while let Ok(happened) = events.recv().await {
            if matches!(happened.event, Event::Heartbeat) {
                noted.lock().unwrap().push(Instant::now());
            }
        }
    });
    beats
}

fn cause(event: &Event) -> Option<&Cause> {
    match event {
        Event::Died { death, .. } => Some(&death.cause),
        _ => None,
    }
}

/// All in one process, at the same time.
#[tokio::test]
async fn each_is_stopped_by_its_own_limit_while_a_neighbour_answers_and_its_heart_beats() {
    let world = World::new().await;
    let host = host(&world.path("state")).await;
    let good = world.create("good").await;
    let neighbour = Embedded::start(&host, guests::ECHO, spec(world.url(), &good)).await;
    let beats = heartbeats(&neighbour.running);

    let mut all = Vec::new();
    for (does, told, name) in HOSTILE {
        let (workspace, agent) = start(&world, &host, does, "on-start").await;
        world.say(&workspace, "hello").await;
        all.push((workspace, agent, told, name));
    }
    let (flooding, floods) = start(&world, &host, "flood", "on-start").await;
    world.say(&flooding, "hello").await;
    // This one does not even start.
    let (broken, traps) = start(&world, &host, "trap", "").await;
    world.say(&broken, "hello").await;

    let mut asked = 0;
    for (workspace, agent, told, name) in &all {
        // Each time the neighbour has answered, a look at the others.
        while world.answers(workspace).await.is_empty() {
            asked += 1;
            world.say(&good, &format!("question {asked}")).await;
            world.answered(&good, asked).await;
        }
        let answers = world.answers(workspace).await;
        let line = format!("Your message could not be handled and was set aside: {told}");
        assert!(answers.len() == 1 && answers[0].starts_with(&line), "{told}: {answers:?}");
        let letter = agent.event("a dead letter", |event| match event {
            Event::DeadLetter { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        assert!(letter.await.starts_with(told.trim_end_matches('.')));
        let events = agent.events();
        let names: Vec<_> = events.iter().filter_map(cause).map(Cause::name).collect();
        assert_eq!(names, [*name; 3], "{told}");
    }
    assert_eq!(world.answered(&flooding, 1).await, ["hello"]);
    traps.event("wedged", |event| matches!(event, Event::Wedged { .. }).then_some(())).await;
    world.status(&broken, "degraded").await;
    assert!(asked > 0 && neighbour.events().iter().all(|event| cause(event).is_none()));

    // Whatever they do in on-stop.
    for (_, agent, told, _) in &all {
        assert_eq!(agent.running.stop(Duration::ZERO).await, Ended::Shutdown, "{told}");
    }
    assert_eq!(traps.running.stop(Duration::ZERO).await, Ended::Shutdown);
    assert_eq!(floods.running.stop(Duration::from_secs(20)).await, Ended::Shutdown);
    floods.complains("log limit: ").await;
    let lines = floods.count(|event| matches!(event, Event::Log { .. }));
    assert!(lines <= 200, "{lines} lines; at most a hundred in each of two minutes");

    let beats = beats.lock().unwrap().clone();
    let longest = beats.windows(2).map(|two| two[1] - two[0]).max().expect("more than one");
    // The machine may be slow, an agent that holds up others would hold them up for good.
    assert!(longest < 75 * QUICK.heartbeat, "{longest:?} between two heartbeats of {}", beats.len());
    neighbour.stop().await;
}

#[tokio::test]
async fn of_two_messages_in_flight_the_one_that_spins_is_given_up_and_the_other_is_answered() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let mut spec = hostile(&world, &alice, "", "");
    spec.concurrency = Some(2);
    let agent = Embedded::start(&host, guests::SPIN, spec).await;
    // Computes and waits by turns, longer than the other takes to be killed for the first time.
    world.say(&alice, "burn 400 1").await;
    let spins = world.say(&alice, "spin").await;
    let mut answers = world.answered(&alice, 2).await;
    answers.sort();
    assert!(answers[0].contains("was set aside: CPU limit: on-message took more than"), "{answers:?}");
    assert_eq!(answers[1], "burn 400 1");
    let given_up: Vec<_> = agent
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::DeadLetter { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(given_up, [spins]);
    agent.stop().await;
}

/// Take out the bound and the fourth is taken in.
#[tokio::test]
async fn a_full_mailbox_leaves_the_rest_at_the_platform_until_there_is_room() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.mailbox.messages = 2;
    spec.concurrency = Some(1);
    for text in ["10000 a", "0 b", "0 c"] {
        world.say(&alice, text).await;
    }
    let agent = Embedded::start(&host, guests::SLOW, spec).await;
    // Of two messages, or of three where the first was not yet in hand.
    agent.complains("mailbox limit: ").await;
    world.say(&alice, "0 d").await;
    let beat = |event: &Event| matches!(event, Event::Heartbeat).then_some(());
    let beats = agent.count(|event| beat(event).is_some());
    agent.nth(beats + 2, "a heartbeat", beat).await;
    let taken = |event: &Event| matches!(event, Event::MessageIn { .. });
    assert_eq!(agent.count(taken), 3, "while the first is in hand and two wait");
    assert_eq!(world.answered(&alice, 4).await, ["10000 a", "0 b", "0 c", "0 d"]);
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_has_used_up_its_minute_is_said_to_wait_and_answers() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.limits.cpu_per_minute = Duration::from_millis(200);
    let agent = Embedded::start(&host, guests::SPIN, spec).await;
    world.say(&alice, "burn 1 5000").await;
    let line = agent.complains("CPU limit: ").await;
    assert!(line.contains("200ms") && line.ends_with("--cpu-per-minute allows more"), "{line}");
    assert_eq!(world.answered(&alice, 1).await, ["burn 1 5000"]);
    assert_eq!(agent.count(|event| cause(event).is_some()), 0);
    agent.running.stop(Duration::ZERO).await;
}
