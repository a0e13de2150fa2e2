//! What a script starts: how many, and that nothing outlives it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use molecule_plugin::setup::End;

use crate::fixture::{Plugin, eventually, processes_in};

/// `run` asserts that nothing is left; each of these fails without the kill of the group.
#[test]
fn nothing_that_a_script_started_outlives_it() {
    let tries = [
        "sleep 1000 & disown; echo done",
        "(sleep 1000 & (sleep 1000 &) &) & echo done",
        "setsid sleep 1000 & setsid -f sleep 1000; echo done",
        "set -m; sleep 1000 & echo done",
        "bash -c 'trap \"\" TERM HUP INT QUIT; while :; do sleep 1000; done' & echo done",
        "nohup sleep 1000 >/dev/null 2>&1 </dev/null & exec >/dev/null 2>&1",
        "bash -c 'kill -STOP $$' & echo done",
    ];
    for attempt in tries {
        let ran = Plugin::new(attempt).run();
        assert_eq!(ran.line(), "setup.sh succeeded", "{attempt}: {}", ran.text());
    }
}

#[test]
fn a_script_that_will_not_end_is_ended_with_all_that_it_started() {
    let tries = [
        "trap '' TERM HUP INT QUIT; while :; do :; done",
        "trap '' TERM; setsid sleep 1000 & (sleep 1000 &) ; sleep 1000",
        "kill -STOP $$",
        "exec >&- 2>&-; sleep 1000",
    ];
    for attempt in tries {
        let ran = Plugin::new(attempt).limited(|limits| limits.time = Duration::from_millis(700)).run();
        assert_eq!(
            ran.line(),
            "setup.sh took longer than its 0.7 s and was killed, with all that it had started",
            "{attempt}"
        );
    }
}

/// Fails without the cgroup (as root) or the limit of the user.
#[test]
fn a_fork_bomb_is_bounded_and_leaves_nothing() {
    let plugin = Plugin::new("bomb() { echo; bomb | bomb & }; bomb; sleep 1000").limited(|limits| {
        limits.time = Duration::from_secs(2);
        limits.processes = 24;
        limits.output = usize::MAX;
    });
    let mut most = 0;
    let ran = plugin.run_and(|_| {
        most = most.max(processes_in(plugin.folder.path()).len());
        true
    });
    assert_eq!(ran.outcome.end, End::TimedOut(Duration::from_secs(2)), "{}", ran.text());
    // Where the user's processes are counted, as many more fit as others of them end meanwhile.
    assert!((1..=24 + slack()).contains(&most), "{most}");
}

#[test]
fn as_many_processes_as_allowed_can_be_started_and_no_more() {
    let plugin = Plugin::new("./probe --ignored --exact probe::starts_processes --nocapture")
        .with_probe()
        .limited(|limits| limits.processes = 24);
    let ran = plugin.run();
    let text = ran.text();
    let started = text.lines().find_map(|line| line.split_once("started ")?.1.parse::<usize>().ok());
    let started = started.unwrap_or_else(|| panic!("{text}"));
    assert!((8..=24 + slack()).contains(&started), "{text}");
}

/// How far from its bound the number may be: tests run at the same time, as the same user.
fn slack() -> usize {
    if rustix::process::getuid().is_root() { 0 } else { 60 }
}

#[test]
fn memory_is_bounded() {
    let plugin = Plugin::new("printf -v big '%*s' 900000000 x && echo got it");
    let ran = plugin.limited(|limits| limits.memory = 256 << 20).run();
    assert!(!ran.outcome.succeeded() && !ran.text().contains("got it"), "{}", ran.text());
}

#[test]
fn processor_time_is_bounded() {
    let plugin = Plugin::new("while :; do :; done").limited(|limits| limits.cpu = Duration::from_secs(1));
    // SIGXCPU would be handled; at the hard limit it is SIGKILL.
    assert_eq!(plugin.run().line(), "setup.sh was killed by signal 9");
}

/// Fails where capabilities are kept, as root.
#[test]
fn no_privilege_is_held_or_to_be_gained() {
    let ran =
        Plugin::new("./probe --ignored --exact probe::tells_its_privileges --nocapture").with_probe().run();
    assert!(ran.text().contains("\nholds nothing: true, gains nothing: true\n"), "{}", ran.text());
    // Only who has the capability for it can empty the bounding set.
    if rustix::process::getuid().is_root() {
        assert!(ran.text().contains("\ncould gain nothing: true\n"), "{}", ran.text());
    }
}

/// As root it takes a capability to raise one.
#[test]
fn a_limit_is_not_raised_again() {
    for limit in ["-n 100000", "-f unlimited", "-v unlimited", "-c 100", "-t unlimited"] {
        let ran = Plugin::new(&format!("ulimit {limit} && echo raised")).run();
        assert!(ran.text().contains("cannot modify limit"), "{limit}: {}", ran.text());
        assert_eq!(ran.line(), "setup.sh failed with exit code 1", "{limit}");
    }
}

/// Fails without the scope of signals.
#[test]
fn the_process_that_runs_it_is_not_killed() {
    let own = std::process::id();
    for target in [own.to_string(), "1".to_owned(), "$PPID".to_owned()] {
        let ran = Plugin::new(&format!("kill -KILL {target}")).run();
        assert!(ran.text().contains("Operation not permitted"), "{target}: {}", ran.text());
        assert_eq!(ran.line(), "setup.sh failed with exit code 1", "{target}");
    }
}

#[test]
fn a_script_signals_what_it_started() {
    let ran = Plugin::new("sleep 1000 & kill $!; wait $!; echo $?; kill -9 0").run();
    assert_eq!((ran.text().as_str(), ran.outcome.end), ("143\n", End::Signaled(9)));
}

/// Fails without the leader of the group.
#[test]
fn nothing_outlives_a_host_that_was_killed() {
    let plugin = Plugin::new("setsid sleep 1000 & trap '' TERM; echo begun; sleep 1000");
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "probe::hosts_a_script", "--nocapture"])
        .env("MOLECULE_TEST_FOLDER", plugin.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(host.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().contains("begun")));
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("everything is dead", || processes_in(plugin.folder.path()).is_empty());
}
