//! What an operator sees of agents that run.

use molecule_tests::guests;
use molecule_tests::process::CommandLine;
use molecule_tests::world::World;
use serde_json::Value;

use super::{Fleet, assert_quits, hang_up, table};

#[tokio::test]
async fn ps_shows_each_agent_with_what_it_did_and_what_troubles_it() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::PANICS), table(&bob, guests::CALLER)]);
    assert_quits(&fleet.said(["ps"]).run().await, 2, "no host runs on ");
    let host = fleet.command().spawn();
    world.say(&alice, "panic").await;
    world.say(&alice, "hello").await;
    world.answered(&alice, 2).await;
    world.pause(&bob).await;
    host.says("[bob] the workspace is paused").await;

    let row = fleet.row(&alice).await;
    let numbers =
        ["received", "handled", "in_hand", "given_up", "restarts", "denials"].map(|name| row[name].as_u64());
    assert_eq!(numbers, [2, 1, 0, 1, 3, 0].map(Some), "{row}");
    assert_eq!((&row["state"], &row["workspace"]), (&"working".into(), &alice.id.as_str().into()), "{row}");
    assert!(row["last_error"].as_str().is_some_and(|it| it.contains("was given up: panicked: ")), "{row}");
    assert!(
        row["memory_bytes"].as_u64().is_some_and(|bytes| bytes >= 65_536 && bytes % 65_536 == 0),
        "{row}"
    );
    assert!(row["cpu_ms"].as_u64().is_some_and(|ms| ms > 0), "{row}");
    assert!(row["heartbeat_age_s"].as_u64().is_some_and(|age| age < 60), "{row}");
    assert_eq!(fleet.row(&bob).await["state"], "paused");

    let shown = fleet.said(["ps"]).run().await.stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("AGENT  STATE    UP"), "{shown}");
    assert!(lines[1].starts_with("alice  working  ") && lines[1].contains("  1/2  "), "{shown}");
    assert!(lines[2].starts_with("bob    paused   ") && lines.len() == 3, "{shown}");

    // A host that was killed leaves its socket behind, which misleads nobody.
    host.kill().await;
    assert!(fleet.state.join("control.sock").exists());
    assert_quits(&fleet.said(["ps"]).run().await, 2, "no host runs on ");
    let host = fleet.command().spawn();
    host.says("[alice] started").await;
    assert_eq!(fleet.ps().await.len(), 2);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
    assert!(!fleet.state.join("control.sock").exists());
}

#[tokio::test]
async fn a_denial_is_counted() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::CALLER)]);
    let host = fleet.command().spawn();
    world.say(&alice, &format!("ask {} hello", bob.id)).await;
    world.answered(&alice, 1).await;
    assert_eq!(fleet.row(&alice).await["denials"], 1, "{:?}", world.answers(&alice).await);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn logs_shows_the_latest_lines_of_one_agent_and_follows_it_to_its_end() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::LIFECYCLE), table(&bob, guests::ECHO)]);
    let host = fleet.command().spawn();
    world.say(&alice, "one").await;
    world.answered(&alice, 1).await;
    world.say(&bob, "not this").await;
    world.answered(&bob, 1).await;

    let once = fleet.said(["logs", "alice", "--no-follow"]).run().await;
    assert_eq!(once.code, Some(0), "{}", once.stderr);
    assert!(once.stdout.contains(" INFO alice: on-start "), "{}", once.stdout);
    assert!(!once.stdout.contains("not this"), "{}", once.stdout);
    let lines = fleet.said(["logs", &alice.id, "--no-follow", "--json"]).run().await.stdout;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let on_message =
        lines.iter().find(|line| line["text"].as_str().is_some_and(|it| it.starts_with("on-message")));
    let on_message = on_message.expect("it says so");
    assert_eq!(
        (&on_message["by_agent"], &on_message["level"]),
        (&true.into(), &"info".into()),
        "{on_message}"
    );
    assert!(on_message["message_id"].is_string(), "{on_message}");
    assert!(lines.iter().any(|line| line["by_agent"] == false), "{lines:?}");

    let following = fleet.said(["logs", "alice"]).spawn();
    following.says("on-start ").await;
    world.say(&alice, "two").await;
    following.says_often("on-message", 2).await;
    // The agent goes, and with it what there is to follow.
    let other = fleet.said(["logs", "bob"]).spawn();
    other.says("INFO started").await;
    fleet.write(0.1, &[table(&bob, guests::ECHO)]);
    hang_up(&host, 1).await;
    let followed = following.ended().await;
    assert_eq!(followed.code, Some(0));
    assert!(followed.stdout.contains("on-stop shutdown"), "{}", followed.stdout);
    assert_quits(&fleet.said(["logs", "alice"]).run().await, 2, "there is no agent alice; ");
    // And so it does with the host.
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
    assert_eq!(other.ended().await.code, Some(0));

    assert_quits(&fleet.said(["logs", "alice"]).run().await, 2, "no host runs on ");
    assert_quits(&CommandLine::new("molecule-host", ["logs"]).run().await, 2, "no agent is named; ");
}

#[tokio::test]
async fn a_host_of_one_agent_answers_too_and_two_on_one_folder_are_both_seen() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let fleet = Fleet::new(&world);
    let one =
        CommandLine::host(&world, &alice, guests::ECHO, &fleet.state).with(["--agent-name", "one"]).spawn();
    one.says("INFO started").await;
    let two =
        CommandLine::host(&world, &bob, guests::ECHO, &fleet.state).with(["--agent-name", "two"]).spawn();
    two.says("INFO started").await;
    // The sockets are there a moment later.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut rows = Vec::new();
    while rows.len() < 2 && tokio::time::Instant::now() < deadline {
        let ended = fleet.said(["ps", "--json"]).run().await;
        rows = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
    }
    let mut names: Vec<_> = rows.iter().map(|row| row["agent"].as_str().unwrap_or_default()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "two"]);
    let lines = fleet.said(["logs", "two", "--no-follow"]).run().await;
    assert_eq!(lines.code, Some(0), "{}", lines.stderr);
    assert!(lines.stdout.contains(" INFO started"), "{}", lines.stdout);
    assert_quits(&fleet.said(["logs", "three", "--no-follow"]).run().await, 2, "there is no agent three; ");
}
