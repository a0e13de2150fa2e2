//! The denial matrix: every import of the contract, without its grant and with it.

use std::collections::BTreeSet;

use molecule_gate::{Gate, Grants, Kind, Limits};
use molecule_tests::guests;

use super::fixture::{What, agent, peers};

/// What stands between an agent and an import.
enum Guard {
    /// Nothing: it tells the agent of itself, or only its operator hears of it.
    None,
    /// It must have started.
    Start,
    /// It must have started, and somebody must have granted this.
    Grant(&'static str),
}

/// An import as the guest `effects` calls it, what guards it, and what comes of it when it is granted.
struct Row {
    call: &'static str,
    guard: Guard,
    done: &'static str,
}

/// Every import has a row: a test below compares them with `wit/` and with the gate's kinds of effects.
const ROWS: [Row; 8] = [
    Row { call: "workspace.me", guard: Guard::None, done: "ok Identity" },
    Row { call: "workspace.config key", guard: Guard::None, done: "ok None" },
    Row { call: "workspace.set-task sorting", guard: Guard::Start, done: "ok ()" },
    Row { call: "messages.notify hello", guard: Guard::Start, done: "ok ()" },
    Row { call: "peers.list", guard: Guard::Grant("--allow-peer '*'"), done: "ok [\"bob\"" },
    Row { call: "peers.call bob hello", guard: Guard::Grant("--allow-peer bob"), done: "ok Answer" },
    Row { call: "log.write hello", guard: Guard::None, done: "ok ()" },
    Row { call: "time.sleep 1", guard: Guard::Start, done: "ok ()" },
];

impl Row {
    fn import(&self) -> &'static str {
        self.call.split(' ').next().unwrap_or(self.call)
    }
}

/// Take `Gate::pass` out of any import and this fails.
#[tokio::test]
async fn every_import_is_denied_without_its_grant_and_passes_with_it() {
    let closed = agent(guests::EFFECTS).gate(Gate::closed()).start().await;
    for row in &ROWS {
        let before_the_start = closed.ask(row.call).await;
        let expected = match row.guard {
            Guard::None => format!("{}: {}", row.import(), row.done),
            Guard::Start | Guard::Grant(_) => format!("{}: denied not-started, grant None", row.import()),
        };
        assert!(before_the_start.starts_with(&expected), "{before_the_start} is not {expected}");

        let mut without = agent(guests::EFFECTS).start().await;
        let answer = without.ask(row.call).await;
        let granted = match row.guard {
            Guard::None | Guard::Start => Grants::default(),
            Guard::Grant(grant) => {
                assert_eq!(answer, format!("{}: denied peer, grant Some({grant:?})", row.import()));
                assert!(
                    without.all_asked().is_empty(),
                    "{}: it was denied and yet it was done",
                    row.import()
                );
                let peer = grant.strip_prefix("--allow-peer ").unwrap().trim_matches('\'');
                peers(&[peer])
            }
        };
        let with = agent(guests::EFFECTS).granted(granted).start().await;
        let answer = with.ask(row.call).await;
        assert!(answer.starts_with(&format!("{}: {}", row.import(), row.done)), "{answer}");
    }
    assert!(closed.gate.receipts().latest().iter().all(|receipt| receipt.denied.is_some()));
}

#[test]
fn every_import_of_the_contract_has_a_row() {
    let wit = include_str!("../../../wit/0.1.0/imports.wit");
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.import().to_owned()).collect();
    assert_eq!(functions(wit), rows);
}

#[test]
fn every_effect_of_the_gate_is_guarded() {
    let guarded: BTreeSet<_> =
        ROWS.iter().filter(|row| !matches!(row.guard, Guard::None)).map(Row::import).collect();
    // What passes the gate elsewhere, and what is guarded though it has no effect: waiting.
    let elsewhere = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Answer).map(Kind::name);
    assert_eq!(elsewhere.chain(["time.sleep"]).collect::<BTreeSet<_>>(), guarded);
}

/// The functions of a WIT file, as `interface.function`.
fn functions(wit: &str) -> BTreeSet<String> {
    let mut interface = "";
    let mut found = BTreeSet::new();
    for line in wit.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if let Some(name) = line.strip_prefix("interface ") {
            interface = name.trim_end_matches(" {");
        } else if let Some((name, kind)) = line.split_once(": ")
            && (kind.starts_with("func(") || kind.starts_with("async func("))
        {
            found.insert(format!("{interface}.{}", name.trim_start_matches('%')));
        }
    }
    found
}

#[tokio::test]
async fn a_grant_of_one_peer_is_no_grant_of_another() {
    let mut running = agent(guests::EFFECTS).granted(peers(&["bob"])).start().await;
    assert_eq!(
        running.ask("peers.call eve hello").await,
        "peers.call: denied peer, grant Some(\"--allow-peer eve\")"
    );
    assert!(running.all_asked().is_empty());
    // Nor is it shown.
    assert_eq!(running.ask("peers.list").await, "peers.list: ok [\"bob\"]");
}

#[tokio::test]
async fn what_is_larger_than_allowed_is_not_sent() {
    let limits = Limits { message_bytes: 10, ..Limits::default() };
    let mut running = agent(guests::EFFECTS).granted(Grants { limits, ..peers(&["*"]) }).start().await;
    for call in ["messages.notify", "peers.call bob", "workspace.set-task"] {
        let answer = running.ask(&format!("{call} 12345678901")).await;
        assert!(answer.contains("too large") && answer.contains("11 bytes"), "{answer}");
        assert!(running.all_asked().is_empty(), "{call}");
        let answer = running.ask(&format!("{call} 1234567890")).await;
        assert!(answer.contains(": ok"), "{answer}");
        assert_eq!(running.all_asked().len(), 1, "{call}");
    }
}

#[tokio::test]
async fn what_comes_too_often_is_told_when_to_come_again() {
    let limits = Limits { messages_per_minute: 2, ..Limits::default() };
    for call in ["messages.notify hello", "peers.call bob hello", "peers.list"] {
        let grants = Grants { limits: limits.clone(), ..peers(&["*"]) };
        let mut running = agent(guests::EFFECTS).granted(grants).start().await;
        for _ in 0..2 {
            assert!(running.ask(call).await.contains(": ok"), "{call}");
        }
        let answer = running.ask(call).await;
        assert!(answer.contains("rate limited") && answer.contains("try again in"), "{answer}");
        assert_eq!(running.all_asked().len(), 2, "{call}");
    }
}

#[tokio::test]
async fn what_is_done_is_what_was_asked_for() {
    let mut running = agent(guests::EFFECTS).granted(peers(&["*"])).start().await;
    assert_eq!(running.ask("all").await.lines().filter(|line| line.contains(": ok")).count(), ROWS.len());
    let asked: Vec<_> = running.all_asked().into_iter().map(|asked| asked.what).collect();
    let [What::SetTask { task, .. }, notify, list, call] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(task.as_deref(), Some("trying everything"));
    assert_eq!(*notify, What::Notify("hello user".to_owned()));
    assert_eq!(*list, What::ListPeers);
    assert_eq!(*call, What::CallPeer { id: "id-of-bob".to_owned(), text: "hello bob".to_owned() });
}
