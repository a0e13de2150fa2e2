//! The denial matrix: every import of the contract, without its grant and with it.

use std::collections::BTreeSet;

use molecule_gate::{Gate, Grant, Grants, Kind, Limits};
use molecule_tests::guests;

use super::fixture::{What, agent, peers};

/// What stands between an agent and an import.
enum Guard {
    /// Nothing: it tells the agent of itself, or only its operator hears of it.
    None,
    /// It must have started.
    Start,
    /// It must have started, and somebody must have granted this: the rule that denies it otherwise, and the grant.
    Grant(&'static str, &'static str),
}

/// An import as the guest `effects` calls it, what guards it, and what comes of it when it is granted.
struct Row {
    call: &'static str,
    guard: Guard,
    done: &'static str,
}

/// Every import has a row: a test below compares them with `wit/` and with the gate's kinds of effects.
const ROWS: [Row; 19] = [
    Row { call: "workspace.me", guard: Guard::None, done: "ok Identity" },
    Row { call: "workspace.config key", guard: Guard::None, done: "ok None" },
    Row { call: "workspace.set-task sorting", guard: Guard::Start, done: "ok ()" },
    Row { call: "messages.notify hello", guard: Guard::Start, done: "ok ()" },
    Row { call: "peers.list", guard: Guard::Grant("peer", "--allow-peer '*'"), done: "ok [\"bob\"" },
    Row { call: "peers.call bob hello", guard: Guard::Grant("peer", "--allow-peer bob"), done: "ok Answer" },
    Row { call: "http.fetch GET https://api.example.com/v1", guard: NET, done: "ok 200" },
    Row { call: "http.read GET https://api.example.com/v1", guard: NET, done: "ok \"GET https://api" },
    Row { call: "http.pipe", guard: Guard::None, done: "ok ()" },
    Row { call: "http.write piece", guard: Guard::None, done: "ok ()" },
    Row { call: "http.finish", guard: Guard::None, done: "ok ()" },
    Row { call: "secrets.names", guard: Guard::None, done: "ok [\"KEY\"]" },
    Row {
        call: "secrets.reveal KEY",
        guard: Guard::Grant("reveal", "--allow-reveal KEY"),
        done: "ok \"value of KEY\"",
    },
    Row { call: "storage.measure", guard: Guard::None, done: "ok None" },
    Row {
        call: "plugins.install dev github://acme/dev#v1",
        guard: Guard::Grant("plugin", "--allow-plugin 'dev@github://acme/dev#v1'"),
        done: "ok \"dev\"",
    },
    Row { call: "plugins.list", guard: Guard::None, done: "ok []" },
    Row { call: "plugins.remove dev", guard: Guard::Grant("plugin", "--allow-plugin dev"), done: "ok ()" },
    Row { call: "log.write hello", guard: Guard::None, done: "ok ()" },
    Row { call: "time.sleep 1", guard: Guard::Start, done: "ok ()" },
];

const NET: Guard = Guard::Grant("network", "--allow-net https://api.example.com/v1");

/// The imports that the guest `contract` calls. Behind the gate stand services that have none of these: that they were
/// asked is seen from what they say.
const KEPT: [Row; 26] = [
    Row { call: "workspace.register", guard: Guard::Start, done: ABSENT },
    Row { call: "workspace.heartbeat", guard: Guard::Start, done: ABSENT },
    Row { call: "workspace.state", guard: Guard::Start, done: ABSENT },
    Row { call: "messages.open workspace:/a.txt", guard: Guard::Start, done: ABSENT },
    Row { call: "messages.history user", guard: Guard::Start, done: ABSENT },
    Row { call: "messages.progress status at it", guard: Guard::Start, done: "ok" },
    Row { call: "messages.is-canceled", guard: Guard::None, done: "ok false" },
    Row { call: "peers.discover bob", guard: PEER, done: ABSENT },
    Row { call: "peers.invalidate bob", guard: Guard::None, done: "ok" },
    Row { call: "peers.delegate bob key do it", guard: PEER, done: ABSENT },
    Row { call: "peers.delegation d-1", guard: Guard::Start, done: ABSENT },
    Row { call: "peers.delegations", guard: Guard::Start, done: ABSENT },
    Row { call: "memory.get key", guard: MEMORY, done: ABSENT },
    Row { call: "memory.set key 1", guard: MEMORY, done: ABSENT },
    Row { call: "memory.delete key", guard: MEMORY, done: ABSENT },
    Row { call: "memory.list", guard: MEMORY, done: ABSENT },
    Row {
        call: "memory.commit global - a fact",
        guard: Guard::Grant("memory", "--allow-memory global"),
        done: ABSENT,
    },
    Row {
        call: "memory.search team - fact",
        guard: Guard::Grant("memory", "--allow-memory team"),
        done: ABSENT,
    },
    Row { call: "memory.forget m-1", guard: MEMORY, done: ABSENT },
    Row { call: "memory.save-checkpoint work step 0 1", guard: MEMORY, done: ABSENT },
    Row { call: "memory.checkpoints work", guard: MEMORY, done: ABSENT },
    Row { call: "memory.latest-checkpoint", guard: MEMORY, done: ABSENT },
    Row { call: "memory.clear-checkpoints work", guard: MEMORY, done: ABSENT },
    Row { call: "approvals.ask may I", guard: Guard::Start, done: ABSENT },
    Row { call: "approvals.get a-1", guard: Guard::Start, done: ABSENT },
    Row { call: "approvals.list", guard: Guard::Start, done: ABSENT },
];

const PEER: Guard = Guard::Grant("peer", "--allow-peer bob");
const MEMORY: Guard = Guard::Grant("memory", "--allow-memory local");
const ABSENT: &str = "error: not-found this host has no such thing";

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
            Guard::Start | Guard::Grant(..) => format!("{}: denied not-started, grant None", row.import()),
        };
        assert!(before_the_start.starts_with(&expected), "{before_the_start} is not {expected}");

        let mut without = agent(guests::EFFECTS).start().await;
        let answer = without.ask(row.call).await;
        let granted = match row.guard {
            Guard::None | Guard::Start => Grants::default(),
            Guard::Grant(rule, grant) => {
                assert_eq!(answer, format!("{}: denied {rule}, grant Some({grant:?})", row.import()));
                assert!(
                    without.all_asked().is_empty(),
                    "{}: it was denied and yet it was done",
                    row.import()
                );
                pasted(grant)
            }
        };
        let with = agent(guests::EFFECTS).granted(granted).start().await;
        let answer = with.ask(row.call).await;
        assert!(answer.starts_with(&format!("{}: {}", row.import(), row.done)), "{answer}");
    }
    assert!(closed.gate.receipts().latest().iter().all(|receipt| receipt.denied.is_some()));
}

/// The same for what the guest `contract` calls.
#[tokio::test]
async fn nothing_that_the_platform_keeps_is_reached_without_its_grant() {
    let closed = agent(guests::CONTRACT).gate(Gate::closed()).start().await;
    let none = agent(guests::CONTRACT).start().await;
    for row in &KEPT {
        let (before, denied, granted) = match row.guard {
            Guard::None => (row.done.to_owned(), row.done.to_owned(), Grants::default()),
            Guard::Start => {
                ("error: denied not-started, grant none".to_owned(), row.done.to_owned(), Grants::default())
            }
            Guard::Grant(rule, grant) => (
                "error: denied not-started, grant none".to_owned(),
                format!("error: denied {rule}, grant {grant}"),
                pasted(grant),
            ),
        };
        assert_eq!(closed.ask(row.call).await, before, "{} before the start", row.call);
        assert_eq!(none.ask(row.call).await, denied, "{} without a grant", row.call);
        let with = agent(guests::CONTRACT).granted(granted).start().await;
        assert_eq!(with.ask(row.call).await, row.done, "{} with its grant", row.call);
    }
}

#[test]
fn every_import_of_the_contract_has_a_row() {
    let wit = include_str!("../../../wit/0.1.0/imports.wit");
    let rows: BTreeSet<_> = ROWS.iter().chain(&KEPT).map(|row| row.import().to_owned()).collect();
    assert_eq!(functions(wit), rows);
}

#[test]
fn every_effect_of_the_gate_is_guarded() {
    let rows = ROWS.iter().chain(&KEPT);
    // Several imports may be one effect.
    let effect = |row: &Row| match row.import() {
        "memory.get"
        | "memory.list"
        | "memory.search"
        | "memory.checkpoints"
        | "memory.latest-checkpoint" => "memory.read",
        it if it.starts_with("memory.") => "memory.write",
        "approvals.get" | "approvals.list" => "approvals.read",
        "peers.delegations" => "peers.delegation",
        it => it,
    };
    let guarded: BTreeSet<_> = rows.filter(|row| !matches!(row.guard, Guard::None)).map(effect).collect();
    // What passes the gate elsewhere: answers and their files in the session, addresses in the egress, files and sockets
    // in WASI.
    let elsewhere = [Kind::Answer, Kind::Attach, Kind::Connect, Kind::Store, Kind::Socket];
    let here = Kind::ALL.into_iter().filter(|kind| !elsewhere.contains(kind)).map(Kind::name);
    // What is guarded though it has no effect of its own: waiting, and reading what was fetched.
    assert_eq!(here.chain(["time.sleep", "http.read"]).collect::<BTreeSet<_>>(), guarded);
}

/// What an operator who pastes a grant has granted.
fn pasted(grant: &str) -> Grants {
    let (flag, value) = grant.split_once(' ').unwrap();
    let value = value.trim_matches('\'');
    let mut grants = Grants::default();
    grants.add(match flag {
        "--allow-peer" => Grant::Peer(value.parse().unwrap()),
        "--allow-net" => Grant::Net(value.parse().unwrap()),
        "--allow-reveal" => Grant::Reveal(value.parse().unwrap()),
        "--allow-plugin" => Grant::Plugin(value.parse().unwrap()),
        "--allow-memory" => Grant::Memory(value.parse().unwrap()),
        other => panic!("no test pastes {other}"),
    });
    grants
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
    let mut grants = peers(&["*"]);
    grants.net.push("GET https://api.example.com/**".parse().unwrap());
    grants.reveal.push("KEY".parse().unwrap());
    grants.plugins.push("dev".parse().unwrap());
    let mut running = agent(guests::EFFECTS).granted(grants).start().await;
    assert_eq!(running.ask("all").await.lines().filter(|line| line.contains(": ok")).count(), ROWS.len());
    let asked: Vec<_> = running.all_asked().into_iter().map(|asked| asked.what).collect();
    let [What::SetTask { task, .. }, notify, list, call, fetch, read, reveal, install, remove] =
        asked.as_slice()
    else {
        panic!("{asked:?}")
    };
    assert_eq!(task.as_deref(), Some("trying everything"));
    assert_eq!(*notify, What::Notify("hello user".to_owned()));
    assert_eq!(*list, What::ListPeers);
    assert_eq!(*call, What::CallPeer { id: "id-of-bob".to_owned(), text: "hello bob".to_owned() });
    assert_eq!(*fetch, What::Fetch("GET https://api.example.com/v1".to_owned()));
    assert_eq!(read, fetch);
    assert_eq!(*reveal, What::Reveal("KEY".to_owned()));
    assert_eq!(*install, What::InstallPlugin("dev from local://dev".to_owned()));
    assert_eq!(*remove, What::RemovePlugin("dev".to_owned()));
}
