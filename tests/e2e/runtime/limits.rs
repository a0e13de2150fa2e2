//! Whoever takes too much is stopped by the limit that is there for it, and it is said which one.

use std::time::Duration;

use molecule_runtime::wit::StopReason;
use molecule_runtime::{
    ActorOptions, AgentEvent, Cause, Death, Delivery, Limits, LoadError, Resource, Runtime, RuntimeOptions,
};
use molecule_tests::guests;

use super::fixture::{Running, Setup, agent, component, runtime, soon, text};

const BRIEF: Duration = Duration::from_millis(100);

/// An agent with limits of its own.
fn limited(guest: &'static str, change: impl FnOnce(&mut Limits)) -> Setup {
    agent(guest).options(|options| change(&mut options.limits))
}

async fn death(running: &Running, text: &str) -> Death {
    match running.say(text).await {
        Delivery::Died(death) => death,
        other => panic!("{text}: {other:?}"),
    }
}

/// The first death of an agent that does not live to take a message.
async fn death_at_start(setup: Setup) -> Death {
    match setup.spawn().await.event().await {
        AgentEvent::Died { death, .. } => death,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_that_spins_dies_of_its_cpu_time() {
    let running = limited(guests::FLIGHTS, |limits| limits.callback_cpu = BRIEF).start().await;
    let death = death(&running, "spin").await;
    assert_eq!(death.cause, Cause::OutOfCpu { callback: "on-message", limit: BRIEF });
    assert_eq!(death.to_string(), "CPU limit: on-message took more than 100ms of CPU time");
    let backtrace = death.backtrace.expect("where it spins");
    assert!(backtrace.contains("flights.rs:"), "{backtrace}");
    assert_eq!(running.ask("still here?").await, "still here?");
}

#[tokio::test]
async fn one_that_spins_in_its_start_dies_of_its_cpu_time_too() {
    let spins = limited(guests::HOSTILE, |limits| limits.callback_cpu = BRIEF).config("does", "spin");
    assert_eq!(death_at_start(spins).await.cause, Cause::OutOfCpu { callback: "on-start", limit: BRIEF });
}

/// Take out the attribution of the tick and both are suspects.
#[tokio::test]
async fn of_two_in_flight_only_the_one_that_spins_is_put_down_as_dead() {
    let mut running =
        limited(guests::FLIGHTS, |limits| limits.callback_cpu = BRIEF).concurrency(4).held().start().await;
    let bystander = running.send("hold");
    let asked = running.asked().await;
    let spins = running.send("spin");
    let delivery = soon(spins).await.unwrap();
    assert!(
        matches!(&delivery, Delivery::Died(death) if matches!(death.cause, Cause::OutOfCpu { .. })),
        "{delivery:?}"
    );
    assert_eq!(soon(bystander).await.unwrap(), Delivery::Bystander);
    asked.given_up().await;
    let again = running.send("hold");
    running.asked().await.answer();
    assert_eq!(text(&soon(again).await.unwrap()), "ok ()");
}

/// Twenty runs, each of which is within the limit.
#[tokio::test]
async fn alone_all_runs_of_a_callback_count_and_beside_others_each_for_itself() {
    let burns = || limited(guests::SPIN, |limits| limits.callback_cpu = BRIEF);
    let alone = async {
        let death = death(&burns().start().await, "burn 100 20").await;
        assert!(matches!(death.cause, Cause::OutOfCpu { .. }), "{death:?}");
    };
    let beside = async {
        assert_eq!(burns().concurrency(2).start().await.ask("burn 20 20").await, "burn 20 20");
    };
    futures::join!(alone, beside);
}

#[tokio::test]
async fn one_that_has_used_up_its_minute_waits_and_lives() {
    let scarce = |limits: &mut Limits| limits.cpu_per_minute = 2 * BRIEF;
    let mut running = limited(guests::SPIN, scarce).start().await;
    assert_eq!(running.ask("burn 1 5000").await, "burn 1 5000");
    let events = running.all_events();
    let [AgentEvent::Throttled { cpu_per_minute }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*cpu_per_minute, 2 * BRIEF);
}

/// A minute's worth that a dead instance has used up is not given to the next one.
#[tokio::test]
async fn one_that_ran_out_of_time_because_it_had_to_wait_for_the_cpu_is_said_to_have_done_so() {
    let mut running = limited(guests::FLIGHTS, |limits| limits.cpu_per_minute = 2 * BRIEF)
        .options(|options: &mut ActorOptions| {
            options.callback_time = 50 * BRIEF;
            options.cancel_grace = BRIEF;
        })
        .start()
        .await;
    let death = death(&running, "spin").await;
    let words = "time limit: on-message did not return within 5s; it had used up its CPU time of a minute";
    assert_eq!(death.to_string(), words);
    assert_eq!(running.ask("still here?").await, "still here?");
    let throttled = |event: &AgentEvent| matches!(event, AgentEvent::Throttled { .. });
    assert_eq!(running.all_events().iter().filter(|event| throttled(event)).count(), 1, "said once");
}

#[tokio::test]
async fn one_that_sleeps_for_ever_dies_of_its_time() {
    let running = agent(guests::HOSTILE)
        .config("does", "sleep")
        .config("spares", "on-start")
        .options(|options| {
            options.callback_time = BRIEF;
            options.cancel_grace = BRIEF;
        })
        .start()
        .await;
    let death = death(&running, "hello").await;
    assert_eq!(death.to_string(), "time limit: on-message did not return within 100ms");
    assert_eq!(death.cause.name(), "time-limit");
}

#[tokio::test]
async fn one_that_needs_more_than_it_may_have_at_its_start_is_told_what() {
    type Change = fn(&mut Limits);
    let cases: [(Change, Resource, &str); 3] = [
        (
            |limits| limits.memory_bytes = 64 * 1024,
            Resource::Memory,
            "memory limit: 2 MiB wanted, 0 MiB allowed",
        ),
        (|limits| limits.table_elements = 1, Resource::Tables, "table limit: "),
        (
            |limits| limits.instances = 1,
            Resource::Instances,
            "instance limit: 2 core instances or more are needed",
        ),
    ];
    for (change, resource, words) in cases {
        let death = death_at_start(limited(guests::ECHO, change)).await;
        let Cause::Limit(refusal) = &death.cause else { panic!("{death:?}") };
        assert_eq!(refusal.resource, resource);
        assert!(death.to_string().starts_with(words), "{death}");
    }
}

#[tokio::test]
async fn one_that_allocates_in_describe_is_stopped_by_the_same_limit() {
    let limits = Limits { memory_bytes: 32 << 20, ..Limits::default() };
    let described = soon(runtime().describe(&component(guests::DESCRIBE_EATS).await, limits)).await;
    let Err(LoadError::Describe { detail }) = described else { panic!("{described:?}") };
    assert_eq!(detail, "memory limit: 33 MiB wanted, 32 MiB allowed");
}

#[tokio::test]
async fn one_that_spins_in_describe_is_stopped_by_its_cpu_time() {
    let limits = Limits { callback_cpu: BRIEF, ..Limits::default() };
    let described = soon(runtime().describe(&component(guests::DESCRIBE_SPINS).await, limits)).await;
    let Err(LoadError::Describe { detail }) = described else { panic!("{described:?}") };
    assert_eq!(detail, "CPU limit: describe took more than 100ms of CPU time");
}

#[tokio::test]
async fn the_stack_is_as_deep_as_the_runtime_says() {
    let small =
        Runtime::with(RuntimeOptions { stack_bytes: 64 * 1024, ..RuntimeOptions::default() }).unwrap();
    let component = small.load(std::fs::read(guests::TRAPS).unwrap()).await.unwrap();
    let shallow = agent(guests::TRAPS).spawn_on(&small, &component);
    let deep = agent(guests::TRAPS).start().await;
    assert_eq!(deep.ask("deep 5000").await, "deep 5000");
    let death = death(&shallow, "deep 5000").await;
    assert_eq!(death.cause, Cause::StackOverflow);
    assert!(death.to_string().starts_with("stack limit: "), "{death}");
    assert_eq!(shallow.ask("deep 10").await, "deep 10");
}

/// Three times as many lines as are let through, from three sources.
#[tokio::test]
async fn a_flood_is_cut_off_and_counted_and_the_neighbour_is_heard() {
    const LINES: u32 = 100;
    let mut neighbour = agent(guests::STDIO).start().await;
    let mut floods = limited(guests::HOSTILE, |limits| limits.log_lines_per_minute = LINES)
        .config("does", "flood")
        .config("spares", "on-start on-stop")
        .start()
        .await;
    assert_eq!(floods.ask("hello").await, "hello");
    assert_eq!(floods.all_lines().len(), LINES as usize);
    assert_eq!(neighbour.ask("out hello").await, "done");
    assert_eq!(neighbour.line().await.text, "hello");

    soon(floods.actor.stop(StopReason::Shutdown, Duration::ZERO)).await;
    let dropped = floods.all_events().into_iter().find_map(|event| match event {
        AgentEvent::LogDropped { lines, bytes } => Some((lines, bytes)),
        _ => None,
    });
    let (lines, bytes) = dropped.expect("it is said how many");
    assert_eq!(lines, 3 * 20_000 - u64::from(LINES));
    assert!(bytes > 20 * lines && bytes < 40 * lines, "{bytes} bytes");
}

#[tokio::test]
async fn long_lines_are_counted_by_their_bytes() {
    let mut running = limited(guests::STDIO, |limits| limits.log_bytes_per_minute = 10_000).start().await;
    for _ in 0..3 {
        running.ask("long 4000").await;
    }
    assert_eq!(running.all_lines().len(), 2);
}

/// What waits and what is held takes memory of the host's, which no limit of the guest's memory counts.
#[tokio::test]
async fn what_the_host_has_to_remember_is_bounded() {
    let running = agent(guests::HOARDS).start().await;
    assert_eq!(running.ask("wait 1200").await, "1000 waited, 200 refused");
    assert_eq!(running.ask("wait 10").await, "10 waited, 0 refused", "those have ended");
    assert_eq!(running.ask("hold 5000").await, "hold 5000");
    let death = death(&running, "hold 10000").await;
    let words = "trapped: it holds more streams and other things of WASI than an agent may";
    assert_eq!(death.to_string(), words);
    assert_eq!(running.ask("still here?").await, "still here?");
}
