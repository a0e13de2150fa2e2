//! Every denial teaches: the line in the log names what would allow it, and with that pasted behind the command line it is
//! allowed.

use std::net::IpAddr;
use std::sync::Arc;
use std::{fs, io};

use async_trait::async_trait;
use molecule_gate::{Grants, Kind};
use molecule_host::egress::{Egress, EgressSettings, Resolver, SystemDialer};
use molecule_host::{Event, Host};
use molecule_platform::testing::{Ref, publish};
use molecule_tests::embedded::{self, Embedded};
use molecule_tests::guests;
use molecule_tests::plugins;
use molecule_tests::process::CommandLine;
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::world::World;

/// What an agent does, and what it lacks for that.
struct Row {
    rule: &'static str,
    guest: &'static str,
    /// What the agent may do already. `URL` and `AUTHORITY` are a server's, `KEY_FILE` holds a secret.
    flags: &'static str,
    /// What is said to it; only the last one is denied.
    says: &'static [&'static str],
    /// What it answers to the last one when that is allowed.
    done: &'static str,
    /// The cure, as the log names it.
    cure: &'static str,
}

const ROWS: [Row; 15] = [
    Row {
        rule: "peer",
        guest: guests::EFFECTS,
        flags: "",
        says: &["peers.list"],
        done: "peers.list: ok [",
        cure: "--allow-peer '*'",
    },
    Row {
        rule: "peer",
        guest: guests::EFFECTS,
        flags: "",
        says: &["peers.call bob's hello"],
        done: "peers.call: ok Answer",
        cure: r"--allow-peer 'bob'\''s'",
    },
    Row {
        rule: "network",
        guest: guests::FETCHES,
        flags: "",
        says: &["GET URL/x"],
        done: "200 {}",
        cure: "--allow-net URL/x",
    },
    Row {
        rule: "network",
        guest: guests::FETCHES,
        flags: "--allow-net URL --secret KEY=file:KEY_FILE",
        says: &["POST URL/a*b?q=1 authorization:{{secret:KEY}}"],
        done: "200 {}",
        cure: "--allow-net 'POST URL/a%2Ab' --allow-secret KEY@AUTHORITY",
    },
    Row {
        rule: "secret",
        guest: guests::FETCHES,
        flags: "--allow-net URL --secret KEY=file:KEY_FILE",
        says: &["GET URL/x authorization:{{secret:KEY}}"],
        done: "200 {}",
        cure: "--allow-secret KEY@AUTHORITY",
    },
    Row {
        rule: "reveal",
        guest: guests::EFFECTS,
        flags: "--secret KEY=file:KEY_FILE",
        says: &["secrets.reveal KEY"],
        // The agent has it; whoever reads what it writes has not.
        done: "secrets.reveal: ok \"[secret KEY]\"",
        cure: "--allow-reveal KEY",
    },
    Row {
        rule: "plugin",
        guest: guests::EFFECTS,
        flags: "",
        says: &["plugins.install dev github://acme/dev#v1"],
        done: "plugins.install: ok \"dev\"",
        cure: "--allow-plugin 'dev@github://acme/dev#v1'",
    },
    Row {
        rule: "plugin",
        guest: guests::EFFECTS,
        flags: "--plugin dev@github://acme/dev#v1",
        says: &["plugins.remove dev"],
        done: "plugins.remove: ok ()",
        cure: "--allow-plugin dev",
    },
    Row {
        rule: "storage-quota",
        guest: guests::FILES,
        flags: "--allow-storage 8KiB",
        says: &["write /data/a 5", "append /data/a 5000"],
        done: "ok",
        cure: "--allow-storage 12KiB",
    },
    Row {
        rule: "message-size",
        guest: guests::EFFECTS,
        flags: "--max-message-bytes 200",
        says: &["messages.notify LONG"],
        done: "messages.notify: ok ()",
        cure: "--max-message-bytes 300",
    },
    Row {
        rule: "message-rate",
        guest: guests::EFFECTS,
        flags: "--max-messages-per-minute 1",
        says: &["messages.notify one", "messages.notify two"],
        done: "messages.notify: ok ()",
        cure: "--max-messages-per-minute 2",
    },
    Row {
        rule: "request-size",
        guest: guests::FETCHES,
        flags: "--allow-net 'POST URL max-request=5B'",
        says: &["json POST URL/x {\"a\":\"bcd\"}"],
        done: "200 {}",
        cure: "--allow-net 'POST URL max-request=11B'",
    },
    Row {
        rule: "request-rate",
        guest: guests::FETCHES,
        flags: "--allow-net URL --max-requests-per-minute 1",
        says: &["GET URL/x", "GET URL/x"],
        done: "200 {}",
        cure: "--max-requests-per-minute 2",
    },
    Row {
        rule: "request-rate",
        guest: guests::FETCHES,
        flags: "--allow-net 'URL per-minute=1'",
        says: &["GET URL/x", "GET URL/x"],
        done: "200 {}",
        cure: "--allow-net 'URL per-minute=2'",
    },
    Row {
        rule: "request-rate",
        guest: guests::FETCHES,
        flags: "--allow-net 'URL per-minute=1' --max-requests-per-minute 1",
        says: &["GET URL/x", "GET URL/x"],
        done: "200 {}",
        cure: "--max-requests-per-minute 2 --allow-net 'URL per-minute=2'",
    },
];

/// One world for all rows, with a peer who answers.
struct Scene {
    world: World,
    server: Scripted,
    key: std::path::PathBuf,
    _bob: Embedded,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
        let bob = world.create("bob's").await;
        let host = Host::builder().build().await.unwrap();
        let bob = Embedded::start(&host, guests::ECHO, embedded::spec(world.url(), &bob)).await;
        let dev = world.path("dev");
        plugins::write(&dev, "dev", "1", &[("rules/a.md", "be kind")]);
        publish(&world.github(), "acme/dev", &dev, &[Ref::Tag("v1")]).unwrap();
        let key = world.path("key");
        fs::write(&key, "hunter2-hunter2").unwrap();
        Self { world, server, key, _bob: bob }
    }

    fn filled(&self, text: &str) -> String {
        let long = "x".repeat(300);
        let url = self.server.url();
        text.replace("URL", &url)
            .replace("AUTHORITY", url.trim_start_matches("http://"))
            .replace("KEY_FILE", &self.key.display().to_string())
            .replace("LONG", &long)
    }

    /// Says all to the agent, one after the other, and gives its last answer and what the program said.
    async fn run(&self, row: &Row, name: &str, flags: &str) -> (String, String) {
        let alice = self.world.create(name).await;
        let host = CommandLine::host(&self.world, &alice, row.guest, &self.world.path("state"));
        let host = host.pasting(&self.filled(flags)).spawn();
        // What an agent writes to its user beside the answer is none.
        let prefix = if row.says[0].starts_with("messages.notify") { "messages.notify: " } else { "" };
        let (mut heard, mut answers) = (0, Vec::new());
        for (index, text) in row.says.iter().enumerate() {
            self.world.say(&alice, &self.filled(text)).await;
            while answers.len() <= index {
                answers = self.world.answered(&alice, heard + 1).await;
                heard = answers.len();
                answers.retain(|answer| answer.starts_with(prefix));
            }
        }
        host.terminate();
        (answers.pop().unwrap(), host.ended().await.stderr)
    }
}

/// The cure of the one line that tells of a denial by this rule.
fn cure(stderr: &str, rule: &str) -> String {
    let tells = |line: &&str| line.contains("denied: ") && line.contains(&format!("(rule {rule})"));
    let lines: Vec<&str> = stderr.lines().filter(tells).collect();
    let [line] = lines.as_slice() else { panic!("no line of its own for a denial by {rule}: {stderr}") };
    let (_, way) = line.split_once(&format!("(rule {rule}); ")).unwrap_or_else(|| panic!("{line}"));
    way.strip_suffix(" allows it").unwrap_or_else(|| panic!("{line}")).to_owned()
}

/// Name another grant in any denial, or cut it, or let the command line read it otherwise, and this fails.
#[tokio::test]
async fn what_a_denial_names_makes_it_work_when_it_is_pasted() {
    let scene = Scene::new().await;
    for (index, row) in ROWS.iter().enumerate() {
        let (answer, stderr) = scene.run(row, &format!("before-{index}"), row.flags).await;
        assert!(!answer.starts_with(row.done), "row {index}: {answer}");
        let cure = cure(&stderr, row.rule);
        assert_eq!(cure, scene.filled(row.cure), "row {index}");
        let flags = format!("{} {cure}", row.flags);
        let (answer, stderr) = scene.run(row, &format!("after-{index}"), &flags).await;
        assert!(answer.starts_with(row.done), "row {index}: {answer}\n{stderr}");
        assert!(!stderr.contains("denied: "), "row {index}: {stderr}");
    }
}

/// One private address under one name.
struct Inside;

#[async_trait]
impl Resolver for Inside {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

/// A name that leads inside: no name on every machine does, so this one is the test's.
#[tokio::test]
async fn what_a_denial_of_an_address_names_makes_it_work() {
    let scene = Scene::new().await;
    let egress =
        || Egress::through(EgressSettings::default(), Arc::new(Inside), Arc::new(SystemDialer)).unwrap();
    let port = scene.server.address().port();
    let mut grants = Grants::default();
    grants.net.push(format!("http://inside.example.com:{port}").parse().unwrap());
    for allowed in [false, true] {
        let alice = scene.world.create(if allowed { "after" } else { "before" }).await;
        let mut spec = embedded::spec(scene.world.url(), &alice);
        spec.grants = grants.clone();
        let host = Host::builder().egress_through(egress()).build().await.unwrap();
        let agent = Embedded::start(&host, guests::FETCHES, spec).await;
        scene.world.say(&alice, &format!("GET http://inside.example.com:{port}/x")).await;
        let answer = scene.world.answered(&alice, 1).await.pop().unwrap();
        if allowed {
            assert_eq!(answer, "200 {}");
        } else {
            let cure = agent
                .event("a denial", |event| match event {
                    Event::Denied { effect: Kind::Connect, rule: "address", grant, .. } => grant.clone(),
                    _ => None,
                })
                .await;
            let rule = cure.strip_prefix("--allow-net '").and_then(|it| it.strip_suffix('\'')).unwrap();
            assert_eq!(rule, format!("http://inside.example.com:{port}/x private"));
            grants.net = vec![rule.parse().unwrap()];
        }
        agent.stop().await;
    }
}

#[tokio::test]
async fn where_no_grant_helps_the_line_says_what_to_do_instead() {
    let scene = Scene::new().await;
    let no_grant = |stderr: &str, rule: &str, advice: &str| {
        let tells = |line: &&str| line.contains(&format!("(rule {rule}); ")) && line.contains(advice);
        let line = stderr.lines().find(tells).unwrap_or_else(|| panic!("{advice}: {stderr}"));
        assert!(!line.contains("allows it"), "{line}");
    };
    let socket = Row {
        rule: "socket",
        guest: guests::WASI_REACH,
        flags: "",
        says: &["127.0.0.1:9"],
        done: "",
        cure: "",
    };
    let (_, stderr) = scene.run(&socket, "sockets", "").await;
    no_grant(&stderr, "socket", "make the request by http.fetch or wasi:http");

    let clear = Row {
        rule: "secret",
        guest: guests::FETCHES,
        flags: "--allow-net http://a.example.com --allow-secret KEY@a.example.com --secret KEY=file:KEY_FILE",
        says: &["GET http://a.example.com/x authorization:{{secret:KEY}}"],
        done: "",
        cure: "",
    };
    let (_, stderr) = scene.run(&clear, "clear", clear.flags).await;
    no_grant(&stderr, "secret", "is not sent to a.example.com in the clear; use https://");
}

#[tokio::test]
async fn the_same_denial_is_one_line_and_then_a_count() {
    let scene = Scene::new().await;
    let row = Row {
        rule: "network",
        guest: guests::FETCHES,
        flags: "",
        says: &["GET URL/x", "GET URL/x", "GET URL/x", "GET URL/y"],
        done: "",
        cure: "",
    };
    let (_, stderr) = scene.run(&row, "alice", "").await;
    let url = scene.server.url();
    let lines: Vec<&str> = stderr.lines().filter(|line| line.contains("denied: http.fetch")).collect();
    let [first, other, counted] = lines.as_slice() else { panic!("{stderr}") };
    let ends = |path: &str| format!(" (rule network); --allow-net {url}/{path} allows it");
    assert!(first.contains(&format!("denied: http.fetch GET {url}/x for message ")), "{first}");
    assert!(first.ends_with(&ends("x")) && other.ends_with(&ends("y")), "{stderr}");
    assert!(counted.ends_with(&format!(", 2 times{}", ends("x"))), "{counted}");
}
