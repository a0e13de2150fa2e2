//! As many agents as were asked for: 20 by default, 200 with `MOLECULE_ROUNDS` set.

use std::time::Duration;

use futures::future::join_all;
use molecule_tests::canvas::Workspace;
use molecule_tests::guests;
use molecule_tests::world::World;

use super::{Fleet, Table, hang_up, table};

/// After a death an answer may be in doubt for 16 s, and there are many.
const PATIENCE: Duration = Duration::from_secs(300);

async fn say_to_all(world: &World, workspaces: &[Workspace], text: &str) {
    for workspace in workspaces {
        world.say(workspace, text).await;
    }
}

/// Each once. One that a death left in doubt may come after those that were asked for later.
async fn all_answered(world: &World, workspaces: &[Workspace], answers: &[&str]) {
    let mut answers = answers.to_vec();
    answers.sort_unstable();
    for workspace in workspaces {
        let mut said = world.answered_within(workspace, answers.len(), PATIENCE).await;
        said.sort();
        assert_eq!(said, answers, "{}", workspace.name);
    }
}

#[tokio::test]
async fn many_agents_register_and_answer_survive_kill_9_and_only_what_changed_is_changed() {
    let (count, interval) =
        if std::env::var_os("MOLECULE_ROUNDS").is_some() { (200, 2.0) } else { (20, 0.5) };
    let world = World::new().await;
    let names: Vec<String> = (0..count).map(|number| format!("agent-{number}")).collect();
    let workspaces: Vec<Workspace> = join_all(names.iter().map(|name| world.create(name))).await;
    let fleet = Fleet::new(&world);
    let tables = || workspaces.iter().map(|it| table(it, guests::ECHO)).collect::<Vec<Table<'_>>>();
    fleet.write(interval, &tables());

    let host = fleet.command().spawn();
    say_to_all(&world, &workspaces, "one").await;
    all_answered(&world, &workspaces, &["one"]).await;
    for workspace in &workspaces {
        world.status(workspace, "online").await;
    }

    say_to_all(&world, &workspaces, "two").await;
    host.kill().await;
    let host = fleet.command().spawn();
    say_to_all(&world, &workspaces, "three").await;
    all_answered(&world, &workspaces, &["one", "two", "three"]).await;

    // One is changed, one goes, one comes.
    let newcomer = world.create("newcomer").await;
    let mut changed = tables();
    changed[0].more = "config = { colour = 'red' }";
    changed.remove(1);
    changed.push(table(&newcomer, guests::ECHO));
    fleet.write(interval, &changed);
    let before = fleet.ps().await;
    let said = hang_up(&host, 1).await;
    let expected =
        format!("1 added, 1 removed, 1 upgraded, 0 started again, 0 wrong, {} left alone", count - 2);
    assert!(said.contains(&expected), "{said}");
    world.say(&newcomer, "new").await;
    assert_eq!(world.answered(&newcomer, 1).await, ["new"]);
    world.say(&workspaces[0], "four").await;
    world.answered(&workspaces[0], 4).await;
    let after = fleet.ps().await;
    assert_eq!(after.len(), count);
    let received = |rows: &[serde_json::Value], of: &Workspace| {
        rows.iter().find(|row| row["agent"] == of.name.as_str()).and_then(|row| row["received"].as_u64())
    };
    assert_eq!(received(&after, &workspaces[0]), Some(1), "it was started anew");
    assert_eq!(received(&after, &workspaces[1]), None);
    for untouched in &workspaces[2..] {
        assert_eq!(received(&after, untouched), received(&before, untouched), "{}", untouched.name);
        assert!(received(&after, untouched) >= Some(1));
    }

    host.terminate();
    let ended = host.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    all_answered(&world, &workspaces[2..], &["one", "two", "three"]).await;
}
