//! The contract beyond messages, over the local platform: files, history, progress, delegations, memory, approvals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use molecule_host::{AgentSpec, Event};
use molecule_tests::canvas::{PATIENCE, Workspace};
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;
use reqwest::Method;
use serde_json::json;

/// The guest `contract` with these flags as its grants.
fn granted(world: &World, workspace: &Workspace, memory: Option<&str>) -> AgentSpec {
    let mut spec = spec(world.url(), workspace);
    spec.grants.peers.push("*".parse().unwrap());
    spec.grants.memory = memory.map(|scope| scope.parse().unwrap());
    spec
}

/// An agent that does what the lines of a message say.
struct Doer<'a> {
    world: &'a World,
    workspace: Workspace,
    agent: Embedded,
    answers: usize,
}

impl<'a> Doer<'a> {
    async fn start(world: &'a World, name: &str, memory: Option<&str>) -> Self {
        let workspace = world.create(name).await;
        let host = host(&world.path(name)).await;
        let agent = Embedded::start(&host, guests::CONTRACT, granted(world, &workspace, memory)).await;
        Self { world, workspace, agent, answers: 0 }
    }

    /// What it answers to this.
    async fn does(&mut self, lines: &str) -> String {
        self.world.say(&self.workspace, lines).await;
        self.next().await
    }

    /// What it says next.
    async fn next(&mut self) -> String {
        self.answers += 1;
        self.world.answered(&self.workspace, self.answers).await.swap_remove(self.answers - 1)
    }
}

#[tokio::test]
async fn an_agent_keeps_values_memories_and_checkpoints_across_hosts() {
    let world = World::new().await;
    let mut alice = Doer::start(&world, "alice", Some("global")).await;
    let kept = "memory.set color if=0 \"blue\"\nmemory.set color if=0 \"red\"\nmemory.set color if=1 \"green\"\n\
                memory.get color\nmemory.get none\nmemory.save-checkpoint trip book 1 {\"seat\":7}\n\
                memory.save-checkpoint trip pack 0\nmemory.checkpoints trip";
    let said = alice.does(kept).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "ok 1");
    assert!(lines[1].starts_with("error: conflict color is of version 1"), "{}", lines[1]);
    assert_eq!(lines[2..5], ["ok 2", "ok color v2 \"green\"", "ok none"]);
    assert_eq!(lines[7], "ok trip pack 0 -; trip book 1 {\"seat\":7}");
    alice.agent.stop().await;

    let host = host(&world.path("alice")).await;
    let spec = granted(&world, &alice.workspace, Some("global"));
    alice.agent = Embedded::start(&host, guests::CONTRACT, spec).await;
    let said = alice.does("memory.get color\nmemory.latest-checkpoint\nmemory.clear-checkpoints trip\nmemory.checkpoints trip").await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "ok color v2 \"green\"");
    assert!(lines[1].starts_with("ok trip "), "{}", lines[1]);
    assert_eq!(lines[2..], ["ok", "ok"]);

    let said = alice.does("memory.commit local notes the user likes tea\nmemory.search local notes tea\nmemory.search local - coffee").await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[1].ends_with(" local notes the user likes tea"), "{said}");
    assert_eq!(lines[2], "ok");
    let id = lines[0].strip_prefix("ok ").unwrap();
    assert_eq!(alice.does(&format!("memory.forget {id}\nmemory.search local - tea")).await, "ok\nok");
}

#[tokio::test]
async fn memory_of_a_scope_that_was_not_granted_is_not_read() {
    let world = World::new().await;
    let mut alice = Doer::start(&world, "alice", Some("team")).await;
    let said = alice
        .does("memory.commit team - a fact\nmemory.commit global - a fact\nmemory.search global - a")
        .await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("ok "), "{said}");
    assert_eq!(lines[1..], ["error: denied memory, grant --allow-memory global"; 2]);
}

#[tokio::test]
async fn a_person_decides_and_the_agent_reads_it() {
    let world = World::new().await;
    let mut alice = Doer::start(&world, "alice", None).await;
    let said = alice.does("approvals.ask buy a ticket | it is cheap").await;
    let id = said.strip_prefix("ok ").unwrap().to_owned();
    assert_eq!(alice.does(&format!("approvals.get {id}")).await, format!("ok {id} pending - buy a ticket"));
    world.say(&alice.workspace, &format!("approvals.wait {id} 60")).await;
    let decide = format!("/workspaces/{}/approvals/{id}/decide", alice.workspace.id);
    world
        .ask(Method::POST, &decide, None, Some(&json!({ "decision": "approved", "decided_by": "eve" })))
        .await;
    assert_eq!(alice.next().await, format!("ok {id} approved eve buy a ticket"));
    assert_eq!(alice.does("approvals.list").await, format!("ok {id} approved eve buy a ticket"));
    assert!(alice.does("approvals.get nothing").await.starts_with("error: not-found "));
}

#[tokio::test]
async fn the_workspace_is_announced_again_and_seen() {
    let world = World::new().await;
    let mut alice = Doer::start(&world, "alice", None).await;
    assert_eq!(
        alice.does("workspace.state\nworkspace.heartbeat\nworkspace.register nimble").await,
        "ok online\nok\nok"
    );
    let shown = |record: &serde_json::Value| record["agent_card"]["skills"].is_array();
    let record = world.record(&alice.workspace, "a card", shown).await;
    assert_eq!(record["agent_card"]["name"], "contract", "it keeps the name that its operator gave it");
    let bob = world.create("bob").await;
    let said =
        alice.does("peers.discover bob\npeers.discover nobody\npeers.invalidate\npeers.discover bob").await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("error: unavailable "), "bob has not connected yet: {said}");
    assert!(lines[1].starts_with("error: not-found no peer of this workspace"), "{said}");
    drop(bob);
}

#[tokio::test]
async fn what_was_said_is_read_back_oldest_first() {
    let world = World::new().await;
    let mut alice = Doer::start(&world, "alice", None).await;
    alice.does("workspace.state").await;
    let said = alice.does("messages.history user").await;
    let entries: Vec<&str> = said.strip_prefix("ok ").unwrap().split("; ").collect();
    let ways: Vec<String> =
        entries.iter().map(|it| it.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(ways, ["received user", "sent user", "received user"], "{said}");
    assert!(entries[0].ends_with(" workspace.state") && entries[1].ends_with(" ok online"), "{said}");
}

#[tokio::test]
async fn what_was_told_stands_at_the_beginning_of_the_answer() {
    let world = World::new().await;
    let mut alice = Doer::start(&world, "alice", None).await;
    let said = alice
        .does("messages.progress status looking\nmessages.progress first a one\nmessages.progress next a two\nmessages.is-canceled")
        .await;
    assert_eq!(said, "looking\none\ntwo\nok\nok\nok\nok false");
}

#[tokio::test]
async fn a_file_that_a_user_uploads_is_read_by_the_agent_and_one_of_the_agents_by_the_user() {
    let world = World::new().await;
    let mut alice = Doer::start(&world, "alice", None).await;
    let uri = world.upload(&alice.workspace, "a b.txt", "what is in it").await;
    alice
        .agent
        .event("the file is fetched", |event| matches!(event, Event::FileIn { .. }).then_some(()))
        .await;
    let said = alice.does(&format!("messages.open {uri}\nmessages.pieces {uri}")).await;
    assert_eq!(said.lines().collect::<Vec<_>>(), ["ok a b.txt text/plain 13 what is in it", "ok 13"]);
    // Fetched and acknowledged: the platform has it no more.
    let file = uri.rsplit('/').next().unwrap();
    let content = format!("pending-uploads/{file}/content");
    assert_eq!(world.looks_for(&alice.workspace, &content).await, 404);

    assert_eq!(alice.does("messages.file report.txt all is well").await, "here it is");
    assert_eq!(alice.next().await, "ok");
    let rows = world.log(&alice.workspace).await;
    let echo = rows.iter().find(|row| row["response_body"]["parts"].is_array()).expect("a text with a file");
    let sent = &echo["response_body"]["parts"][0]["file"];
    assert_eq!((sent["name"].as_str(), sent["mimeType"].as_str()), (Some("report.txt"), Some("text/plain")));
    // Its own upload came back to it as a row, and is still there for the user.
    let file = sent["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let content = format!("pending-uploads/{file}/content");
    assert_eq!(alice.does("workspace.state").await, "ok online");
    assert_eq!(world.looks_for(&alice.workspace, &content).await, 200);
    assert_eq!(alice.agent.count(|event| matches!(event, Event::FileIn { .. })), 1);
}

#[tokio::test]
async fn an_answer_carries_a_file_that_the_handler_made() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let host = host(&world.path("state")).await;
    let agent = Embedded::start(&host, guests::CONTRACT, granted(&world, &alice, None)).await;
    let part =
        json!({ "kind": "file", "file": { "name": "x.txt", "mimeType": "text/plain", "bytes": "aGk=" } });
    let parts = json!([{ "kind": "text", "text": "messages.files" }, part]);
    world.send(Some(&bob), &alice, &json!({ "role": "user", "messageId": "m", "parts": parts })).await;
    agent.event("it is answered", |event| matches!(event, Event::Delivered { .. }).then_some(())).await;
    let answer = &world.peer_messages(&bob).await[0];
    assert_eq!(answer["parts"][0]["text"], "ok x.txt text/plain 2 hi");
}

#[tokio::test]
async fn a_delegation_is_made_once_and_its_result_comes_as_one_message() {
    let world = World::new().await;
    let bob = world.create("bob").await;
    let host_b = host(&world.path("bob")).await;
    let mut spec_b = spec(world.url(), &bob);
    spec_b.grants.peers.push("*".parse().unwrap());
    let echo = Embedded::start(&host_b, guests::ECHO, spec_b).await;
    let mut alice = Doer::start(&world, "alice", None).await;
    // The same key twice: one delegation.
    // The result may be faster than the answer of the message that it was asked for in.
    let first = alice.does("peers.delegate bob k-1 sum it up\npeers.delegate bob k-1 sum it up").await;
    let second = alice.next().await;
    let (said, told) = if first.starts_with("ok ") { (first, second) } else { (second, first) };
    let ids: Vec<&str> = said.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(ids[0], ids[1], "{said}");
    assert_eq!(told, format!("reply to {}: sum it up", ids[0]));
    let said =
        alice.does(&format!("peers.delegation {}\npeers.delegations\npeers.delegation none", ids[0])).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("ok {} {} completed sum it up", ids[0], bob.id));
    assert_eq!(lines[1], lines[0]);
    assert!(lines[2].starts_with("error: not-found "), "{said}");
    echo.stop().await;
    alice.agent.stop().await;
    assert_eq!(world.answers(&alice.workspace).await.len(), 3, "the result came once");
}

#[tokio::test]
async fn a_delegation_that_fails_on_the_platform_is_told_to_the_agent() {
    let world = World::new().await;
    let mut alice = Doer::start(&world, "alice", None).await;
    // Bob is pushed to, at a place where nobody listens.
    let bob = world.create("bob").await;
    let card =
        json!({ "id": bob.id, "agent_card": {}, "delivery_mode": "push", "url": "http://localhost:9/x" });
    world.ask(Method::POST, "/registry/register", Some(&bob.token), Some(&card)).await;
    let said = alice.does("peers.delegate bob - do it").await;
    let id = said.split(' ').nth(1).unwrap().to_owned();
    let told = world
        .answered_within(&alice.workspace, 2, PATIENCE.max(Duration::from_secs(60)))
        .await
        .pop()
        .unwrap();
    assert!(told.starts_with(&format!("reply to {id}: The delegation failed: ")), "{told}");
}

/// The path is the delegator's, the body has target and key; the next host asks again under the same key, so that the
/// platform makes one delegation of it.
#[tokio::test]
async fn c31_a_delegation_whose_answer_was_lost_is_asked_for_again_under_its_key() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let platform = world.address();
    let network_is_down = Arc::new(AtomicBool::new(true));
    let down = network_is_down.clone();
    let between = Scripted::answering(move |request| match request.target.ends_with("/delegate") {
        true if down.load(Ordering::Relaxed) => Reply::Lose(platform, Box::new(Reply::Hangup)),
        _ => Reply::PassOn(platform),
    })
    .await;
    let state = world.path("state");
    let mut spec = granted(&world, &alice, None);
    spec.platform_url = between.url().parse().unwrap();
    let host_a = host(&state).await;
    let agent = Embedded::start(&host_a, guests::CONTRACT, spec).await;
    world.say(&alice, "peers.delegate bob - sum it up").await;
    let said = world.answered(&alice, 1).await.pop().unwrap();
    assert!(said.starts_with("error: unavailable "), "{said}");
    agent.stop().await;
    drop(host_a);
    let asked = |all: Vec<Received>| -> Vec<serde_json::Value> {
        let path = format!("/workspaces/{}/delegate", alice.id);
        all.iter()
            .filter(|it| it.target == path)
            .map(|it| serde_json::from_slice(&it.body).unwrap())
            .collect()
    };
    let before = asked(between.received());
    network_is_down.store(false, Ordering::Relaxed);

    let mut spec = granted(&world, &alice, None);
    spec.platform_url = between.url().parse().unwrap();
    let agent = Embedded::start(&host(&state).await, guests::CONTRACT, spec).await;
    let host_b = host(&world.path("bob")).await;
    let mut spec_b = self::spec(world.url(), &bob);
    spec_b.grants.peers.push("*".parse().unwrap());
    let echo = Embedded::start(&host_b, guests::ECHO, spec_b).await;
    let told = world.answered(&alice, 2).await.pop().unwrap();
    assert!(told.starts_with("reply to ") && told.ends_with(": sum it up"), "{told}");
    let after = asked(between.received());
    assert!(after.len() > before.len(), "the next host asked again");
    assert!(after.iter().all(|body| *body == after[0]), "{after:?}");
    assert_eq!((&after[0]["target_id"], &after[0]["task"]), (&json!(bob.id), &json!("sum it up")));
    assert_eq!(after[0]["idempotency_key"].as_str().unwrap().len(), 64);
    echo.stop().await;
    agent.stop().await;
    let given = world.log(&bob).await.iter().filter(|row| row["source_id"] == json!(alice.id)).count();
    assert_eq!(given, 1, "bob got it once");
}
