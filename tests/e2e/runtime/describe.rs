//! An agent says who it is before it may do anything.

use molecule_gate::Kind;
use molecule_runtime::wit::Card;
use molecule_runtime::{Limits, LoadError};
use molecule_tests::guests;

use super::fixture::{component, runtime, soon};

async fn describe(guest: &'static str) -> Result<Card, LoadError> {
    soon(runtime().describe(&component(guest).await, Limits::default())).await
}

/// What a guest's `describe` died of. The guest must not keep it for ever.
async fn died(guest: &'static str) -> String {
    let error = describe(guest).await.expect_err("no card");
    assert!(matches!(error, LoadError::Describe { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_card_holds_what_the_agent_asks_for() {
    let card = describe(guests::ATTRIBUTION).await.unwrap();
    assert_eq!(card.name, "attribution");
    assert_eq!((card.asks.concurrency, card.asks.peers), (Some(8), vec!["*".to_owned()]));
}

/// Open the gate of `describe` and this fails.
#[tokio::test]
async fn nothing_can_be_reached_from_describe() {
    let card = describe(guests::DESCRIBE_EFFECTS).await.unwrap();
    let lines: Vec<&str> = card.description.lines().collect();
    assert!(lines.contains(&r#"workspace.config: ok None"#), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("workspace.me: ok") && line.contains("\"\"")),
        "{lines:?}"
    );
    // An answer, and a file with it, cannot be given here; addresses, files and sockets are no imports of the contract. Of the folder and the
    // sockets there is nothing in an instance that describes itself.
    let none_here = [Kind::Answer, Kind::Attach, Kind::Connect, Kind::Store, Kind::Socket];
    for kind in Kind::ALL.into_iter().filter(|kind| !none_here.contains(kind)) {
        let denied = format!("{}: denied not-started, grant None", kind.name());
        assert!(lines.contains(&denied.as_str()), "no {denied:?} in {lines:?}");
    }
}

/// Let `time.sleep` wait before the start and the guest dies.
#[tokio::test]
async fn describe_cannot_wait() {
    let card = describe(guests::DESCRIBE_SLEEPS).await.unwrap();
    assert_eq!(card.description, "time.sleep: denied not-started, grant None");
}

#[tokio::test]
async fn a_panic_in_describe_is_told_in_its_words() {
    let error = died(guests::DESCRIBE_PANICS).await;
    assert!(error.contains("I do not know who I am (") && error.contains("describe-panics.rs:"), "{error}");
}

#[tokio::test]
async fn a_describe_that_spins_is_ended() {
    let error = died(guests::DESCRIBE_SPINS).await;
    assert!(error.contains("describe did not return within 5s"), "{error}");
}

#[tokio::test]
async fn a_describe_that_sleeps_by_wasi_is_ended() {
    let error = died(guests::DESCRIBE_BLOCKS).await;
    assert!(error.contains("describe did not return within 5s"), "{error}");
}
