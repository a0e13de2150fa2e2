//! Grants in a file: of an agent that runs, and asked about.

use molecule_tests::guests;
use molecule_tests::process::CommandLine;
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::world::World;
use rustix::process::Signal;
use serde_json::Value;

#[tokio::test]
async fn a_policy_file_is_read_again_at_sighup_and_its_grants_hold_from_then_on() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
    let policy = world.path("agent.policy.toml");
    let allowed = format!("allow-net = [\"{}/x\"]\n", server.url());
    std::fs::write(&policy, "").unwrap();
    let host = CommandLine::host(&world, &alice, guests::EFFECTS, &world.path("state"))
        .with(["--policy".as_ref(), policy.as_os_str()])
        .spawn();
    let fetch = format!("http.fetch GET {}/x", server.url());
    for (round, (text, said, answer)) in [
        ("", "the policy is the same as before", "http.fetch: denied network"),
        (allowed.as_str(), "the policy has changed; its grants hold from now on", "http.fetch: ok 200"),
        ("allow-nett = []", "the grants stay as they are: ", "http.fetch: ok 200"),
        ("", "the policy has changed; its grants hold from now on", "http.fetch: denied network"),
    ]
    .into_iter()
    .enumerate()
    {
        if round == 0 {
            host.says("INFO started").await;
        }
        std::fs::write(&policy, text).unwrap();
        host.signal(Signal::HUP);
        host.says_often("secrets are pulled again", round + 1).await;
        host.says_often(said, if round == 3 { 2 } else { 1 }).await;
        world.say(&alice, &fetch).await;
        let answers = world.answered(&alice, round + 1).await;
        assert!(answers[round].starts_with(answer), "{round}: {answers:?}");
    }
    assert_eq!(server.received().len(), 2);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_policy_is_checked_and_explained_with_exit_codes_and_objects_for_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let good = file("good.toml", "allow-peer = [\"bob\"]\n");
    let wrong = file("wrong.toml", "allow-peers = []\nallow-net = [\"ftp://x\"]\n");
    let absent = folder.path().join("absent.toml");
    for (verb, file, requests, code, out) in [
        ("check", &good, &[][..], 0, "grants 1 peer"),
        ("check", &wrong, &[], 2, "wrong.toml:1:1: unknown key allow-peers; did you mean allow-peer?"),
        ("check", &absent, &[], 2, ""),
        ("explain", &good, &["peer bob"], 0, "by --allow-peer bob"),
        ("explain", &good, &["peer bob", "peer eve"], 1, "--allow-peer eve"),
        ("explain", &good, &["dance"], 2, ""),
        ("explain", &good, &[], 2, ""),
        ("explain", &wrong, &["peer bob"], 2, "wrong.toml:2:14: allow-net: "),
    ] {
        let command =
            CommandLine::new("molecule-host", ["policy", verb]).with([file]).with(requests.iter().copied());
        let ended = command.run().await;
        let line = format!("{verb} {} {requests:?}: {}{}", file.display(), ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(code), "{line}");
        assert!(ended.stdout.contains(out), "{line}");
        let said = ended.stderr.lines().filter(|line| line.starts_with("molecule-host: ")).count();
        assert_eq!(said, usize::from(code != 0), "{line}");

        let objects = command.with(["--json"]).run().await;
        assert_eq!(objects.code, Some(code), "{line}");
        let objects: Vec<Value> =
            objects.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        match (verb, code) {
            ("check", 0) => assert_eq!(objects[0]["peers"][0], "bob", "{objects:?}"),
            ("explain", 0 | 1) => {
                let allowed: Vec<_> = objects.iter().map(|it| it["allowed"].as_bool()).collect();
                assert_eq!(allowed, [Some(true), Some(false)][..requests.len()], "{objects:?}");
            }
            _ if file == &wrong => {
                assert_eq!(
                    (&objects[0]["line"], &objects[0]["column"]),
                    (&1.into(), &1.into()),
                    "{objects:?}"
                );
                assert_eq!(objects.len(), 2, "{objects:?}");
            }
            _ => assert!(objects.is_empty(), "{objects:?}"),
        }
    }
}
