//! `molecule-host token`.

use std::path::Path;

use molecule_tests::canvas::Workspace;
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, token_file, write_token};
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::world::World;

fn token(url: &str, workspace: &Workspace, state: &Path, words: &[&str]) -> CommandLine {
    CommandLine::new("molecule-host", ["token"])
        .with(words.iter().copied())
        .with(["--platform-url", url, "--workspace-id", &workspace.id])
        .with([Path::new("--state-dir"), state, Path::new("--token-file"), &token_file(state, workspace)])
}

fn kept(state: &Path, workspace: &Workspace) -> String {
    std::fs::read_to_string(token_file(state, workspace)).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_token_is_rotated_beside_a_host_that_runs_and_works_on() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = world.path("state");
    let host = CommandLine::host(&world, &alice, guests::ECHO, &state).spawn();
    host.says("INFO started").await;
    let done = token(world.url(), &alice, &state, &["rotate"]).run().await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("the platform takes it\nthe old one is revoked"), "{}", done.stdout);
    let new = kept(&state, &alice);
    assert_ne!(new, alice.token);
    assert!(!done.stdout.contains(&new) && done.stdout.contains(&new[..8]), "{}", done.stdout);
    world.say(&alice, "hello").await;
    assert_eq!(world.answered(&alice, 1).await, ["hello"]);

    let shown = token(world.url(), &alice, &state, &["status"]).run().await;
    assert!(shown.stdout.contains("accepted  yes") && shown.stdout.contains("in use"), "{}", shown.stdout);
    host.terminate();
    let ended = host.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("WARN") && !ended.stderr.contains("ERROR"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_token_that_is_refused_is_said_to_be_and_cannot_be_rotated() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = world.path("state");
    std::fs::create_dir_all(&state).unwrap();
    write_token(&token_file(&state, &alice), "not-the-token-of-anybody-0123456789");
    let shown = token(world.url(), &alice, &state, &[]).run().await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("accepted  no: ") && shown.stdout.contains("not-the-"), "{}", shown.stdout);
    let done = token(world.url(), &alice, &state, &["rotate"]).run().await;
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert_eq!(kept(&state, &alice), "not-the-token-of-anybody-0123456789");
    let asked = token(world.url(), &alice, &state, &["rotate", "--all"]).run().await;
    assert_eq!(asked.code, Some(2), "nobody has said yes: {}", asked.stderr);
}

/// Whatever fails, what is on the disk afterwards is accepted.
#[tokio::test]
async fn a_rotation_that_fails_at_any_step_leaves_a_token_that_works() {
    for (step, code, still_old) in [("mint", 6, true), ("verify", 2, true), ("revoke", 0, false)] {
        let world = World::new().await;
        let alice = world.create("alice").await;
        let (platform, own) = (world.address(), alice.token.clone());
        let front = Scripted::answering(move |request| {
            let is = |method: &str, end: &str| request.method == method && request.target.contains(end);
            let with_old = request.header("authorization") == Some(format!("Bearer {own}").as_str());
            match step {
                "mint" if is("POST", "/tokens") => Reply::Hangup,
                "verify" if is("GET", "/state") && !with_old => Reply::json(401, r#"{"error":"invalid"}"#),
                "revoke" if is("DELETE", "/tokens/") => Reply::json(500, r#"{"error":"no"}"#),
                _ => Reply::PassOn(platform),
            }
        })
        .await;
        let state = world.path("state");
        std::fs::create_dir_all(&state).unwrap();
        write_token(&token_file(&state, &alice), &alice.token);
        let done = token(&front.url(), &alice, &state, &["rotate"]).run().await;
        assert_eq!(done.code, Some(code), "{step}: {}", done.stderr);
        assert_eq!(kept(&state, &alice) == alice.token, still_old, "{step}");
        let shown = token(world.url(), &alice, &state, &["status"]).run().await;
        assert!(shown.stdout.contains("accepted  yes"), "{step}: {}", shown.stdout);
    }
}

#[tokio::test]
async fn a_disk_that_takes_no_token_gets_none_and_nothing_is_minted() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let state = world.path("state");
    std::fs::create_dir_all(&state).unwrap();
    write_token(&token_file(&state, &alice), &alice.token);
    let full = ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""];
    let done = token(world.url(), &alice, &state, &["rotate"]).run_by(full).run().await;
    assert_eq!(done.code, Some(6), "{}", done.stderr);
    let shown = token(world.url(), &alice, &state, &["status", "--json"]).run().await;
    let said: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&said["accepted"], said["live"].as_array().unwrap().len()), (&serde_json::json!(true), 1));
}
