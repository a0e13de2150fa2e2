//! A plugin whose folder holds one script, and what came of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use molecule_plugin::setup::{self, Line, Outcome, Script, SetupLimits, Uncaged};
use tempfile::TempDir;

/// A plugin with a script.
pub(crate) struct Plugin {
    pub(crate) folder: TempDir,
    pub(crate) limits: SetupLimits,
    pub(crate) network: bool,
}

/// What a script left.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) lines: Vec<Line>,
}

impl Plugin {
    pub(crate) fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("setup.sh"), script).unwrap();
        // Long enough for a loaded machine; a script that hangs says so by `TimedOut`.
        let limits = SetupLimits { time: Duration::from_secs(60), ..SetupLimits::default() };
        Self { folder, limits, network: false }
    }

    pub(crate) fn limited(mut self, change: impl FnOnce(&mut SetupLimits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// A copy of this very program in its folder, which the script may run: see [`super::probe`].
    pub(crate) fn with_probe(self) -> Self {
        copy_of_this_program(&self.path("probe"));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self) -> Ran {
        self.run_and(|_| true)
    }

    /// Runs it and gives each line to `go_on`, which cancels by false. Nothing of it may be left.
    pub(crate) fn run_and(&self, mut go_on: impl FnMut(&Line) -> bool) -> Ran {
        let cancel = AtomicBool::new(false);
        let mut lines = Vec::new();
        let outcome = self.try_run(&cancel, &mut |line| {
            if !go_on(&line) {
                cancel.store(true, Ordering::Relaxed);
            }
            lines.push(line);
        });
        assert_eq!(processes_in(self.folder.path()), [0; 0], "left over");
        Ran { outcome: outcome.unwrap_or_else(|error| panic!("{error}")), lines }
    }

    pub(crate) fn try_run(
        &self,
        cancel: &AtomicBool,
        output: &mut dyn FnMut(Line),
    ) -> Result<Outcome, Uncaged> {
        let (folder, limits) = (self.folder.path(), &self.limits);
        setup::run(&Script { folder, limits, network: self.network, cancel }, output)
    }
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| line.text.clone() + "\n").collect()
    }

    /// The outcome's line, without its seconds.
    pub(crate) fn line(&self) -> String {
        let line = self.outcome.to_string();
        match (line.find(" in "), line.find(" after ")) {
            (Some(at), _) | (_, Some(at)) => {
                let rest = line[at + 1..].split_once(" s").unwrap().1;
                format!("{}{rest}", &line[..at])
            }
            _ => line,
        }
    }
}

/// Copies the program that runs. Another process does it: were the copy open for writing here, a test that starts
/// something meanwhile would pass that on, and a file that is being written cannot be run.
pub(crate) fn copy_of_this_program(to: &Path) {
    assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(to).status().unwrap().success());
}

/// The processes that work in a folder: those of a script do, unless they change it.
pub(crate) fn processes_in(folder: &Path) -> Vec<u32> {
    let folder = folder.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let there = fs::read_link(path.join("cwd")).ok()?.starts_with(&folder);
        there.then(|| path.file_name()?.to_str()?.parse().ok()).flatten()
    });
    processes.collect()
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}
