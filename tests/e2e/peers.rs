//! Agents that ask each other.

use std::time::Duration;

use molecule_tests::canvas::Canvas;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Program};
use molecule_tests::world::World;
use reqwest::Method;

/// The local platform as a program of its own, on a free port.
async fn platform(folder: &std::path::Path) -> (Program, Canvas) {
    let db = folder.join("platform.db");
    let listening =
        CommandLine::new("molecule-platform", ["--listen", "127.0.0.1:0", "--db"]).with([db]).spawn();
    let line = listening.says("molecule-platform listens on ").await;
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("its address");
    (listening, Canvas::of(url))
}

/// All as an operator has it: three programs, two workspaces, one person who pauses and deletes.
#[tokio::test]
async fn one_agent_asks_another_and_is_paused_resumed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, canvas) = platform(folder.path()).await;
    let (alice, bob) = (canvas.create("alice").await, canvas.create("bob").await);
    let state = |name: &str| folder.path().join(name);
    let a =
        CommandLine::host(&canvas, &alice, guests::CALLER, &state("a")).with(["--allow-peer", "bob"]).spawn();
    let mut b = CommandLine::host(&canvas, &bob, guests::ECHO, &state("b")).spawn();

    canvas.say(&alice, "ask bob how are you?").await;
    assert_eq!(canvas.answered(&alice, 1).await, ["heard: how are you?"]);

    canvas.pause(&bob).await;
    b.says("the workspace is paused").await;
    for text in ["one", "two", "two"] {
        canvas.say(&bob, text).await;
    }
    // Alice does not wait for ever; that she answers shows that Bob has had time to.
    canvas.say(&alice, "are you there?").await;
    assert_eq!(canvas.answered(&alice, 2).await[1], "are you there?");
    assert!(b.runs());
    assert_eq!(canvas.answers(&bob).await, Vec::<String>::new());
    canvas.status(&bob, "paused").await;

    canvas.resume(&bob).await;
    b.says("the workspace is resumed").await;
    assert_eq!(canvas.answered(&bob, 3).await, ["one", "two", "two"]);
    canvas.status(&bob, "online").await;

    canvas.delete(&bob).await;
    let ended = b.ended().await;
    assert_eq!(ended.code, Some(11));
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("molecule-host: the workspace was deleted on the platform; "),
        "{}",
        ended.stderr
    );
    assert_eq!(canvas.answers(&alice).await.len(), 2, "she is still there");

    a.terminate();
    assert_eq!(a.ended().await.code, Some(0));
    platform.terminate();
    assert_eq!(platform.ended().await.code, Some(0));
}

/// Both are of concurrency 1, and each is asked while it asks: the answer comes past the mailbox.
#[tokio::test]
async fn an_agent_hears_an_answer_while_other_messages_wait() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let host = host(&world.path("state")).await;
    let mut run = Vec::new();
    for (workspace, component) in [(&alice, guests::CALLER), (&bob, guests::ECHO)] {
        for text in ["ask bob 1", "ask bob 2", "3"] {
            world.say(workspace, text).await;
        }
        let mut spec = spec(world.url(), workspace);
        spec.grants.peers.push("*".parse().unwrap());
        run.push(Embedded::start(&host, component, spec).await);
    }
    assert_eq!(world.answered(&alice, 3).await, ["heard: 1", "heard: 2", "3"]);
    assert_eq!(world.answered(&bob, 3).await, ["ask bob 1", "ask bob 2", "3"]);
    for agent in run {
        agent.stop().await;
    }
    let from_bob = world.peer_messages(&alice).await;
    assert_eq!(from_bob.len(), 2, "his answers went to the calls, and to nobody else: {from_bob:?}");
}

#[tokio::test]
async fn a_peer_that_was_not_granted_is_not_even_seen() {
    let world = World::new().await;
    let (alice, bob, carol) =
        (world.create("alice").await, world.create("bob").await, world.create("carol").await);
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.grants.peers.push("carol".parse().unwrap());
    let agent = Embedded::start(&host, guests::EFFECTS, spec).await;
    for text in ["peers.call bob hello", "peers.list", "peers.call nobody hello"] {
        world.say(&alice, text).await;
    }
    let answers = world.answered(&alice, 3).await;
    assert_eq!(answers[0], "peers.call: denied peer, grant Some(\"--allow-peer bob\")");
    assert_eq!(answers[1], "peers.list: ok [\"carol\"]");
    assert!(answers[2].starts_with("peers.call: "), "{answers:?}");
    agent.stop().await;
    for peer in [&bob, &carol] {
        assert!(world.peer_messages(peer).await.is_empty());
    }
}

/// An answer must come from the one who was asked: others could put words into his mouth.
#[tokio::test]
async fn an_answer_from_somebody_else_does_not_end_a_call() {
    let world = World::new().await;
    let (alice, bob, eve) =
        (world.create("alice").await, world.create("bob").await, world.create("eve").await);
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.grants.peers.push("bob".parse().unwrap());
    let agent = Embedded::start(&host, guests::CALLER, spec).await;
    world.say(&alice, "ask bob the truth").await;
    let asked = async {
        loop {
            if let Some(message) = world.peer_messages(&bob).await.pop() {
                return message["messageId"].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(60), asked).await.expect("bob is asked");
    let answer = |id: &str, text: &str| {
        serde_json::json!({
            "role": "agent", "messageId": id, "parts": [{ "kind": "text", "text": text }],
            "metadata": { "in_reply_to": asked },
        })
    };
    world.send(Some(&eve), &alice, &answer("e", "a lie")).await;
    world.send(Some(&bob), &alice, &answer("b", "the truth")).await;
    assert_eq!(world.answered(&alice, 1).await, ["heard: the truth"]);
    // The lie is a message like any other, marked as a reply.
    agent.logs("late answer: a lie").await;
    agent.stop().await;
}

/// Who looks at the platform's page sees what an agent was denied, and what would allow it.
#[tokio::test]
async fn what_an_agent_was_granted_and_denied_is_in_the_log_of_its_workspace() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let host = host(&world.path("state")).await;
    let mut spec = spec(world.url(), &alice);
    spec.grants.peers.push("carol".parse().unwrap());
    let agent = Embedded::start(&host, guests::CALLER, spec).await;
    world.say(&alice, "ask bob hello").await;
    world.say(&alice, "ask bob hello").await;
    world.answered(&alice, 2).await;
    let path = format!("/workspaces/{}/activity?type=agent_log&limit=10", alice.id);
    let reported = async {
        loop {
            let (_, rows) = world.ask(Method::GET, &path, None, None).await;
            if let Some(row) = rows.as_array().unwrap().iter().find(|row| row["method"] == "gate") {
                break row.clone();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let row = tokio::time::timeout(Duration::from_secs(60), reported).await.expect("it is reported");
    assert_eq!((&row["status"], &row["request_body"]["effect"]), (&"denied".into(), &"peers.call".into()));
    assert_eq!(row["request_body"]["grant"], "--allow-peer bob");
    agent.stop().await;
    assert_eq!(world.answers(&bob).await, Vec::<String>::new());
}
