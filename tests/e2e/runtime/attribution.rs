//! Every import call is put down to the message on whose behalf it was made, by the runtime and not by the agent.

use std::time::Duration;

use molecule_gate::Kind;
use molecule_runtime::wit::StopReason;
use molecule_tests::guests;

use super::fixture::{Running, What, agent, peers, soon, text};

const MESSAGES: [&str; 8] = ["m-0", "m-1", "m-2", "m-3", "m-4", "m-5", "m-6", "m-7"];

/// Eight messages in flight, each with several calls under way at once, before and after waiting. The id of each is its
/// text, and it says so in every call.
#[tokio::test]
async fn every_call_of_eight_messages_in_flight_is_put_down_to_its_own() {
    let mut running = agent(guests::ATTRIBUTION).concurrency(8).granted(peers(&["*"])).start().await;
    let sent = MESSAGES.map(|id| running.send(id));
    for (id, delivery) in MESSAGES.iter().zip(sent) {
        assert_eq!(text(&soon(delivery).await.unwrap()), *id);
    }
    let receipts = running.gate.receipts().latest();
    let mut calls = 0;
    for asked in running.all_asked() {
        let (said, put_down_to) = match asked.what {
            What::Notify(text) => (text.split(' ').next().unwrap().to_owned(), asked.message),
            What::CallPeer { text, .. } => (text, asked.message),
            // Synchronous, and without attribution of its own: the gate's receipt has it.
            What::SetTask { task, receipt } => {
                let receipt = receipts.iter().find(|it| it.number == receipt).expect("a receipt");
                assert_eq!(receipt.kind, Kind::SetTask);
                (task.unwrap(), receipt.message.clone())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(Some(said), put_down_to);
        calls += 1;
    }
    assert_eq!(calls, 4 * MESSAGES.len());
    for receipt in receipts {
        assert!(receipt.message.is_some_and(|id| MESSAGES.contains(&id.as_str())));
    }
    let lines = running.all_lines();
    assert_eq!(lines.len(), 3 * MESSAGES.len());
    for line in lines {
        let [(_, said)] = line.fields.as_slice() else { panic!("{line:?}") };
        assert_eq!(line.message.as_ref(), Some(said));
    }
}

#[tokio::test]
async fn a_call_says_in_which_callback_it_was_made() {
    let mut running =
        agent(guests::TICKS).options(|options| options.tick = Some(Duration::from_millis(1))).start().await;
    let asked = running.asked().await;
    assert_eq!((asked.callback, asked.message), ("on-tick", None));
    soon(running.actor.stop(StopReason::Shutdown, Duration::ZERO)).await;

    let mut running = agent(guests::FLIGHTS).start().await;
    running.ask("hold").await;
    let asked = running.asked().await;
    assert_eq!((asked.callback, asked.message.as_deref()), ("on-message", Some("hold")));
}

#[tokio::test]
async fn work_that_a_message_left_behind_is_still_its_own() {
    let mut running = agent(guests::FLIGHTS).held().start().await;
    assert_eq!(running.ask("later").await, "later");
    for expected in ["later", "later still"] {
        let asked = running.asked().await;
        assert_eq!(asked.what, What::Notify(expected.to_owned()));
        assert_eq!((asked.callback, asked.message.as_deref()), ("on-message", Some("later")));
        asked.answer();
    }
    // Its lines, too.
    let mut heard = running.line().await;
    while heard.text != "later still: ok ()" {
        heard = running.line().await;
    }
    assert_eq!(heard.message.as_deref(), Some("later"));
}

/// The component model numbers its tasks anew when they have ended. Forget a call by the number that another one has
/// now, and this fails.
#[tokio::test]
async fn a_long_message_keeps_its_calls_however_many_pass_it_by() {
    let mut running = agent(guests::EFFECTS).concurrency(2).granted(peers(&["*"])).held().start().await;
    pass_by(&running, 8).await;
    let long = running.send("all");
    let set_task = running.asked().await;
    assert!(matches!(set_task.what, What::SetTask { .. }));
    for _ in 0..3 {
        let asked = running.asked().await;
        assert_eq!(asked.message.as_deref(), Some("all"), "{:?}", asked.what);
        pass_by(&running, 300).await;
        asked.answer();
    }
    text(&soon(long).await.unwrap());
}

/// So many messages come and go.
async fn pass_by(running: &Running, count: usize) {
    for _ in 0..count {
        running.ask("workspace.me").await;
    }
}
