//! What a host that runs for months needs: to be watched over, enough files, and a copy of what it remembers.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Program, token_file, write_token};
use molecule_tests::world::World;

use super::{Fleet, assert_quits, hang_up, table};

/// What a path of `--metrics` answers to a request that names this host.
async fn ask(address: &str, host: &str, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    (status, body.to_owned())
}

async fn address(host: &Program) -> String {
    let said = host.says("answers http://").await;
    let (_, rest) = said.split_once("http://").expect("an address");
    rest.split('/').next().expect("an address").to_owned()
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told_to_whoever_asks_at_this_machine() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::ECHO), table(&bob, guests::ECHO)]);
    write_token(&token_file(&fleet.state, &bob), "wrong");
    let host = fleet.command().with(["--metrics", "127.0.0.1:0"]).spawn();
    let address = address(&host).await;
    host.says("[bob] the platform does not accept").await;
    world.say(&alice, "hello").await;
    world.answered(&alice, 1).await;

    assert_eq!(ask(&address, &address, "/health").await, (200, "ok\n".to_owned()));
    assert_eq!(ask(&address, &address, "/ready").await, (503, "bob is ended\n".to_owned()));
    write_token(&token_file(&fleet.state, &bob), &bob.token);
    hang_up(&host, 1).await;
    host.says("[bob] started").await;
    assert_eq!(ask(&address, "localhost", "/ready").await, (200, "ready\n".to_owned()));
    let (status, metrics) = ask(&address, &address, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "molecule_agents{state=\"working\"} 2",
        "molecule_agent_messages_received_total{agent=\"alice\"} 1",
        "molecule_agent_messages_received_total{agent=\"bob\"} 0",
        "# TYPE molecule_agent_memory_bytes gauge",
        "# TYPE molecule_agent_cpu_seconds_total counter",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in:\n{metrics}");
    }
    // A page in a browser of this machine that has given its own name this address.
    assert_eq!(ask(&address, "evil.example", "/metrics").await.0, 403);
    // The port is taken.
    let second = fleet.said(["up"]).with([fleet.file.as_os_str()]).with(["--metrics", &address]).run().await;
    assert_quits(&second, 6, "for --metrics: ");
    let everywhere = fleet.said(["up", "x.toml", "--metrics", "0.0.0.0:9464"]).run().await;
    assert_quits(&everywhere, 2, "expected a loopback address");
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

// Two threads: one waits for datagrams.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_hears_that_the_host_is_ready_lives_and_stops() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::ECHO)]);
    let one = CommandLine::host(&world, &alice, guests::ECHO, &fleet.state);
    for (name, command) in [("up", fleet.command()), ("run", one)] {
        let path = world.path(name);
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let hear = || {
            let mut heard = [0; 64];
            let length = manager.recv(&mut heard).expect("it is heard");
            String::from_utf8_lossy(&heard[..length]).into_owned()
        };
        let host = command.variable("NOTIFY_SOCKET", &path).variable("WATCHDOG_USEC", "100000").spawn();
        let heard = tokio::task::block_in_place(|| [hear(), hear(), hear()]);
        assert_eq!(heard, ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
        host.terminate();
        let heard =
            tokio::task::block_in_place(|| std::iter::repeat_with(hear).find(|it| it != "WATCHDOG=1"));
        assert_eq!(heard.as_deref(), Some("STOPPING=1"));
        assert_eq!(host.ended().await.code, Some(0));
    }
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_and_one_that_is_too_low_is_said() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::ECHO)]);
    let limited = |limits: &str| {
        fleet.command().run_by(["sh", "-c", &format!("{limits} && exec \"$0\" \"$@\"")]).spawn()
    };
    let host = limited("ulimit -Sn 100 && ulimit -Hn 500");
    host.says("[alice] started").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", host.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["500", "500"]);
    assert!(!host.stderr().contains("open files are allowed"), "{}", host.stderr());
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));

    let host = limited("ulimit -n 60");
    let said = host.says("open files are allowed").await;
    assert!(
        said.contains("60 open files are allowed and 1 agents may need 69; raise the hard limit"),
        "{said}"
    );
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_backup_of_a_host_that_works_is_whole_and_another_host_goes_on_from_it() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let fleet = Fleet::new(&world);
    fleet.write(0.1, &[table(&alice, guests::ECHO)]);
    let copy = world.path("copy.db");
    let backup = || fleet.said(["backup"]).with([copy.as_os_str()]);
    assert_quits(&backup().run().await, 2, "no host has kept anything in ");

    let host = fleet.command().spawn();
    host.says("[alice] started").await;
    for number in 0..30 {
        world.say(&alice, &number.to_string()).await;
    }
    let made = backup().run().await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(made.stdout.starts_with(&format!("{}: ", copy.display())), "{}", made.stdout);
    assert_eq!(std::fs::metadata(&copy).unwrap().mode() & 0o777, 0o600, "it is for its owner only");
    assert_quits(&backup().run().await, 6, "File exists");
    world.answered(&alice, 30).await;
    std::fs::remove_file(&copy).unwrap();
    assert_eq!(backup().run().await.code, Some(0));
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));

    let elsewhere = Fleet { state: world.path("elsewhere"), file: fleet.file.clone(), world: &world };
    std::fs::create_dir(&elsewhere.state).unwrap();
    std::fs::rename(&copy, elsewhere.state.join("host.db")).unwrap();
    let host = elsewhere.command().spawn();
    world.say(&alice, "more").await;
    let answers = world.answered(&alice, 31).await;
    assert_eq!((answers.len(), answers[30].as_str()), (31, "more"), "nothing is answered twice");
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}
