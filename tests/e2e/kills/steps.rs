//! A death at each write, sync and send between the first start of a host and its first answer.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use molecule_tests::dice::Dice;
use molecule_tests::process::CommandLine;
use molecule_tests::world::World;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Mortal, rounds};

/// What changes something that outlives the process: a file, or the world. (A `write` may be one of a few bytes by
/// which one thread wakes another; a death there does no harm.)
const CALLS: [&str; 13] = [
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "sendto",
    "sendmsg",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat2",
    "unlink",
    "mkdir",
];
/// Deaths that are tried by default, of more than a hundred.
const SAMPLE: usize = 12;
/// Hosts at once: most of them only wait until a doubt is over.
const AT_ONCE: usize = 6;

/// The `count`-th time that a thread of the host enters this system call. It is killed there, before anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Step {
    call: &'static str,
    count: usize,
}

#[tokio::test]
async fn a_message_is_answered_once_whatever_the_host_was_doing_when_it_died() {
    let mut dice = Dice::new();
    let world = Arc::new(World::new().await);
    let mut steps = all_steps(&world).await;
    println!("{} steps", steps.len());
    assert!(steps.iter().any(|step| step.call == "fsync" || step.call == "fdatasync"), "{steps:?}");
    assert!(steps.iter().any(|step| matches!(step.call, "sendto" | "writev")), "{steps:?}");
    if rounds().is_none() {
        steps = (0..SAMPLE).map(|_| steps.swap_remove(dice.below(steps.len() as u64) as usize)).collect();
    }

    let free = Arc::new(Semaphore::new(AT_ONCE));
    let mut deaths = JoinSet::new();
    for step in steps {
        let (world, free) = (world.clone(), free.clone());
        deaths.spawn(async move {
            let _turn = free.acquire().await.expect("never closed");
            die_at(&world, step).await
        });
    }
    let died = deaths.join_all().await.into_iter().filter(|died| *died).count();
    println!("died {died} times");
    // Threads take turns differently from one time to the next, so that a few steps are never reached.
    assert!(died > 0);
}

/// Every step up to the time when it is known that the answer has arrived.
async fn all_steps(world: &World) -> Vec<Step> {
    let alice = Mortal::new(world, "watched").await;
    let log = world.path("calls");
    world.say(&alice.workspace, "hello").await;
    let host = traced(&alice, &log, None).spawn();
    host.says("delivered to user").await;
    host.kill().await;
    let log = std::fs::read_to_string(log).expect("strace writes it");
    let mut times: HashMap<(&str, &str), usize> = HashMap::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(' ').expect("strace puts the thread first");
        let call = rest.trim_start().split('(').next().expect("always one");
        *times.entry((thread, call)).or_default() += 1;
    }
    let most =
        |call| times.iter().filter(|((_, it), _)| *it == call).map(|(_, times)| *times).max().unwrap_or(0);
    CALLS.into_iter().flat_map(|call| (1..=most(call)).map(move |count| Step { call, count })).collect()
}

/// Kills a host at a step and lets another one live on. False if it answered before it came there.
async fn die_at(world: &World, step: Step) -> bool {
    let alice = Mortal::new(world, &format!("{}-{}", step.call, step.count)).await;
    world.say(&alice.workspace, "hello").await;
    let host = traced(&alice, Path::new("/dev/null"), Some(step)).spawn();
    let died = host.dies_before_it_says("delivered to user").await;
    let answers = alice.lives_on(1).await;
    assert_eq!(answers, ["hello"], "{step:?}");
    died
}

/// The host under strace. With one worker the steps of one thread follow each other in much the same order each time.
fn traced(alice: &Mortal<'_>, log: &Path, kill: Option<Step>) -> CommandLine {
    let trace = format!("trace={}", CALLS.join(","));
    let mut words =
        vec!["strace".into(), "-D".into(), "-f".into(), "-qq".into(), "-o".into(), log.display().to_string()];
    words.extend(["-e".to_owned(), "signal=none".into(), "-e".into(), trace]);
    if let Some(Step { call, count }) = kill {
        words.extend(["-e".to_owned(), format!("inject={call}:signal=KILL:when={count}")]);
    }
    alice.command().run_by(words).variable("TOKIO_WORKER_THREADS", "1")
}
