//! The foreman in the scripted host.

use std::time::Duration;

use molecule_guest::messages::Update;
use molecule_guest::testing::{Host, denied};
use molecule_guest::{DelegationStatus, Error, Message, Outcome, Sent, Task, TaskState};

use super::{Foreman, PATIENCE};

const PARTY: &str = "the party: find a room; bake a cake; invite Ada";

/// Two siblings, who do what they are told.
fn host() -> Host {
    let host = Host::new().peer("ws-1", "bob").peer("ws-2", "eve");
    host.on_delegate(|given| Ok(format!("done: {}", given.task).into()))
}

#[test]
fn the_parts_are_shared_out_and_their_results_collected() {
    let host = host().delegation_takes(Duration::from_secs(5));
    let agent = host.start::<Foreman>().unwrap();
    assert_eq!(agent.message(PARTY).unwrap().text(), "3 of 3 parts are done.");
    let to: Vec<_> = host.assignments().into_iter().map(|given| (given.peer, given.task)).collect();
    let part = |peer: &str, part: &str| (peer.to_owned(), format!("{part}. It is a part of: the party"));
    assert_eq!(to, [part("ws-1", "find a room"), part("ws-2", "bake a cake"), part("ws-1", "invite Ada")]);
    assert_eq!(host.task(), None);

    let told: Vec<_> = host.told().iter().map(Update::text).collect();
    assert_eq!(told[..2], ["bob has: find a room", "eve has: bake a cake"]);
    assert_eq!(told[3], "done: find a room. It is a part of: the party");
    assert!(matches!(&host.told()[3], Update::Artifact(chunk) if chunk.last));
}

#[test]
fn a_result_that_comes_by_message_is_not_told_twice() {
    let host = host();
    let agent = host.start::<Foreman>().unwrap();
    agent.message(PARTY).unwrap();
    // The platform sends what the job has seen by itself, too.
    assert!(agent.deliver().into_iter().all(|outcome| outcome == Ok(Outcome::Nothing)));
    assert!(host.notified().is_empty(), "{:?}", host.notified());
}

#[test]
fn who_takes_longer_is_heard_later_also_after_a_restart() {
    let host = host().delegation_takes(PATIENCE * 2);
    let agent = host.start::<Foreman>().unwrap();
    let answer = agent.message("the party: bake a cake").unwrap().text();
    assert_eq!(answer, "0 of 1 parts are done.\nStill being worked on, I will tell you: bake a cake");
    assert_eq!(host.elapsed(), PATIENCE);
    assert_eq!(agent.message("open").unwrap().text(), "- bob: bake a cake. It is a part of: the party");

    let agent = host.start::<Foreman>().unwrap();
    assert_eq!(agent.deliver(), [Ok(Outcome::Nothing)]);
    let task = "bake a cake. It is a part of: the party";
    assert_eq!(host.notified(), [format!("bob is done after all: {task}\ndone: {task}")]);
    assert_eq!(agent.message("open").unwrap().text(), "Nobody is working for me.");
}

#[test]
fn who_fails_is_named_and_a_job_of_which_nothing_came_has_failed() {
    let host = host().on_delegate(|given| {
        Ok(if given.task.starts_with("bake") {
            DelegationStatus::Failed("no oven".into())
        } else {
            "ok".into()
        })
    });
    let agent = host.start::<Foreman>().unwrap();
    let answer = agent.message(PARTY).unwrap();
    assert_eq!(answer.text(), "2 of 3 parts are done.\nNot done: bake a cake (eve: no oven)");
    let answer = agent.message("tea: bake a scone").unwrap();
    assert!(matches!(answer, Outcome::Task(Task { state: TaskState::Failed, .. })), "{answer:?}");
}

#[test]
fn a_message_that_is_handed_out_again_gives_nobody_a_part_twice() {
    let host = host();
    let agent = host.start::<Foreman>().unwrap();
    let message = Message::from_user(PARTY);
    host.fail("peers::delegations", Error::new("gone"));
    agent.message(message.clone()).unwrap_err();
    host.mend("peers::delegations");
    assert_eq!(agent.message(message).unwrap().text(), "3 of 3 parts are done.");
    assert_eq!(host.assignments().len(), 3);
}

#[test]
fn a_job_that_is_canceled_ends_at_once() {
    let host = host().delegation_takes(Duration::from_secs(30));
    let agent = host.start::<Foreman>().unwrap();
    let canceled = agent.canceled(PARTY, Duration::from_secs(7));
    assert_eq!(canceled, Err(Error::Canceled(Sent::No)));
    assert_eq!(host.elapsed(), Duration::from_secs(7));
    assert_eq!(host.task(), None);
    agent.deliver();
    assert_eq!(host.notified().len(), 3, "what was made all the same is handed over");
}

#[test]
fn it_says_what_is_missing() {
    let alone = Host::new().start::<Foreman>().unwrap();
    assert_eq!(alone.message(PARTY).unwrap().text(), "None of my siblings is there to help.");
    let host = host().on_delegate(|_| Err(denied("peer", "--allow-peer bob")));
    let agent = host.start::<Foreman>().unwrap();
    let answer = agent.message(PARTY).unwrap().text();
    assert_eq!(answer, "I may not give work to bob. Whoever runs me can allow it with: --allow-peer bob");
    assert_eq!(host.task(), None);
    assert!(agent.message("hello").unwrap().text().starts_with("Give me a job"));
    let of_peer = agent.message(Message::from_peer("ws-1", "bob", PARTY)).unwrap().text();
    assert_eq!(of_peer, "I work for my user only.");
}
