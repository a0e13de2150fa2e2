//! Pause, resume, stop: what an agent is told, in which order, and what becomes of its messages.

use std::time::Duration;

use molecule_runtime::wit::StopReason;
use molecule_runtime::{ActorOptions, ActorState, AgentEvent, Delivery, Restarts};
use molecule_tests::guests;

use super::fixture::{Running, agent, soon, text};

/// A grace that nobody is meant to use up, and none.
const LONG: Duration = Duration::from_secs(60);
const NONE: Duration = Duration::ZERO;

/// Gives the order to stop, without waiting until it has been followed.
fn stop(running: &Running, grace: Duration) -> tokio::task::JoinHandle<()> {
    let actor = running.actor.clone();
    tokio::spawn(async move { actor.stop(StopReason::Shutdown, grace).await })
}

#[tokio::test]
async fn callbacks_come_in_the_order_of_what_happens() {
    let mut running = agent(guests::LIFECYCLE).start().await;
    soon(running.actor.pause()).await;
    soon(running.actor.resume()).await;
    assert_eq!(running.ask("callbacks").await, "on-start on-pause on-resume on-message");
    soon(running.actor.stop(StopReason::Removed, LONG)).await;
    let told: Vec<_> = running.all_lines().into_iter().map(|line| line.text).collect();
    assert_eq!(told.last().map(String::as_str), Some("on-stop removed"));
    assert!(matches!(running.event().await, AgentEvent::Stopped));
    assert_eq!(*running.actor.state().borrow(), ActorState::Stopped);
}

#[tokio::test]
async fn a_pause_comes_after_the_messages_in_flight() {
    let mut running = agent(guests::FLIGHTS).concurrency(2).held().start().await;
    let held = running.send("hold");
    let asked = running.asked().await;
    let mut pause = Box::pin(running.actor.pause());
    // The message that comes now waits for the resume, the pause for the one in flight.
    assert!(futures::poll!(&mut pause).is_pending());
    let later = running.send("later");
    asked.answer();
    text(&soon(held).await.unwrap());
    soon(pause).await;
    assert!(!later.is_finished());
}

/// Hand out what waits in the mailbox of a paused agent, or let a message overtake `on-resume`, and this fails.
#[tokio::test]
async fn a_message_that_comes_while_paused_waits_for_the_resume() {
    let running = agent(guests::LIFECYCLE).concurrency(4).start().await;
    soon(running.actor.pause()).await;
    let waits = running.send("callbacks");
    // What comes behind it and is no message goes past it.
    soon(running.actor.pause()).await;
    assert!(!waits.is_finished());
    soon(running.actor.resume()).await;
    assert_eq!(text(&soon(waits).await.unwrap()), "on-start on-pause on-pause on-resume on-message");
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_flight_and_starts_nothing_new() {
    let mut running = agent(guests::FLIGHTS).held().start().await;
    let held = running.send("hold");
    let waits = running.send("next");
    let asked = running.asked().await;
    let stopped = stop(&running, LONG);
    assert_eq!(soon(waits).await.unwrap(), Delivery::Stopped);
    assert!(!stopped.is_finished(), "one is still in flight");
    asked.answer();
    assert_eq!(text(&soon(held).await.unwrap()), "ok ()");
    soon(stopped).await.unwrap();
    assert_eq!(running.say("too late").await, Delivery::Stopped);
    soon(running.actor.stop(StopReason::Shutdown, LONG)).await;
}

#[tokio::test]
async fn what_is_in_flight_when_the_grace_is_over_was_stopped_and_the_agent_is_told() {
    let mut running = agent(guests::FLIGHTS).held().start().await;
    let held = running.send("hold");
    let asked = running.asked().await;
    soon(stop(&running, NONE)).await.unwrap();
    assert_eq!(soon(held).await.unwrap(), Delivery::Stopped);
    asked.given_up().await;
}

#[tokio::test]
async fn an_agent_that_spins_is_stopped_all_the_same() {
    let mut running = agent(guests::FLIGHTS).options(|options| options.stop_time = NONE).start().await;
    let spins = running.send("spin");
    running.hears("spin").await;
    soon(stop(&running, NONE)).await.unwrap();
    assert_eq!(soon(spins).await.unwrap(), Delivery::Stopped);
}

#[tokio::test]
async fn an_on_stop_that_stays_is_not_waited_for() {
    let short = |options: &mut ActorOptions| options.stop_time = Duration::from_millis(10);
    let mut running = agent(guests::FLIGHTS).config("stay-on-stop", "1").options(short).start().await;
    soon(stop(&running, LONG)).await.unwrap();
    assert!(matches!(running.event().await, AgentEvent::Stopped));
}

#[tokio::test]
async fn an_instance_that_dies_while_it_is_stopped_is_not_built_again() {
    let slow = |restarts: &mut Restarts| restarts.first = LONG;
    let mut running = agent(guests::FLIGHTS).concurrency(2).restarts(slow).held().start().await;
    let held = running.send("hold");
    let _asked = running.asked().await;
    let dies = running.send("panic");
    running.hears("panic").await;
    soon(stop(&running, LONG)).await.unwrap();
    for delivery in [held, dies] {
        assert!(matches!(soon(delivery).await.unwrap(), Delivery::Suspect(_)));
    }
    let events = running.all_events();
    assert!(matches!(&events[..], [AgentEvent::Died { .. }, AgentEvent::Stopped]), "{events:?}");
}

/// Also when it would never end by itself.
#[tokio::test]
async fn when_nobody_has_the_actor_any_more_the_instance_is_gone() {
    for text in ["hold", "spin", "block"] {
        let mut running = agent(guests::FLIGHTS).held().start().await;
        let delivery = running.send(text);
        running.hears(text).await;
        // Whoever waits holds the actor, too.
        delivery.abort();
        running.gone().await;
    }
}
