//! `molecule-host plugin`, as an operator uses it.

use molecule_platform::testing::{Ref, publish};
use molecule_tests::plugins;
use molecule_tests::process::CommandLine;
use molecule_tests::world::World;
use serde_json::Value;

use super::{command, left};

#[tokio::test]
async fn an_operator_installs_lists_upgrades_and_removes() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let dev = world.plugins().join("dev");
    plugins::write(&dev, "dev", "1", &[("a.md", "one")]);
    plugins::write(&world.path("two"), "dev", "2", &[("a.md", "two"), ("b.md", "two")]);
    publish(&world.github(), "acme/dev", &world.path("two"), &[Ref::Tag("v2")]).unwrap();

    let ended = command(&world, &alice, &["available"]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("dev   1        "), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("it fetches from github:// as well\n"), "{}", ended.stdout);
    let ended = command(&world, &alice, &["available", "--json"]).run().await;
    let offered: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&offered["name"], &offered["version"]), (&"dev".into(), &"1".into()));

    let ended = command(&world, &alice, &["install", "dev"]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("installed dev 1 from local://dev: 2 files, "), "{}", ended.stdout);
    assert!(ended.stdout.ends_with(" bytes, verified; no setup.sh\n"), "{}", ended.stdout);

    let ended = command(&world, &alice, &["install", "dev@github://acme/dev#v2", "--json"]).run().await;
    let installed: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    assert_eq!(installed["replaced"], true);
    assert_eq!(installed["plugin"]["version"], "2");
    assert_eq!(installed["setup"]["state"], "absent");

    let ended = command(&world, &alice, &["list", "--json"]).run().await;
    let listed: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(listed["source"], "github://acme/dev#v2");
    assert_eq!(listed["verified"], true);
    let ended = command(&world, &alice, &["list"]).run().await;
    assert!(ended.stdout.contains("dev   2        yes"), "{}", ended.stdout);

    let ended = command(&world, &alice, &["remove", "dev"]).run().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "removed dev\n"), "{}", ended.stderr);
    let ended = command(&world, &alice, &["remove", "dev"]).run().await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("there is no plugin dev; molecule-host plugin list"), "{}", ended.stderr);
    assert_eq!(left(&world, &alice), (vec![], vec![]));
}

#[tokio::test]
async fn what_is_not_what_it_says_it_is_ends_with_7_unless_that_is_wanted() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let dev = world.plugins().join("dev");
    plugins::write(&dev, "dev", "1", &[("a.md", "one")]);
    std::fs::write(dev.join("a.md"), "changed").unwrap();
    let ended = command(&world, &alice, &["install", "dev"]).run().await;
    assert_eq!(ended.code, Some(7));
    assert!(ended.stderr.contains("--allow-unverified"), "{}", ended.stderr);
    assert_eq!(left(&world, &alice), (vec![], vec![]));
    let ended = command(&world, &alice, &["install", "dev", "--allow-unverified"]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("warning: ") && ended.stdout.contains("not verified"), "{}", ended.stderr);

    std::fs::write(dev.join("plugin.yaml"), "a: [").unwrap();
    let ended = command(&world, &alice, &["install", "dev"]).run().await;
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    let listed = command(&world, &alice, &["list"]).run().await.stdout;
    assert!(listed.contains("dev   1"), "the old one stays: {listed}");

    let digest = "0".repeat(64);
    let ended =
        command(&world, &alice, &["install", "dev", "--sha256", &digest, "--allow-unverified"]).run().await;
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.contains(&digest), "{}", ended.stderr);
}

#[tokio::test]
async fn what_the_platform_does_not_give_out_is_said_with_what_to_do() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    plugins::write(&world.path("two"), "dev", "2", &[("a.md", "two")]);
    publish(&world.github(), "acme/dev", &world.path("two"), &[Ref::Tag("v2")]).unwrap();
    let commit = format!("dev@github://acme/dev#{}", "0a".repeat(20));
    for (plugin, words) in [
        ("nowhere", "cannot be had"),
        ("dev@github://acme/dev", "name a tag or a branch, as in github://owner/repo#v1"),
        (commit.as_str(), "the platform cannot fetch a commit"),
        ("other@github://acme/dev#v2", "cannot be had"),
    ] {
        let ended = command(&world, &alice, &["install", plugin]).run().await;
        assert_eq!(ended.code, Some(2), "{plugin}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{plugin}: {}", ended.stderr);
    }
    for (words, expected) in [
        (&["install"][..], "no plugin is named"),
        (&["install", "../x"][..], "is no plugin's name"),
        (&["install", "dev@x"][..], "is not a source"),
        (&["install", "a", "b", "--sha256", &"0".repeat(64)][..], "--sha256 is the digest of one archive"),
        (&["remove"][..], "no plugin is named"),
    ] {
        let ended = command(&world, &alice, words).run().await;
        assert_eq!(ended.code, Some(2), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{words:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn an_author_gets_the_hash_for_his_plugin_yaml_and_whether_it_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("dev");
    let run = |verb: &str| CommandLine::new("molecule-host", ["plugin", verb]).with([plugin.as_os_str()]);
    plugins::write_unverified(&plugin, "dev", "1", &[("rules.md", "- be kind\n")]);
    let ended = run("hash").run().await;
    assert_eq!(ended.stdout.trim(), "ff91f2bec2a6422fa720b98228c6fcb9d3452876c60d4052377a69d5de57ed7a");
    let ended = run("verify").run().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains("declares no sha256"), "{}", ended.stdout);
    plugins::write(&plugin, "dev", "1", &[("rules.md", "- be kind\n")]);
    assert!(run("verify").run().await.stdout.starts_with("verified: "));
    std::fs::write(plugin.join("rules.md"), "- be rude\n").unwrap();
    assert_eq!(run("verify").run().await.code, Some(7));
    std::fs::remove_dir_all(&plugin).unwrap();
    assert_eq!(run("verify").run().await.code, Some(2));
}

/// Both take its lock, and wait for each other.
#[tokio::test]
async fn two_installs_of_one_plugin_at_once_both_end_well() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let many: Vec<(String, String)> = (0..200).map(|it| (format!("f/{it}"), "x".repeat(2000))).collect();
    let files: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    plugins::write(&world.plugins().join("dev"), "dev", "1", &files);
    let install = command(&world, &alice, &["install", "dev"]);
    let (one, two) = (install.spawn(), install.spawn());
    for ended in [one.ended().await, two.ended().await] {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    assert_eq!(left(&world, &alice).0, ["dev"]);
}
