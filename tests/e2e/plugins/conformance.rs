//! The cases C34 to C40, by their ids. The archives and hashes themselves are tested where they are judged, in
//! `crates/plugin`; here the whole way is, from a server to the folder.

use std::path::Path;

use molecule_tests::plugins;
use molecule_tests::process::CommandLine;
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::world::World;
use serde_json::Value;

use super::{command, command_at, left};

fn vectors() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(vectors().join(name)).unwrap()).unwrap()
}

/// A server with one archive.
async fn server(archive: Vec<u8>) -> Scripted {
    let headers = vec![("content-type".to_owned(), "application/gzip".to_owned())];
    Scripted::answering(move |_| Reply::Answer {
        status: 200,
        headers: headers.clone(),
        body: archive.clone(),
    })
    .await
}

#[tokio::test]
async fn c34_hash_vectors() {
    let cases = json("plugin_sha256.json");
    for case in cases["cases"].as_array().unwrap() {
        let folder = tempfile::tempdir().unwrap();
        let files = case["files"].as_array().unwrap();
        // Names that are no text are refused: see the crate's own test.
        if files.iter().any(|file| file["path"].is_null()) {
            continue;
        }
        for file in files {
            let path = folder.path().join(file["path"].as_str().unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, base64(file["content_base64"].as_str().unwrap())).unwrap();
        }
        for link in case["symlinks"].as_array().into_iter().flatten() {
            let path = folder.path().join(link["path"].as_str().unwrap());
            std::os::unix::fs::symlink(link["target"].as_str().unwrap(), path).unwrap();
        }
        let ended = CommandLine::new("molecule-host", ["plugin", "hash"])
            .with([folder.path().as_os_str()])
            .run()
            .await;
        assert_eq!(
            ended.stdout.trim(),
            case["sha256"].as_str().unwrap(),
            "{}: {}",
            case["name"],
            ended.stderr
        );
    }
}

/// The vectors' bytes, without a crate for it.
fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|byte| LETTERS.iter().position(|letter| *letter == byte))
        .map(|digit| u32::try_from(digit).unwrap())
        .collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

/// And every other archive that is to be refused.
#[tokio::test]
async fn c35_an_archive_that_leads_outside_is_refused_whole_and_leaves_nothing() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let cases = json("tar_cases.json");
    let mut refused = 0;
    for case in cases["cases"].as_array().unwrap() {
        let (name, action) = (case["name"].as_str().unwrap(), case["hardened"]["action"].as_str().unwrap());
        // What takes its time is in c40.
        if action != "reject" || name.contains("bomb") || name.contains("many") {
            continue;
        }
        let archive = std::fs::read(vectors().join(case["file"].as_str().unwrap())).unwrap();
        let server = server(archive).await;
        let ended = command_at(&server.url(), &world, &alice, &["install", "dev"]).run().await;
        assert_eq!(ended.code, Some(7), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains("the plugin dev is refused"), "{name}: {}", ended.stderr);
        assert_eq!(left(&world, &alice), (vec![], vec![]), "{name}");
        refused += 1;
    }
    assert!(refused > 30, "{refused}");
}

#[tokio::test]
async fn c37_another_hash_on_an_upgrade_leaves_the_old_version_and_runs_nothing() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let dev = world.plugins().join("dev");
    plugins::write(&dev, "dev", "1", &[("a.md", "one")]);
    assert_eq!(command(&world, &alice, &["install", "dev"]).run().await.code, Some(0));
    let script = "echo ran > ran";
    plugins::write(&dev, "dev", "2", &[("a.md", "two"), ("setup.sh", script)]);
    let declared = molecule_host::plugins::hash_folder(&dev).unwrap().to_string();
    std::fs::write(dev.join("a.md"), "changed since").unwrap();
    let actual = molecule_host::plugins::hash_folder(&dev).unwrap().to_string();
    let ended = command(&world, &alice, &["install", "dev", "--setup", "always"]).run().await;
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.contains(&declared) && ended.stderr.contains(&actual), "{}", ended.stderr);
    let installed = world.path("state").join(&alice.id).join("plugins/dev");
    assert_eq!(std::fs::read_to_string(installed.join("a.md")).unwrap(), "one");
    assert!(!installed.join("ran").exists() && !installed.join("setup.sh").exists());
    assert_eq!(left(&world, &alice).0, ["dev"]);
}

#[tokio::test]
async fn c38_without_a_hash_setup_is_not_run_and_the_line_says_what_would_run_it() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    plugins::write_unverified(&world.plugins().join("dev"), "dev", "1", &[("setup.sh", "echo ran > ran")]);
    let ended = command(&world, &alice, &["install", "dev"]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("setup.sh was not run") && ended.stdout.contains("--setup always"),
        "{}",
        ended.stdout
    );
    let installed = world.path("state").join(&alice.id).join("plugins/dev");
    assert!(!installed.join("ran").exists());
    let listed: Value =
        serde_json::from_str(&command(&world, &alice, &["list", "--json"]).run().await.stdout).unwrap();
    assert!(listed["setup"].as_str().unwrap().contains("was not run"), "{listed}");

    let ended = command(&world, &alice, &["install", "dev", "--setup", "always"]).run().await;
    // Where it cannot be caged, it is not run.
    let caged = !ended.stdout.contains("setup.sh was skipped: ");
    assert_eq!(ended.stdout.contains("setup.sh succeeded"), caged, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(installed.join("ran").exists(), caged);
}

/// Of its ten minutes this script gets two seconds, as of the 120 that it would get otherwise.
#[tokio::test]
async fn c39_a_setup_that_takes_too_long_is_killed_with_its_children_and_the_install_stands() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    // A number of its own, by which its processes are told from those of another run of this test.
    let sleep = format!("sleep 613.{}", std::process::id());
    let script = format!("echo begun\n{sleep} &\n{sleep}\n");
    plugins::write(&world.plugins().join("dev"), "dev", "1", &[("setup.sh", &script)]);
    let ended = command(&world, &alice, &["install", "dev", "--setup-timeout", "2"]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // Where it cannot be caged, it is not run.
    let caged = !ended.stdout.contains("setup.sh was skipped: ");
    assert_eq!(ended.stderr.contains("dev setup.sh: begun"), caged, "{}", ended.stderr);
    let killed = ended.stdout.contains("took longer than its 2 s and was killed");
    assert_eq!(killed, caged, "{}", ended.stdout);
    let sleeps = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let command = std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok()?;
        command.replace('\0', " ").contains(&sleep).then_some(command)
    });
    assert_eq!(sleeps.count(), 0);
    assert_eq!(left(&world, &alice).0, ["dev"]);
}

#[tokio::test]
async fn c40_bombs_are_given_up_at_the_limits() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    for (name, words) in [
        ("zip_bomb_256mb", "over the limit"),
        ("bomb_many_small", "entries over the limit of 9999"),
        ("many_empty_dirs", "entries over the limit of 9999"),
    ] {
        let archive = std::fs::read(vectors().join(format!("tar_cases/{name}.tar.gz"))).unwrap();
        let server = server(archive).await;
        let ended = command_at(&server.url(), &world, &alice, &["install", "dev"]).run().await;
        assert_eq!(ended.code, Some(7), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{name}: {}", ended.stderr);
        assert_eq!(left(&world, &alice), (vec![], vec![]), "{name}");
    }
}
