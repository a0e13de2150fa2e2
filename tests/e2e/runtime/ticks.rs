//! Ticks come at their interval, one at a time, and not while the agent is paused.

use std::time::Duration;

use molecule_runtime::wit::Error;
use molecule_runtime::{ActorOptions, AgentEvent};
use molecule_tests::guests;

use super::fixture::{Asked, Running, Setup, What, agent, soon};

fn ticking(milliseconds: u64) -> Setup {
    agent(guests::TICKS).options(|options| options.tick = Some(Duration::from_millis(milliseconds)))
}

async fn tick(running: &mut Running, expected: u32) -> Asked {
    let asked = running.asked().await;
    assert_eq!(asked.what, What::Notify(format!("tick {expected}")));
    asked
}

/// Waits for many times the interval of another agent.
async fn many_intervals(milliseconds: u64) {
    let mut clock = ticking(milliseconds).start().await;
    for count in 1..=10 {
        tick(&mut clock, count).await;
    }
}

#[tokio::test]
async fn ticks_come_again_and_again() {
    let mut running = ticking(1).start().await;
    for count in 1..=5 {
        tick(&mut running, count).await;
    }
}

#[tokio::test]
async fn an_agent_that_asks_for_no_ticks_gets_none() {
    let mut running = agent(guests::TICKS).start().await;
    many_intervals(5).await;
    assert!(running.all_asked().is_empty());
}

/// Also with room for more callbacks than one.
#[tokio::test]
async fn a_tick_that_takes_long_is_not_joined_by_another() {
    let mut running = ticking(5).concurrency(4).held().start().await;
    let first = tick(&mut running, 1).await;
    many_intervals(5).await;
    assert_eq!(running.ask("how many?").await, "1");
    assert!(running.all_asked().is_empty());
    first.answer();
    // Those that were missed are not made up for: one comes, and the next an interval later.
    tick(&mut running, 2).await.answer();
}

/// What is due and cannot start yet must not be asked about again and again.
#[tokio::test]
async fn a_tick_that_has_to_wait_keeps_no_thread_busy() {
    let busy = || tokio::runtime::Handle::current().metrics().worker_total_busy_duration(0);
    let mut running = ticking(5).concurrency(4).held().start().await;
    let first = tick(&mut running, 1).await;
    let (began, busy_before) = (std::time::Instant::now(), busy());
    many_intervals(20).await;
    let (elapsed, worked) = (began.elapsed(), busy() - busy_before);
    assert!(worked < elapsed / 2, "busy for {worked:?} of {elapsed:?}");
    first.answer();
}

/// With room for one callback: a tick that takes as long as its interval must not be followed by the next at once.
#[tokio::test]
async fn ticks_that_take_longer_than_their_interval_leave_room_for_messages() {
    let running = ticking(1).config("slow-tick-ms", "50").start().await;
    for _ in 0..3 {
        running.ask("how many?").await;
    }
}

#[tokio::test]
async fn no_tick_comes_while_paused() {
    let mut running = ticking(5).start().await;
    tick(&mut running, 1).await;
    soon(running.actor.pause()).await;
    running.all_asked();
    many_intervals(5).await;
    assert!(running.all_asked().is_empty());
    soon(running.actor.resume()).await;
    running.asked().await;
}

#[tokio::test]
async fn a_tick_that_fails_is_told_and_the_next_one_comes() {
    let mut running = ticking(1).config("fail-tick", "1").start().await;
    for count in 1..=2 {
        let AgentEvent::TickFailed(Error::Remote(error)) = running.event().await else { panic!("it failed") };
        assert_eq!(error.message, format!("tick {count} failed as configured"));
    }
}

#[tokio::test]
async fn a_tick_that_never_ends_is_killed_and_the_agent_goes_on() {
    let brief = |options: &mut ActorOptions| {
        options.tick = Some(Duration::from_millis(1));
        options.callback_time = Duration::from_secs(1);
        options.cancel_grace = Duration::from_millis(50);
    };
    let mut running = agent(guests::SPIN).options(brief).start().await;
    assert_eq!(running.ask("spin-tick").await, "spin-tick");
    let AgentEvent::Died { death, .. } = running.event().await else { panic!("it died") };
    assert_eq!(death.to_string(), "time limit: on-tick did not return within 1s");
    assert_eq!(running.ask("still here?").await, "still here?");
}
