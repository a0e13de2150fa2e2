//! `molecule-host inbox`: messages that were given up, with a host and without one.

use std::path::Path;

use molecule_host::state_dir::StateDir;
use molecule_tests::canvas::Workspace;
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Ended};
use molecule_tests::world::World;
use serde_json::Value;

async fn inbox(state_dir: &Path, words: &str) -> Ended {
    CommandLine::new("molecule-host", ["inbox"])
        .with(words.split_whitespace())
        .with(["--state-dir".as_ref(), state_dir.as_os_str()])
        .run()
        .await
}

async fn listed(state_dir: &Path) -> Vec<Value> {
    let ended = inbox(state_dir, "list --json").await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

async fn one_line(state_dir: &Path, words: &str) -> String {
    let ended = inbox(state_dir, words).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout.trim_end().to_owned()
}

/// A host of an agent that panics when it is asked to.
fn panics(world: &World, alice: &Workspace) -> CommandLine {
    CommandLine::host(world, alice, guests::PANICS, &world.path("state"))
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_what_its_sender_was_told_and_is_handled_by_a_better_agent() {
    let world = World::new().await;
    let (alice, state) = (world.create("alice").await, world.path("state"));
    let host = panics(&world, &alice).spawn();
    let id = world.say(&alice, "panic").await;
    let told = world.answered(&alice, 1).await.remove(0);
    assert!(told.starts_with("Your message could not be handled and was set aside: panicked"), "{told}");
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));

    let letters = listed(&state).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = &letters[0];
    for (field, expected) in
        [("message_id", &id), ("workspace", &alice.id), ("text", &"panic".into()), ("told", &told)]
    {
        assert_eq!(letter[field], expected.as_str(), "{letter}");
    }
    assert_eq!((&letter["from"], &letter["faults"]), (&"user".into(), &3.into()), "{letter}");
    let table = one_line(&state, "list").await;
    assert!(
        table.lines().nth(1).is_some_and(|row| row.contains(&alice.id) && row.ends_with("  panic")),
        "{table}"
    );
    let key = letter["key"].as_i64().expect("a number");
    let shown = one_line(&state, &format!("show {key}")).await;
    assert!(shown.contains(&format!("sender told  {told}")), "{shown}");

    assert_eq!(one_line(&state, &format!("retry {key}")).await, format!("{key} waits to be handled again"));
    assert_eq!(one_line(&state, "list").await, "no message was given up");
    let host = CommandLine::host(&world, &alice, guests::ECHO, &state).spawn();
    assert_eq!(world.answered(&alice, 2).await, [told.as_str(), "panic"]);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

/// Takes the lease where a host runs, and the host would end as taken over.
#[tokio::test]
async fn beside_a_host_that_runs_it_is_the_host_who_does_it_and_runs_on() {
    let world = World::new().await;
    let (alice, state) = (world.create("alice").await, world.path("state"));
    let host = panics(&world, &alice).spawn();
    world.say(&alice, "panic").await;
    world.answered(&alice, 1).await;
    assert_eq!(listed(&state).await.len(), 1);

    // It is handled at once, not only when the next message comes.
    let said = one_line(&state, &format!("retry --all --workspace-id {}", alice.id)).await;
    assert!(said.ends_with(" waits to be handled again"), "{said}");
    world.answered(&alice, 2).await;
    let key = listed(&state).await[0]["key"].clone();
    assert_eq!(one_line(&state, &format!("drop {key}")).await, format!("{key} is dropped"));
    assert_eq!(listed(&state).await, Vec::<Value>::new());

    world.say(&alice, "still there?").await;
    assert_eq!(world.answered(&alice, 3).await[2], "still there?");
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn what_cannot_be_done_is_one_line_that_says_what_to_do() {
    let world = World::new().await;
    let (alice, state) = (world.create("alice").await, world.path("state"));
    let assert_ends = |ended: Ended, code: i32, words: &str| {
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(
            ended.stderr.starts_with("molecule-host: ") && ended.stderr.contains(words),
            "{}",
            ended.stderr
        );
    };
    assert_ends(inbox(&state, "list").await, 2, "no host has kept anything in ");
    assert!(!state.exists(), "a look leaves nothing behind");

    let host = panics(&world, &alice).spawn();
    world.say(&alice, "panic").await;
    world.answered(&alice, 1).await;
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
    assert_ends(inbox(&state, "show 999").await, 2, "there is no dead letter 999; molecule-host inbox list");
    assert_ends(inbox(&state, "retry").await, 2, "needs the keys that inbox list shows; give them, or --all");
    assert_ends(inbox(&state, "list 7").await, 2, "inbox list takes no keys; ");

    // A host that has the workspace, and whom nobody can ask.
    let folder = StateDir::open(&state).expect("a folder");
    let held = folder.workspace(alice.id.parse().expect("an id")).expect("a folder").lock().expect("free");
    assert_ends(
        inbox(&state, "drop --all").await,
        5,
        "; it was asked over its control socket: no host runs on ",
    );
    drop(held);
    assert_eq!(listed(&state).await.len(), 1, "and it is still there");
}
