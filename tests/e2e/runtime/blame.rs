//! When an instance dies, only the message whose doing it was is put down as dead; and a message whose time is up is
//! canceled before anything is killed.

use std::time::Duration;

use molecule_runtime::{AgentEvent, Cause, Delivery};
use molecule_tests::guests;
use tokio::task::JoinHandle;

use super::fixture::{Asked, Running, Setup, agent, message, soon, text};

/// An agent whose messages have a second, and another one to end once they are canceled.
fn hasty() -> Setup {
    agent(guests::FLIGHTS).concurrency(4).held().options(|options| {
        options.callback_time = Duration::from_secs(1);
        options.cancel_grace = Duration::from_secs(1);
    })
}

/// A message that is in flight, and waits for the services.
async fn in_flight(running: &mut Running, text: &str) -> (JoinHandle<Delivery>, Asked) {
    let delivery = running.send(text);
    (delivery, running.asked().await)
}

async fn outcome(delivery: JoinHandle<Delivery>) -> Delivery {
    soon(delivery).await.unwrap()
}

fn timed_out(delivery: &Delivery) -> bool {
    matches!(delivery, Delivery::Died(death) if matches!(death.cause, Cause::TimedOut { callback: "on-message", .. }))
}

#[tokio::test]
async fn one_that_dies_alone_is_known_to_be_the_one() {
    let running = agent(guests::FLIGHTS).concurrency(4).start().await;
    assert!(matches!(running.say("panic").await, Delivery::Died(_)));
}

#[tokio::test]
async fn of_two_that_die_together_both_are_suspects_and_alone_only_the_culprit_dies() {
    let mut running = agent(guests::FLIGHTS).concurrency(4).held().start().await;
    let (held, asked) = in_flight(&mut running, "hold").await;
    let culprit = running.send("panic");
    let death = match outcome(culprit).await {
        Delivery::Suspect(death) => death,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(&death.cause, Cause::Panicked(words) if words.starts_with("asked to panic")),
        "{death:?}"
    );
    assert_eq!(outcome(held).await, Delivery::Suspect(death));
    asked.given_up().await;

    // Both again, alone: whichever comes first, they do not meet.
    let (actor, other) = (running.actor.clone(), running.actor.clone());
    let held = tokio::spawn(async move { actor.deliver_alone(message("hold")).await });
    let culprit = tokio::spawn(async move { other.deliver_alone(message("panic")).await });
    running.asked().await.answer();
    assert_eq!(text(&outcome(held).await), "ok ()");
    assert!(matches!(outcome(culprit).await, Delivery::Died(_)));
}

#[tokio::test]
async fn one_that_runs_alone_has_no_company() {
    let mut running = agent(guests::FLIGHTS).concurrency(4).held().start().await;
    let (first, first_asked) = in_flight(&mut running, "hold").await;
    let actor = running.actor.clone();
    let alone = tokio::spawn(async move { actor.deliver_alone(message("hold")).await });
    // Handed over after the other: the one before it and the one behind it both stay away.
    let behind = running.send("behind");
    first_asked.answer();
    text(&outcome(first).await);
    let asked = running.asked().await;
    assert!(!behind.is_finished(), "it went past the one that runs alone");
    asked.answer();
    assert_eq!(text(&outcome(alone).await), "ok ()");
    assert_eq!(text(&outcome(behind).await), "behind");
    let said: Vec<_> = running.all_lines().into_iter().map(|line| line.text).collect();
    assert_eq!(said, ["hold", "hold: ok ()", "hold", "hold: ok ()", "behind"]);
}

#[tokio::test]
async fn one_whose_time_is_up_is_canceled_and_its_instance_lives() {
    let mut running = hasty().options(|options| options.cancel_grace = Duration::from_secs(60)).start().await;
    let (late, asked) = in_flight(&mut running, "hold").await;
    assert!(timed_out(&outcome(late).await));
    // What it waited for was given up, and the agent was told so.
    asked.given_up().await;
    running.hears("hold: error canceled (perhaps sent)").await;
    assert_eq!(running.ask("still here?").await, "still here?");
    assert!(running.all_events().is_empty(), "the instance lives");
}

#[tokio::test]
async fn one_that_does_not_end_though_canceled_is_killed_and_the_others_are_bystanders() {
    let mut running = hasty().start().await;
    let (stays, _asked) = in_flight(&mut running, "stay").await;
    running.hears("stay: error canceled (perhaps sent)").await;
    // What it begins after that is not even begun.
    running.hears("stay again: error canceled (not sent)").await;
    assert!(running.all_asked().is_empty());
    // Comes when the time of the other is long up.
    let (bystander, asked) = in_flight(&mut running, "hold").await;
    assert!(timed_out(&outcome(stays).await));
    assert_eq!(outcome(bystander).await, Delivery::Bystander);
    asked.given_up().await;
    let AgentEvent::Died { death, .. } = running.event().await else { panic!("it died") };
    assert!(matches!(death.cause, Cause::TimedOut { .. }), "{death:?}");
    assert!(matches!(running.event().await, AgentEvent::Started));
}

#[tokio::test]
async fn one_that_spins_or_blocks_alone_is_known_to_be_the_one() {
    let alone = async |busy| {
        let running = hasty().start().await;
        let delivery = running.say(busy).await;
        assert!(timed_out(&delivery), "{busy}: {delivery:?}");
        assert_eq!(running.ask("still here?").await, "still here?");
    };
    futures::join!(alone("spin"), alone("block"));
}

/// While one spins the others cannot end either: whose time is up first says nothing.
#[tokio::test]
async fn among_those_that_one_spins_or_blocks_with_nobody_can_be_blamed() {
    let together = async |busy| {
        let mut running = hasty().start().await;
        let (held, asked) = in_flight(&mut running, "hold").await;
        let spins = running.send(busy);
        for delivery in [held, spins] {
            let delivery = outcome(delivery).await;
            assert!(matches!(&delivery, Delivery::Suspect(_)), "{busy}: {delivery:?}");
        }
        asked.given_up().await;
    };
    futures::join!(together("spin"), together("block"));
}

#[tokio::test]
async fn one_that_spins_does_not_keep_other_agents_from_answering() {
    let mut spinners = Vec::new();
    // One for each thread that guests have, and one more.
    for _ in 0..=std::thread::available_parallelism().unwrap().get() {
        let mut spinner = agent(guests::FLIGHTS).start().await;
        let spins = spinner.send("spin");
        spinner.hears("spin").await;
        spinners.push((spinner, spins));
    }
    let other = agent(guests::ECHO).start().await;
    for _ in 0..3 {
        assert_eq!(other.ask("are you there?").await, "are you there?");
    }
    for (spinner, spins) in spinners {
        assert!(!spins.is_finished(), "it spins");
        drop(spinner);
        spins.abort();
    }
}
