//! Cases that need a line each.

use std::os::unix::fs::PermissionsExt as _;

use molecule_host::{DelegationKeys, Event};
use molecule_protocol::delegation::compat_minute_key;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, token_file};
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::world::World;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn c14_a_status_that_nobody_knows_ends_nothing() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let platform = world.address();
    let front = Scripted::answering(move |request| match request.target.ends_with("/state") {
        true => Reply::json(200, r#"{"status":"frobnicating","paused":false,"deleted":false}"#),
        false => Reply::PassOn(platform),
    })
    .await;
    let agent =
        Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec(&front.url(), &alice)).await;
    world.say(&alice, "hello").await;
    assert_eq!(world.answered(&alice, 1).await, ["hello"]);
    agent.nth(5, "heartbeats", |event| matches!(event, Event::Heartbeat).then_some(())).await;
    world.say(&alice, "still there?").await;
    assert_eq!(world.answered(&alice, 2).await[1], "still there?");
    agent.stop().await;
}

#[tokio::test]
async fn c20_whoever_has_no_id_is_the_user_and_is_answered_by_notify() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let platform = world.address();
    let front = Scripted::answering(move |_| Reply::PassOn(platform)).await;
    world.say(&alice, "hello").await;
    let agent =
        Embedded::start(&host(&world.path("state")).await, guests::ECHO, spec(&front.url(), &alice)).await;
    world.answered(&alice, 1).await;
    agent.stop().await;
    let sent: Vec<_> = front
        .received()
        .into_iter()
        .filter(|it| it.target.ends_with("/notify") || it.target.ends_with("/a2a"))
        .collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].target, format!("/workspaces/{}/notify", alice.id));
    assert_eq!(serde_json::from_slice::<Value>(&sent[0].body).unwrap(), json!({ "message": "hello" }));
}

/// The recorded keys themselves are in `molecule_protocol::delegation`.
#[tokio::test]
async fn c33_a_workspace_that_the_python_sdk_shares_gives_its_delegations_the_same_keys() {
    let world = World::new().await;
    let (alice, _bob) = (world.create("alice").await, world.create("bob").await);
    let platform = world.address();
    let front = Scripted::answering(move |_| Reply::PassOn(platform)).await;
    let mut spec = spec(&front.url(), &alice);
    spec.grants.peers.push("bob".parse().unwrap());
    spec.delegation_keys = DelegationKeys::CompatMinute;
    let minute = || jiff_now() / 60;
    let before = minute();
    let agent = Embedded::start(&host(&world.path("state")).await, guests::CONTRACT, spec).await;
    world.say(&alice, "peers.delegate bob - do it").await;
    world.answered(&alice, 1).await;
    let keys: Vec<String> =
        (before..=minute()).map(|minute| compat_minute_key("do it", minute * 60)).collect();
    let asked = front.received().into_iter().find(|it| it.target.ends_with("/delegate")).unwrap();
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert!(keys.iter().any(|key| body["idempotency_key"] == json!(key)), "{body}");
    agent.stop().await;
}

fn jiff_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// No grant names such a secret, and what no grant names the host neither asks for nor holds: there is nothing to warn of
/// but the grant.
#[tokio::test]
async fn c49_a_secret_that_a_loader_would_act_upon_is_not_offered() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    for (key, value) in [("LD_PRELOAD", "hunter2-evil.so"), ("PATH", "hunter2-path"), ("KEY", "hunter2-key")]
    {
        let path = format!("/workspaces/{}/secrets", alice.id);
        world
            .ask(Method::POST, &path, Some(&alice.token), Some(&json!({ "key": key, "value": value })))
            .await;
    }
    let command = CommandLine::host(&world, &alice, guests::EFFECTS, &world.path("state")).with([
        "-v",
        "--allow-secret",
        "KEY@api.example.com",
    ]);
    let agent = command.spawn();
    world.say(&alice, "secrets.names").await;
    assert_eq!(world.answered(&alice, 1).await, ["secrets.names: ok [\"KEY\"]"]);
    agent.terminate();
    let ended = agent.ended().await;
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    let refused = command.with(["--allow-secret", "LD_PRELOAD@api.example.com"]).run().await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("LD_PRELOAD"), "{}", refused.stderr);
}

#[tokio::test]
async fn c54_a_token_file_that_others_can_read_is_tightened() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = world.path("state");
    let command = CommandLine::host(&world, &alice, guests::ECHO, &state);
    let file = token_file(&state, &alice);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let agent = command.spawn();
    world.say(&alice, "hello").await;
    assert_eq!(world.answered(&alice, 1).await, ["hello"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop(agent);
}

#[tokio::test]
async fn c60_a_state_folder_that_cannot_be_written_is_said_at_the_start() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let file = world.path("state");
    let command = CommandLine::host(&world, &alice, guests::ECHO, &file);
    std::fs::write(&file, "a file where a folder is wanted").unwrap();
    let ended = command.run().await;
    assert_eq!(ended.code, Some(6));
    assert!(ended.stderr.contains("is not a folder; move it away"), "{}", ended.stderr);
}
