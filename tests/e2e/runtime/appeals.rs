//! Denials that somebody is asked about before the agent is told.

use std::time::Duration;

use molecule_gate::{Gate, Grants, Limits};
use molecule_runtime::{Appeal, Delivery};
use molecule_tests::guests;

use super::fixture::{What, agent, peers};

/// What the guest `effects` is told to do, and the grant that it lacks for that.
const LACKING: [(&str, &str); 6] = [
    ("messages.notify 12345678901", "--max-message-bytes 11"),
    ("peers.list", "--allow-peer '*'"),
    ("peers.call bob hello", "--allow-peer bob"),
    ("http.fetch GET https://api.example.com/v1", "--allow-net https://api.example.com/v1"),
    ("http.read GET https://api.example.com/v1", "--allow-net https://api.example.com/v1"),
    ("secrets.reveal KEY", "--allow-reveal KEY"),
];

fn nothing() -> Grants {
    Grants { limits: Limits { message_bytes: 10, ..Limits::default() }, ..Grants::default() }
}

/// Let any of these imports pass without an appeal and this fails.
#[tokio::test]
async fn what_is_allowed_once_is_done_once() {
    for (call, grant) in LACKING {
        let mut running = agent(guests::EFFECTS).granted(nothing()).appealing(Appeal::Once).start().await;
        for _ in 0..2 {
            let answer = running.ask(call).await;
            assert!(answer.contains(": ok"), "{answer}");
            // Asked about, and then done: each time anew.
            let asked: Vec<What> = running.all_asked().into_iter().map(|asked| asked.what).collect();
            assert_eq!(asked[0], What::Appeal(grant.to_owned()));
            assert_eq!(asked.len(), 2, "{asked:?}");
        }
        assert_eq!(*running.gate.grants(), nothing());
        assert!(running.gate.receipts().latest().iter().all(|receipt| receipt.denied.is_none()));
    }
}

#[tokio::test]
async fn what_is_listed_once_is_all_that_was_allowed() {
    let running = agent(guests::EFFECTS).appealing(Appeal::Once).start().await;
    assert_eq!(running.ask("peers.list").await, "peers.list: ok [\"bob\", \"eve\"]");
}

#[tokio::test]
async fn a_peer_that_is_allowed_is_looked_up_after_that() {
    let mut running = agent(guests::EFFECTS).appealing(Appeal::Once).start().await;
    running.ask("peers.call bob hello").await;
    let asked: Vec<What> = running.all_asked().into_iter().map(|asked| asked.what).collect();
    let called = What::CallPeer { id: "id-of-bob".to_owned(), text: "hello".to_owned() };
    assert_eq!(asked, [What::Appeal("--allow-peer bob".to_owned()), called]);
}

#[tokio::test]
async fn a_denial_that_stands_is_the_same_as_without_an_appeal() {
    for appeal in [Appeal::Denied, Appeal::Granted] {
        for (call, _) in LACKING {
            let mut with = agent(guests::EFFECTS).granted(nothing()).appealing(appeal).start().await;
            let without = agent(guests::EFFECTS).granted(nothing()).start().await;
            // That it was granted is the gate's to know, not the one who says so.
            assert_eq!(with.ask(call).await, without.ask(call).await);
            assert_eq!(with.all_asked().len(), 1, "{call}: {appeal:?}");
            assert_eq!(with.gate.receipts().latest().last().unwrap().number, 1);
        }
    }
}

#[tokio::test]
async fn what_no_grant_changes_and_what_comes_too_often_is_not_asked_about() {
    let limits = Limits { messages_per_minute: 1, ..Limits::default() };
    let mut running = agent(guests::EFFECTS)
        .granted(Grants { limits, ..peers(&["*"]) })
        .appealing(Appeal::Once)
        .start()
        .await;
    for call in ["messages.notify hello", "peers.call bob hello"] {
        assert!(running.ask(call).await.contains(": ok"), "{call}");
        assert!(running.ask(call).await.contains("rate limited"), "{call}");
        assert_eq!(running.all_asked().len(), 1, "{call}: only what was allowed");
    }

    let mut closed = agent(guests::EFFECTS).gate(Gate::closed()).appealing(Appeal::Once).start().await;
    for (call, _) in LACKING {
        assert!(closed.ask(call).await.contains("not-started"), "{call}");
    }
    assert!(closed.all_asked().is_empty());

    let mut sockets = agent(guests::WASI_REACH).appealing(Appeal::Once).start().await;
    assert!(sockets.ask("127.0.0.1:1").await.contains("tcp-connect: error"));
    assert!(sockets.all_asked().is_empty());
}

#[tokio::test]
async fn a_client_of_wasi_http_is_asked_about_as_well() {
    let mut once = agent(guests::WSTD_CLIENT).appealing(Appeal::Once).start().await;
    assert!(once.ask("https://api.example.com/v1").await.starts_with("200 GET"));
    let asked: Vec<What> = once.all_asked().into_iter().map(|asked| asked.what).collect();
    assert_eq!(asked[0], What::Appeal("--allow-net https://api.example.com/v1".to_owned()));
    let denied = agent(guests::WSTD_CLIENT).appealing(Appeal::Denied).start().await;
    assert!(denied.ask("https://api.example.com/v1").await.starts_with("error "));
}

/// Await the appeal beside the cancellation of the call and this never ends.
#[tokio::test]
async fn the_wait_for_an_answer_ends_with_the_call() {
    for guest in [guests::EFFECTS, guests::WSTD_CLIENT] {
        let mut running = agent(guest)
            .appealing(Appeal::Once)
            .options(|options| options.callback_time = Duration::from_millis(200))
            .held()
            .start()
            .await;
        let call = match guest {
            guests::EFFECTS => "http.fetch GET https://api.example.com/v1",
            _ => "https://api.example.com/v1",
        };
        let delivery = running.send(call);
        let appeal = running.asked().await;
        assert!(matches!(appeal.what, What::Appeal(_)), "{appeal:?}");
        assert_eq!(appeal.message.as_deref(), Some(call));
        appeal.given_up().await;
        let delivery = delivery.await.unwrap();
        assert!(!matches!(delivery, Delivery::Handled(Ok(_), _)), "{delivery:?}");
        assert!(running.all_asked().is_empty(), "it was not done");
    }
}
