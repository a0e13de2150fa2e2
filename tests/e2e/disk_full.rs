//! A disk without room, and then with some again.

use molecule_tests::canvas::Workspace;
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Program};
use molecule_tests::world::World;

/// A host whose files can be kept from growing. A file size limit fails writes as a full disk does, once its signal is
/// ignored, and can be lifted.
fn host(world: &World, workspace: &Workspace, component: &str) -> Program {
    let limitable = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    CommandLine::host(world, workspace, component, &world.path("state")).run_by(limitable).spawn()
}

#[tokio::test]
async fn messages_wait_at_the_platform_while_the_disk_is_full() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let mut host = host(&world, &alice, guests::ECHO);
    world.say(&alice, "before").await;
    world.answered(&alice, 1).await;

    host.limit_files(Some(1));
    for text in ["one", "two", "two"] {
        world.say(&alice, text).await;
    }
    let line =
        host.says("WARN no messages can be fetched, trying again: no room to write the database").await;
    assert!(line.ends_with("free some space and try again"), "{line}");
    // It lives, and the platform knows.
    let before = world.record(&alice, "there", |_| true).await["uptime_seconds"].clone();
    world.record(&alice, "alive", |record| record["uptime_seconds"] != before).await;
    assert!(host.runs());
    assert_eq!(world.answers(&alice).await, ["before"]);

    host.limit_files(None);
    let expected = ["before", "one", "two", "two"];
    assert_eq!(world.answered(&alice, 4).await, expected);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
    assert_eq!(world.answers(&alice).await, expected);
}

#[tokio::test]
async fn an_answer_that_cannot_be_kept_is_kept_later() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = host(&world, &alice, guests::SLOW);
    host.says("INFO started").await;
    world.say(&alice, "5000 hello").await;
    world.record(&alice, "busy", |record| record["active_tasks"] == 1).await;
    host.limit_files(Some(1));
    let line = host.says("WARN the state cannot be written, trying again: no room").await;
    assert!(line.ends_with("free some space and try again"), "{line}");
    assert_eq!(world.answers(&alice).await, Vec::<String>::new(), "nothing is sent that was not kept");

    host.limit_files(None);
    assert_eq!(world.answered(&alice, 1).await, ["5000 hello"]);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
    assert_eq!(world.answers(&alice).await.len(), 1);
}
