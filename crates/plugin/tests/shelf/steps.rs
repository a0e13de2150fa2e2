//! A death at each step of a small upgrade, and of a removal.

use std::collections::BTreeMap;

use crate::child::{Act, Process};
use crate::{State, install, installed};

/// What changes something that outlives the process, or takes a lock.
const CALLS: [&str; 15] = [
    "openat",
    "mkdir",
    "mkdirat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "ftruncate",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "fchmod",
    "flock",
];

/// The file system says that it cannot exchange two folders.
const REFUSES: &str = "inject=renameat2:error=EINVAL";

#[test]
fn a_death_at_any_step_of_an_upgrade_leaves_one_version_whole() {
    let versions = die_at_each_step(Act::Install, &[], "renameat2");
    assert_eq!(versions, [Some(1), Some(2)]);
}

#[test]
fn a_death_at_any_step_of_an_upgrade_by_two_renames_leaves_one_version_whole() {
    let versions = die_at_each_step(Act::Install, &["-e", REFUSES], "renameat");
    assert_eq!(versions, [Some(1), Some(2)]);
}

#[test]
fn a_death_at_any_step_of_a_removal_leaves_the_version_whole_or_nothing() {
    let versions = die_at_each_step(Act::Remove, &[], "renameat2");
    assert_eq!(versions, [None, Some(1)]);
}

#[test]
fn a_version_is_on_the_disk_before_it_is_swapped_in_and_the_swap_before_the_old_one_is_deleted() {
    let state = State::new();
    install(&state.open(), 1);
    let log = state.0.path().join("calls");
    assert!(traced(&state, Act::Install, &log.display().to_string(), &[]).ended());
    let log = std::fs::read_to_string(log).unwrap();
    let first = |what: &str, after: usize| {
        let found = log.lines().skip(after).position(|line| line.contains(what));
        after + found.unwrap_or_else(|| panic!("no {what} after line {after} of\n{log}"))
    };
    let synced = first("syncfs(", first(".record-p-", 0));
    let swapped = first("RENAME_EXCHANGE", synced);
    assert_eq!(first("RENAME_EXCHANGE", 0), swapped);
    let durable = first("fsync(", first("fsync(", swapped) + 1);
    let deleted = first("unlinkat(", swapped);
    assert!(durable < deleted, "{log}");
}

/// Lets version 1 be upgraded, or removed, once for each call that this takes, by a process that dies as it enters the
/// call. Gives back which versions were left by them, in order.
fn die_at_each_step(act: Act, options: &[&str], decisive: &str) -> Vec<Option<u64>> {
    let steps = all_steps(act, options);
    println!("{} steps: {steps:?}", steps.values().sum::<usize>());
    assert!(steps.contains_key(decisive), "{steps:?}");
    let mut versions = Vec::new();
    for (call, times) in steps {
        // What is refused is not entered: that is another injection into the same call.
        if options.contains(&REFUSES) && call == "renameat2" {
            continue;
        }
        for time in 1..=times {
            let state = State::new();
            install(&state.open(), 1);
            let kill = format!("inject={call}:signal=KILL:when={time}");
            let options = [options, &["-e", &kill]].concat();
            let died = !traced(&state, act, "/dev/null", &options).ended();
            let what = format!("{act:?} killed at {call} {time}");
            assert!(died, "{what}: it lives");
            let shelf = state.open();
            let version = installed(&shelf);
            state.assert_clean(&what);
            install(&shelf, 3);
            assert_eq!(installed(&shelf), Some(3), "{what}: it can be used");
            versions.push(version);
        }
    }
    versions.sort();
    versions.dedup();
    versions
}

/// How often each call is made.
fn all_steps(act: Act, options: &[&str]) -> BTreeMap<String, usize> {
    let state = State::new();
    install(&state.open(), 1);
    let log = state.0.path().join("calls");
    assert!(traced(&state, act, &log.display().to_string(), options).ended());
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let (thread, rest) = line.split_once(' ').expect("strace puts the thread first");
        let call = rest.trim_start().split('(').next().unwrap();
        if CALLS.contains(&call) {
            *times.entry((thread.to_owned(), call.to_owned())).or_default() += 1;
        }
    }
    // Strace counts for each thread.
    let mut most = BTreeMap::new();
    for ((_, call), times) in times {
        let most: &mut usize = most.entry(call).or_default();
        *most = times.max(*most);
    }
    most
}

fn traced(state: &State, act: Act, log: &str, options: &[&str]) -> Process {
    let trace = format!("trace={}", CALLS.join(","));
    let words = ["strace", "-D", "-f", "-qq", "-o", log, "-e", "signal=none", "-e", &trace];
    let words: Vec<String> = words.iter().chain(options).map(|&word| word.to_owned()).collect();
    Process::start(state, act, &words)
}
