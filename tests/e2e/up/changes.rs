//! SIGHUP: the file is read again.

use molecule_tests::guests;
use molecule_tests::process::{token_file, write_token};
use molecule_tests::world::World;

use super::{Fleet, Table, assert_quits, hang_up, replace, table};

#[tokio::test]
async fn another_component_takes_over_and_both_are_told_so() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let (fleet, component) = (Fleet::new(&world), world.path("agent.wasm"));
    replace(&component, guests::LIFECYCLE);
    fleet.write(0.1, &[table(&alice, "agent.wasm")]);
    let host = fleet.command().spawn();
    world.say(&alice, "callbacks").await;
    assert_eq!(world.answered(&alice, 1).await, ["on-start on-message"]);

    // Nothing has changed.
    assert!(hang_up(&host, 1).await.contains("0 upgraded, 0 started again, 0 wrong, 1 left alone"));
    // Other settings.
    let table =
        || Table { more: "config = { colour = 'red' }\nmax-stack = '2MiB'", ..table(&alice, "agent.wasm") };
    fleet.write(0.1, &[table()]);
    assert!(hang_up(&host, 2).await.contains("1 upgraded"));
    host.says("max-stack is another one now").await;
    host.says("on-stop upgrade").await;
    let start = host.says("on-start (upgrade)").await;
    assert!(start.contains(r#"[("colour", "red")]"#), "{start}");
    // Another component under the same name.
    replace(&component, guests::ECHO);
    assert!(hang_up(&host, 3).await.contains("1 upgraded"));
    host.says_often("on-stop upgrade", 2).await;
    world.say(&alice, "hello").await;
    assert_eq!(world.answered(&alice, 2).await[1], "hello");
    // What is no component is not put in anybody's place.
    std::fs::write(&component, "#!/bin/sh").unwrap();
    assert!(hang_up(&host, 4).await.contains("0 upgraded, 0 started again, 1 wrong"));
    host.says("[alice] stays as it is: ").await;
    world.say(&alice, "still there?").await;
    assert_eq!(world.answered(&alice, 3).await[2], "still there?");

    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn what_is_in_hand_is_answered_by_the_old_one_and_what_waits_by_the_new_one() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let (fleet, component) = (Fleet::new(&world), world.path("agent.wasm"));
    replace(&component, guests::SLOW);
    let table = || Table { more: "concurrency = 1\nshutdown-grace = 60", ..table(&alice, "agent.wasm") };
    fleet.write(0.1, &[table()]);
    let host = fleet.command().spawn();
    world.say(&alice, "10000 in hand").await;
    world.say(&alice, "0 waits").await;
    host.says_often("[alice] message ", 2).await;
    world.record(&alice, "busy", |record| record["active_tasks"] == 1).await;
    replace(&component, guests::FAILS);
    assert!(hang_up(&host, 1).await.contains("1 upgraded"));
    let answers = world.answered(&alice, 2).await;
    assert_eq!(answers[0], "10000 in hand");
    assert_ne!(answers[1], "0 waits", "it was another agent that handled it");
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_says_so() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::ECHO)]);
    let host = fleet.command().spawn();
    world.say(&alice, "one").await;
    world.answered(&alice, 1).await;

    fleet.write(0.1, &[Table { more: "poll-interval = 'soon'", ..table(&alice, guests::ECHO) }]);
    host.signal(rustix::process::Signal::HUP);
    let said = host.says("nothing is changed: ").await;
    assert!(said.contains("agents.toml:11: poll-interval: expected seconds from 0.1 to 3600"), "{said}");
    world.say(&alice, "two").await;
    assert_eq!(world.answered(&alice, 2).await, ["one", "two"]);
    assert_eq!(fleet.row(&alice).await["handled"], 2, "it is the same one");
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
    // Where nothing runs yet, it is an end.
    assert_quits(&fleet.command().run().await, 2, "agents.toml:11: poll-interval: ");
}

#[tokio::test]
async fn a_workspace_goes_from_one_agent_to_another_without_anybody_in_between() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::ECHO), table(&bob, guests::ECHO)]);
    let host = fleet.command().spawn();
    host.says("[alice] started").await;
    host.says("[bob] started").await;
    // Each has the other's workspace.
    let (mut as_alice, mut as_bob) = (bob.clone(), alice.clone());
    (as_alice.name, as_bob.name) = ("alice".to_owned(), "bob".to_owned());
    fleet.write(0.1, &[table(&as_alice, guests::ECHO), table(&as_bob, guests::ECHO)]);
    assert!(hang_up(&host, 1).await.contains("2 upgraded"));
    host.says_often("[alice] started", 2).await;
    host.says_often("[bob] started", 2).await;
    assert_eq!(fleet.row(&as_alice).await["workspace"], bob.id.as_str());
    assert!(!host.stderr().contains("another host"), "{}", host.stderr());
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn an_agent_that_fails_leaves_the_others_alone_and_is_started_again_when_it_has_been_seen_to() {
    let world = World::new().await;
    let [alice, bob, carol] =
        [world.create("alice").await, world.create("bob").await, world.create("carol").await];
    let fleet = Fleet::new(&world);
    let tables = || [table(&alice, guests::ECHO), table(&bob, guests::ECHO), table(&carol, guests::REFUSES)];
    fleet.write(0.1, &tables());
    write_token(&token_file(&fleet.state, &bob), "wrong");
    let host = fleet.command().spawn();
    let said = host.says("[bob] the platform does not accept the token").await;
    assert!(said.contains("ERROR") && said.contains("exit_code=2"), "{said}");
    host.says("[carol] the agent refused to start: ").await;
    world.say(&alice, "hello").await;
    world.answered(&alice, 1).await;
    let row = fleet.row(&bob).await;
    assert_eq!(row["state"], "ended");
    assert!(
        row["last_error"].as_str().is_some_and(|error| error.contains("does not accept the token")),
        "{row}"
    );

    write_token(&token_file(&fleet.state, &bob), &bob.token);
    assert!(hang_up(&host, 1).await.contains("2 started again, 0 wrong, 1 left alone"));
    world.say(&bob, "hello").await;
    world.answered(&bob, 1).await;

    // With the last of them the process ends, and says whose end it was.
    world.delete(&alice).await;
    host.says("[alice] the workspace was deleted").await;
    world.delete(&bob).await;
    assert_quits(&host.ended().await, 11, "all agents have ended; of alice: the workspace was deleted");
}
