//! Another process: this binary once more, told to do one thing.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use molecule_plugin::Shelf;

use super::{State, fill, install, name, version_of};

const ACT: &str = "MOLECULE_TEST_ACT";
const PLUGINS: &str = "MOLECULE_TEST_PLUGINS";
/// What a process says once it has done what it was started for, or has begun to.
const READY: &str = "ready:";

/// What the other process does. Those that wait do so until their standard input ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// Installs one version after the other, for ever.
    Upgrade,
    /// Installs version 2.
    Install,
    /// Removes the plugin.
    Remove,
    /// Stages a version, and waits.
    Stage,
    /// Pins a version, waits, and says which one it still reads.
    Pin,
}

const ACTS: [(Act, &str); 5] = [
    (Act::Upgrade, "upgrade"),
    (Act::Install, "install"),
    (Act::Remove, "remove"),
    (Act::Stage, "stage"),
    (Act::Pin, "pin"),
];

/// A process that acts. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it, by a command that runs it (strace), if any.
    pub(crate) fn start(state: &State, act: Act, by: &[String]) -> Self {
        let this = std::env::current_exe().unwrap().display().to_string();
        let arguments = ["--ignored", "--exact", "child::acts", "--nocapture", "--test-threads=1"];
        let words: Vec<&str> =
            by.iter().map(String::as_str).chain([this.as_str()]).chain(arguments).collect();
        let (_, word) =
            ACTS.iter().find(|(it, _)| std::mem::discriminant(it) == std::mem::discriminant(&act)).unwrap();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env(ACT, word)
            .env(PLUGINS, state.plugins())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn ready(state: &State, act: Act) -> Self {
        let mut process = Self::start(state, act, &[]);
        process.says();
        process
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it says next.
    pub(crate) fn says(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended without a word");
            if let Some((_, said)) = line.split_once(READY) {
                return said.trim().to_owned();
            }
        }
    }

    /// Ends the wait.
    pub(crate) fn go_on(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits until it has ended. True if nobody killed it.
    pub(crate) fn ended(mut self) -> bool {
        self.go_on();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().success()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "what other tests start as another process"]
fn acts() {
    let Ok(act) = std::env::var(ACT) else { return };
    let plugins = std::env::var_os(PLUGINS).unwrap();
    let (act, _) = ACTS.into_iter().find(|(_, word)| *word == act).unwrap();
    let shelf = Shelf::open(Path::new(&plugins)).unwrap();
    match act {
        Act::Upgrade => {
            say("");
            for version in 2.. {
                install(&shelf, version);
            }
        }
        Act::Install => drop(install(&shelf, 2)),
        Act::Remove => drop(shelf.try_lock(&name()).unwrap().remove().unwrap()),
        Act::Stage => {
            let lock = shelf.try_lock(&name()).unwrap();
            let staging = lock.stage().unwrap();
            fill(staging.dir(), 7);
            say("");
            wait();
        }
        Act::Pin => {
            let pin = shelf.pin(&name()).unwrap().unwrap();
            say("");
            wait();
            say(&version_of(pin.dir()).to_string());
        }
    }
}

fn say(what: &str) {
    println!("{READY}{what}");
    std::io::stdout().flush().unwrap();
}

fn wait() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
