//! The clerk in the scripted host.

use std::time::Duration;

use molecule_guest::approvals::Decision;
use molecule_guest::memory::Scope;
use molecule_guest::testing::{Host, Instance};
use molecule_guest::{Error, Message};

use super::{Clerk, PATIENCE};

fn host() -> Host {
    Host::new().allow_memory(Scope::Local)
}

fn says(agent: &Instance<Clerk>, text: &str) -> String {
    agent.message(text).unwrap().text()
}

#[test]
fn it_asks_before_it_buys_and_buys_when_it_may() {
    let host = host().decision_takes(Duration::from_secs(5)).on_ask(|_| Ok(Decision::Approved));
    let agent = host.start::<Clerk>().unwrap();
    let bought = "I have bought three chairs for 240. That makes 240 in all.";
    assert_eq!(says(&agent, "buy three chairs for 240"), bought);
    let [question] = host.questions().try_into().unwrap();
    assert_eq!(question.action, "buy three chairs for 240");
    assert!(question.context.unwrap().contains("\"price\":240"));
    assert!(host.elapsed() >= Duration::from_secs(5) && host.elapsed() < PATIENCE);
    assert_eq!(says(&agent, "books"), "- three chairs: 240\nIn all: 240");
    assert_eq!(says(&agent, "questions"), "- buy three chairs for 240: allowed");
}

#[test]
fn it_does_not_buy_what_it_may_not() {
    let host = host().on_ask(|_| Ok(Decision::Denied));
    let agent = host.start::<Clerk>().unwrap();
    assert_eq!(says(&agent, "buy gold for 9000"), "test does not want me to buy gold.");
    assert_eq!(says(&agent, "books"), "In all: 0");
    agent.tick().unwrap();
    assert!(host.notified().is_empty(), "it is over");
}

#[test]
fn what_is_cheap_it_buys_without_asking() {
    let host = host().config("free-limit", "20");
    let agent = host.start::<Clerk>().unwrap();
    assert_eq!(says(&agent, "buy tea for 20"), "I have bought tea for 20. That makes 20 in all.");
    assert!(host.questions().is_empty());
    says(&agent, "buy a pot for 21");
    assert_eq!(host.questions().len(), 1);
}

#[test]
fn a_decision_that_comes_late_is_carried_out_after_a_restart() {
    let host = host();
    let agent = host.start::<Clerk>().unwrap();
    assert!(says(&agent, "buy tea for 3").starts_with("Nobody has decided yet."));
    assert_eq!(host.elapsed(), PATIENCE);
    agent.tick().unwrap();
    assert!(host.notified().is_empty());

    let agent = host.start::<Clerk>().unwrap();
    assert!(host.logged().last().unwrap().ends_with("which is asked"), "{:?}", host.logged());
    host.decide("approval-1", Decision::Approved);
    agent.tick().unwrap();
    agent.tick().unwrap();
    assert_eq!(host.notified(), ["I have bought tea for 3. That makes 3 in all."], "once");
    assert_eq!(host.questions().len(), 1, "nobody is asked again");
    assert_eq!(host.run(molecule_guest::memory::latest_checkpoint()), Ok(None), "nothing is left over");
}

#[test]
fn a_message_that_is_handed_out_again_is_the_same_purchase() {
    let host = host().on_ask(|_| Ok(Decision::Approved));
    let message = Message::from_user("buy tea for 3");
    // The handler dies between the decision and the books, as far as anybody can tell.
    let agent = host.start::<Clerk>().unwrap();
    host.fail("memory::get", Error::new("gone"));
    agent.message(message.clone()).unwrap_err();
    host.mend("memory::get");
    host.fail("approvals::get", Error::new("gone"));
    agent.message(message.clone()).unwrap_err();
    host.mend("approvals::get");

    let agent = host.start::<Clerk>().unwrap();
    let bought = "I have bought tea for 3. That makes 3 in all.";
    assert_eq!(agent.message(message.clone()).unwrap().text(), bought);
    // It was done, and only its answer was lost: the books say so.
    assert_eq!(agent.message(message).unwrap().text(), bought);
    assert_eq!(says(&agent, "books"), "- tea: 3\nIn all: 3");
}

#[test]
fn two_callbacks_do_not_work_on_one_purchase() {
    let host = host().decision_takes(Duration::from_secs(5)).on_ask(|_| Ok(Decision::Approved));
    let agent = host.start::<Clerk>().unwrap();
    let message = Message::from_user("buy tea for 3");
    let answers = agent.messages([message.clone(), message]);
    assert!(answers[0].as_ref().unwrap().text().starts_with("I have bought tea"));
    assert!(answers[1].as_ref().unwrap().text().starts_with("Nobody has decided yet"));
    assert_eq!(host.questions().len(), 1);
}

#[test]
fn it_does_not_start_without_memory_or_with_a_limit_that_is_none() {
    let error = Host::new().start::<Clerk>().err().unwrap();
    assert!(
        matches!(&error, Error::Denied(denial) if denial.grant.as_deref() == Some("--allow-memory local"))
    );
    let error = host().config("free-limit", "a lot").start::<Clerk>().err().unwrap();
    assert!(error.to_string().contains("\"a lot\""), "{error}");
}

#[test]
fn it_buys_for_its_user_only() {
    let host = host().config("free-limit", "100");
    let agent = host.start::<Clerk>().unwrap();
    let answer = agent.message(Message::from_peer("ws-2", "eve", "buy gold for 90")).unwrap();
    assert_eq!(answer.text(), "I buy for my user only.");
    assert_eq!(host.value("books"), None);
}
