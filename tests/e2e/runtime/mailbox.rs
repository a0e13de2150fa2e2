//! How many messages an agent has at once, in which order, and who waits.

use std::task::Poll;

use molecule_tests::guests;

use super::fixture::{Asked, agent, message, soon, text};

#[tokio::test]
async fn with_one_at_a_time_no_two_interleave() {
    let mut running = agent(guests::FLIGHTS).held().start().await;
    let first = running.send("hold");
    let second = running.send("echo");
    let asked = running.asked().await;
    asked.answer();
    text(&soon(first).await.unwrap());
    assert_eq!(text(&soon(second).await.unwrap()), "echo");
    let said: Vec<_> = running.all_lines().into_iter().map(|line| line.text).collect();
    assert_eq!(said, ["hold", "hold: ok ()", "echo"]);
}

#[tokio::test]
async fn with_more_at_a_time_they_do_and_never_more_than_that() {
    let mut running = agent(guests::FLIGHTS).concurrency(3).held().start().await;
    let held = [(); 4].map(|()| running.send("hold"));
    let mut asked = vec![running.asked().await, running.asked().await, running.asked().await];
    assert!(running.all_asked().is_empty(), "a fourth is in flight");
    // One ends, and the fourth has its place.
    asked.remove(0).answer();
    asked.push(running.asked().await);
    asked.into_iter().for_each(Asked::answer);
    for delivery in held {
        assert_eq!(text(&soon(delivery).await.unwrap()), "ok ()");
    }
}

/// `wait` ends only when `go` has come: with one at a time it never would.
#[tokio::test]
async fn one_message_can_wake_another_within_the_guest() {
    let running = agent(guests::RENDEZVOUS).concurrency(2).start().await;
    let waits = running.send("wait");
    // It may come before the other waits; then it wakes nobody.
    while running.ask("go").await == "woke 0" {}
    assert_eq!(text(&soon(waits).await.unwrap()), "went");
}

#[tokio::test]
async fn messages_are_handled_in_the_order_in_which_they_came() {
    let mut running = agent(guests::NOTIFIES).options(|options| options.mailbox = 2).start().await;
    let sent: Vec<_> = (1..=10).map(|count| running.send(&count.to_string())).collect();
    for delivery in sent {
        assert_eq!(text(&soon(delivery).await.unwrap()), "done");
    }
    let mut order: Vec<u32> = Vec::new();
    for asked in running.all_asked() {
        let message = asked.message.unwrap().parse().unwrap();
        if order.last() != Some(&message) {
            order.push(message);
        }
    }
    assert_eq!(order, (1..=10).collect::<Vec<_>>());
}

/// Make the mailbox unbounded, or take more than one out of it, and this fails.
#[tokio::test]
async fn a_full_mailbox_makes_the_sender_wait() {
    let mut running = agent(guests::FLIGHTS).held().options(|options| options.mailbox = 2).start().await;
    let held = running.send("hold");
    let asked = running.asked().await;
    // One is next, two are in the mailbox: they are the actor's, whether or not anybody waits for them. The others are
    // still their senders'.
    for text in ["next", "first", "second", "third", "fourth"] {
        let mut delivery = Box::pin(running.actor.deliver(message(text)));
        // The actor takes out the next one as soon as it can.
        for _ in 0..10 {
            assert!(matches!(futures::poll!(&mut delivery), Poll::Pending));
            tokio::task::yield_now().await;
        }
    }
    asked.answer();
    text(&soon(held).await.unwrap());
    assert_eq!(running.ask("last").await, "last");
    let said: Vec<_> = running.all_lines().into_iter().map(|line| line.text).collect();
    assert_eq!(said, ["hold", "hold: ok ()", "next", "first", "second", "last"]);
}
