//! What an agent does with plugins.

use molecule_host::plugins::{InstallRequest, PluginRef};
use molecule_host::{Event, Host, blocking};
use molecule_platform::testing::{Ref, publish};
use molecule_tests::canvas::PATIENCE;
use molecule_tests::embedded::{self, Embedded, spec};
use molecule_tests::world::World;
use molecule_tests::{guests, plugins};

const SKILL: &str = "---\nname: greet\ndescription: How to greet.\n---\nSay hello.\n";

/// A platform with the plugin `dev`, in two versions from the platform itself and from a repository.
async fn world() -> World {
    let world = World::new().await;
    let files =
        [("skills/greet/SKILL.md", SKILL), ("version", "1"), ("other", "1"), ("rules/a.md", "be kind")];
    plugins::write(&world.plugins().join("dev"), "dev", "1", &files);
    plugins::write(&world.path("two"), "dev", "2", &[("version", "2"), ("other", "2")]);
    publish(&world.github(), "acme/dev", &world.path("two"), &[Ref::Tag("v2")]).unwrap();
    world
}

async fn start(
    host: &Host,
    world: &World,
    guest: &str,
    granted: &[&str],
) -> (Embedded, molecule_tests::canvas::Workspace) {
    let alice = world.create("alice").await;
    let mut spec = spec(world.url(), &alice);
    spec.grants.plugins.extend(granted.iter().map(|grant| grant.parse().unwrap()));
    (Embedded::start(host, guest, spec).await, alice)
}

#[tokio::test]
async fn an_agent_installs_by_name_and_by_pinned_source_reads_a_skill_and_answers_with_it() {
    let world = world().await;
    let host = embedded::host(&world.path("state")).await;
    let (agent, alice) = start(&host, &world, guests::PLUGINS, &["dev", "dev@github://acme/dev#v2"]).await;
    let says = "install dev\nlist\nread /plugins/dev/skills/greet/SKILL.md\nnames /plugins\nnames /plugins/dev\n\
                install dev github://acme/dev#v2\nread /plugins/dev/version\nlist\nremove dev\nread /plugins/dev/version\n\
                names /plugins\nlist";
    world.say(&alice, says).await;
    let answer = world.answered(&alice, 1).await.remove(0);
    let expected = [
        "installed dev 1: no setup",
        "dev 1 greet",
        SKILL,
        "dev",
        "other plugin.yaml rules skills version",
        "installed dev 2: no setup",
        "2",
        "dev 2 ",
        "removed",
    ];
    assert!(answer.starts_with(&expected.join("\n")), "{answer}");
    let rest = answer.strip_prefix(&expected.join("\n")).unwrap();
    assert!(rest.starts_with("\nerror No such file") && rest.ends_with("\n\n"), "{rest:?}");
    let lines: Vec<String> = agent
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Plugin { line, .. } => Some(line),
            _ => None,
        })
        .collect();
    assert!(lines[0].starts_with("installed dev 1 from local://dev: 5 files"), "{lines:?}");
    assert!(lines[1].starts_with("upgraded dev 2 from github://acme/dev#v2"), "{lines:?}");
    assert_eq!(lines[2], "removed by the agent");
    agent.stop().await;
}

/// Let the runtime open `/plugins` as any folder, and the second file is of the new version.
#[tokio::test]
async fn what_a_callback_has_opened_stays_of_one_version_until_it_ends() {
    let world = world().await;
    let host = embedded::host(&world.path("state")).await;
    let (agent, alice) = start(&host, &world, guests::PLUGINS, &["*@*"]).await;
    let install = |plugin: &str| InstallRequest::new(plugin.parse::<PluginRef>().unwrap());
    let installs = agent.running.plugins();
    installs.install(install("dev"), |_| {}).await.unwrap();
    // An instance that was built before there was a plugin sees it, since it was granted some.
    let says = "read /plugins/dev/version\nopen /plugins/dev/rules/a.md\nwait\nread /plugins/dev/other\n\
                names /plugins/dev/skills\nrest";
    world.say(&alice, says).await;
    assert_eq!(world.answered(&alice, 1).await, ["waiting"]);
    installs.install(install("dev@github://acme/dev#v2"), |_| {}).await.unwrap();
    // Another callback has the new one.
    world.say(&alice, "read /plugins/dev/other\ngo").await;
    let answers = world.answered(&alice, 3).await;
    let mut rest: Vec<&str> = answers.iter().map(String::as_str).filter(|it| *it != "waiting").collect();
    rest.sort_unstable();
    assert_eq!(rest, ["1\nopened\nwaited\n1\ngreet\nbe kind", "2\ngone"]);
    world.say(&alice, "read /plugins/dev/other\nnames /plugins/dev").await;
    assert_eq!(world.answered(&alice, 4).await.pop().unwrap(), "2\nother plugin.yaml version");
    let work = world.path("state").join(&alice.id).join("plugins.work");
    // It goes with its last reader, on a thread of its own.
    let gone = async {
        let old = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().starts_with(".old-")
        };
        while std::fs::read_dir(&work).unwrap().any(old) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the old version goes");
    agent.stop().await;
}

#[tokio::test]
async fn plugins_can_be_read_and_nothing_else() {
    let world = world().await;
    let host = embedded::host(&world.path("state")).await;
    let alice = world.create("alice").await;
    let mut spec = spec(world.url(), &alice);
    spec.grants.storage_bytes = Some("1MiB".parse().unwrap());
    spec.plugins.at_start.push("dev".parse().unwrap());
    let agent = Embedded::start(&host, guests::FILES, spec).await;
    let says = [
        "read /plugins/dev/rules/a.md",
        "write /plugins/dev/new 5",
        "write /plugins/new 5",
        "append /plugins/dev/rules/a.md 5",
        "resize /plugins/dev/rules/a.md 0",
        "mkdir /plugins/dev/new",
        "mkdir /plugins/new",
        "remove /plugins/dev/rules/a.md",
        "write /data/a 5",
        "link /plugins/dev/rules/a.md /data/hard",
        "link /data/a /plugins/dev/hard",
        "link /data/a /plugins/hard",
        "read /plugins/dev/../../.auth_token",
        "read /plugins/../.auth_token",
        "read /plugins/dev/rules/a.md",
        "list /plugins/dev",
        "list /data",
    ];
    world.say(&alice, &says.join("\n")).await;
    let answer = world.answered(&alice, 1).await.remove(0);
    let lines: Vec<&str> = answer.lines().collect();
    let fine = ["ok 7", "ok", "ok 7", "ok other plugin.yaml rules skills version", "ok a"];
    let (ok, errors): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.starts_with("ok"));
    assert_eq!(ok, fine, "{answer}");
    assert_eq!(errors.len(), 12, "{answer}");
    let file = world.path("state").join(&alice.id).join("plugins/dev/rules/a.md");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "be kind");
    assert_eq!(std::os::unix::fs::MetadataExt::nlink(&file.metadata().unwrap()), 1);
    agent.stop().await;
}

#[tokio::test]
async fn without_a_grant_nothing_is_installed_and_what_the_operator_installed_is_seen() {
    let world = world().await;
    let host = embedded::host(&world.path("state")).await;
    let alice = world.create("alice").await;
    let mut spec = spec(world.url(), &alice);
    spec.plugins.at_start.push("dev".parse().unwrap());
    spec.plugins.at_start.push("nowhere".parse().unwrap());
    let agent = Embedded::start(&host, guests::PLUGINS, spec).await;
    agent.complains("the plugin nowhere cannot be had").await;
    world.say(&alice, "install dev github://acme/dev#v2\nremove dev\nread /plugins/dev/version").await;
    let answer = world.answered(&alice, 1).await.remove(0);
    let lines: Vec<&str> = answer.lines().collect();
    assert!(lines[0].contains("dev@github://acme/dev#v2") && lines[0].starts_with("error"), "{answer}");
    assert!(lines[1].contains("--allow-plugin dev") && lines[1].starts_with("error"), "{answer}");
    assert_eq!(lines[2], "1");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_a_runtime_does_the_same_with_calls_that_wait() {
    let world = world().await;
    let alice = world.create("alice").await;
    let (spec, state) = (spec(world.url(), &alice), world.path("state"));
    let living = std::thread::spawn(move || {
        let host = blocking::Host::builder().state_dir(state).build_blocking().unwrap();
        let agent = host.load(std::fs::read(guests::ECHO).unwrap()).unwrap();
        let running = host.start(&agent, spec).unwrap();
        let plugins = running.plugins();
        let installed = plugins.install(InstallRequest::new("dev".parse().unwrap()), |_| {}).unwrap();
        assert_eq!(installed.plugin.version.as_deref(), Some("1"));
        assert_eq!(plugins.list().unwrap(), [installed.plugin]);
        plugins.remove(&"dev".parse().unwrap()).unwrap();
        assert!(plugins.list().unwrap().is_empty());
        running.stop(std::time::Duration::from_secs(20));
    });
    tokio::task::spawn_blocking(|| living.join()).await.unwrap().unwrap();
}
