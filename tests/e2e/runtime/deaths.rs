//! Every way for an instance to die, what is said of it, and that another one takes its place.

use std::time::Duration;

use molecule_runtime::wit::{Error, StartReason, StopReason};
use molecule_runtime::{ActorOptions, ActorState, AgentEvent, Cause, Death, Delivery, Resource};
use molecule_tests::guests;

use super::fixture::{Running, Setup, agent, soon};

/// What became of a message that its handler does not survive.
async fn death(running: &Running, text: &str) -> Death {
    match running.say(text).await {
        Delivery::Died(death) => death,
        other => panic!("{text}: {other:?}"),
    }
}

fn backtrace(death: &Death) -> &str {
    death.backtrace.as_deref().expect("a backtrace")
}

#[tokio::test]
async fn a_panic_is_told_in_its_words_with_file_and_line() {
    let running = agent(guests::PANICS).start().await;
    let death = death(&running, "panic").await;
    let Cause::Panicked(words) = &death.cause else { panic!("{death:?}") };
    assert!(words.starts_with("asked to panic by a message (") && words.contains("panics.rs:"), "{words}");
    assert!(backtrace(&death).contains("panics.rs:"), "{}", backtrace(&death));
    assert!(death.to_string().starts_with("panicked: asked to panic"), "{death}");
}

#[tokio::test]
async fn a_death_is_never_a_bare_unreachable() {
    let cases: [(&str, &[Cause], &str); 6] = [
        ("unreachable", &[], "trapped: it aborted (unreachable code reached) in "),
        ("stack", &[Cause::StackOverflow], "stack limit: stack overflow"),
        ("shadow-stack", &[Cause::StackOverflow], "stack limit: stack overflow"),
        ("memory", &[], "memory limit: 33 MiB wanted, 32 MiB allowed"),
        ("bounds", &[], "trapped: out of bounds memory access in zoo/examples/traps.rs:"),
        ("call", &[], "trapped: undefined element: out of bounds table access"),
    ];
    let running = small().start().await;
    for (text, cause, words) in cases {
        let death = death(&running, text).await;
        assert!(death.to_string().contains(words), "{text}: {death}");
        assert!(cause.iter().all(|cause| *cause == death.cause), "{text}: {death:?}");
        assert!(backtrace(&death).contains("traps.rs:"), "{text}: {}", backtrace(&death));
    }
}

fn small() -> Setup {
    agent(guests::TRAPS).options(|options| options.limits.memory_bytes = 32 * 1024 * 1024)
}

#[tokio::test]
async fn an_agent_that_exits_is_said_to_have_done_so() {
    let running = agent(guests::TRAPS).start().await;
    let death = death(&running, "exit").await;
    assert!(matches!(death.cause, Cause::Exited { .. }), "{death:?}");
    assert!(death.to_string().starts_with("it ended itself"), "{death}");
}

#[tokio::test]
async fn memory_within_the_limit_is_given() {
    let running = small().start().await;
    assert_eq!(running.ask("grow 16").await, "grow 16");
    let death = death(&running, "grow 32").await;
    assert!(
        matches!(&death.cause, Cause::Limit(refusal) if refusal.resource == Resource::Memory),
        "{death:?}"
    );
}

/// An agent that could do without what it did not get has died of something else.
#[tokio::test]
async fn a_panic_long_after_a_refusal_is_still_a_panic() {
    let running = small().start().await;
    assert_eq!(running.ask("try-grow 64").await, "refused");
    let death = death(&running, "panic").await.to_string();
    assert!(
        death.starts_with("panicked: asked to panic (") && death.contains("; refused before: memory limit: ")
    );
}

#[tokio::test]
async fn an_instance_that_died_is_built_again_and_has_forgotten_everything() {
    let mut running = agent(guests::COUNTER).start().await;
    assert_eq!([running.ask("a").await, running.ask("b").await], ["1", "2"]);
    death(&running, "panic").await;
    assert_eq!(running.ask("c").await, "1");
    let events = running.all_events();
    assert!(matches!(&events[..], [AgentEvent::Died { .. }, AgentEvent::Started]), "{events:?}");
    assert_eq!(*running.actor.state().borrow(), ActorState::Running);
}

#[tokio::test]
async fn the_one_that_is_built_again_is_told_that_it_restarts() {
    let mut running = agent(guests::LIFECYCLE).config("key", "value").start().await;
    let told = running.line().await.text;
    assert_eq!(told, r#"on-start (first start) w-1 alice [("key", "value")] Some("Be brief.")"#);
    let mut running = agent(guests::LIFECYCLE).reason(StartReason::Upgrade).start().await;
    assert!(running.line().await.text.starts_with("on-start (upgrade)"));

    let mut running = agent(guests::FLIGHTS).config("refuse-restart", "1").start().await;
    death(&running, "panic").await;
    let AgentEvent::Died { death, .. } = running.event().await else { panic!("it died") };
    assert!(matches!(death.cause, Cause::Panicked(_)), "{death:?}");
    // Built again, it does not want to; that is no refusal, since it has worked before.
    let AgentEvent::Died { death, .. } = running.event().await else { panic!("it died") };
    assert_eq!(death.cause, Cause::StartFailed("I start only once.".to_owned()));
    assert_eq!(*running.actor.state().borrow(), ActorState::Restarting);
}

#[tokio::test]
async fn each_death_in_a_row_is_waited_for_twice_as_long() {
    let mut running =
        agent(guests::COUNTER).restarts(|restarts| restarts.max = Duration::from_millis(4)).start().await;
    let mut waits = Vec::new();
    for _ in 0..5 {
        death(&running, "panic").await;
        let AgentEvent::Died { backoff, .. } = running.event().await else { panic!("it died") };
        waits.push(backoff.as_millis());
        while !matches!(running.event().await, AgentEvent::Started) {}
    }
    assert_eq!(waits, [1, 2, 4, 4, 4]);
}

#[tokio::test]
async fn too_many_deaths_are_a_wedge_and_one_answer_ends_it() {
    let mut running = agent(guests::COUNTER).restarts(|restarts| restarts.wedged_deaths = 3).start().await;
    for _ in 0..3 {
        death(&running, "panic").await;
    }
    assert_eq!(running.ask("still here?").await, "1");
    let events: Vec<_> = running.all_events().iter().map(name).collect();
    let expected =
        ["died", "started", "died", "started", "died", "wedged", "started", "recovered"].map(str::to_owned);
    assert_eq!(events, expected);
}

/// An event's name.
fn name(event: &AgentEvent) -> String {
    let event = format!("{event:?}");
    event.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase()
}

#[tokio::test]
async fn a_panic_at_the_first_start_is_tried_again_and_nothing_is_handed_to_it() {
    let mut running = agent(guests::PANICS).config("panic-on-start", "1").spawn().await;
    let waiting = running.send("hello");
    for _ in 0..3 {
        let AgentEvent::Died { death, .. } = running.event().await else { panic!("it died") };
        assert!(
            matches!(&death.cause, Cause::Panicked(words) if words.starts_with("asked to panic at the start"))
        );
    }
    assert_eq!(*running.actor.state().borrow(), ActorState::Starting);
    soon(running.actor.stop(StopReason::Shutdown, Duration::ZERO)).await;
    assert_eq!(soon(waiting).await.unwrap(), Delivery::Stopped);
}

#[tokio::test]
async fn a_start_that_does_not_return_is_a_death() {
    let brief = |options: &mut ActorOptions| {
        options.start_time = Duration::from_millis(10);
        options.cancel_grace = Duration::from_millis(10);
    };
    let mut running = agent(guests::FLIGHTS).config("stay-on-start", "1").options(brief).spawn().await;
    for _ in 0..2 {
        let AgentEvent::Died { death, .. } = running.event().await else { panic!("it died") };
        assert_eq!(death.to_string(), "time limit: on-start did not return within 10ms");
    }
}

#[tokio::test]
async fn an_agent_that_refuses_to_start_does_not_run() {
    let mut running = agent(guests::REFUSES).config("refusal", "There is no work for me.").spawn().await;
    let waiting = running.send("hello");
    let AgentEvent::Refused(Error::Remote(error)) = running.event().await else { panic!("it refused") };
    assert_eq!(error.message, "There is no work for me.");
    assert!(matches!(&*running.actor.state().borrow(), ActorState::Refused(_)));
    assert_eq!(soon(waiting).await.unwrap(), Delivery::Stopped);
    assert_eq!(running.say("hello?").await, Delivery::Stopped);
    soon(running.actor.stop(StopReason::Shutdown, Duration::ZERO)).await;
    assert_eq!(*running.actor.state().borrow(), ActorState::Stopped);
}

#[tokio::test]
async fn an_answer_that_is_an_error_is_no_death() {
    let mut running = agent(guests::FAILS).start().await;
    let Delivery::Handled(Err(Error::Remote(error)), _) = running.say("error it went wrong").await else {
        panic!("it answered")
    };
    assert_eq!(error.message, "it went wrong");
    assert!(running.all_events().is_empty());
}
