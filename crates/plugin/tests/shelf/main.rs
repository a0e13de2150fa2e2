//! The folder of installed plugins, with real files, threads and processes.
//!
//! With `MOLECULE_ROUNDS=200` as many deaths at random instants; a few by default.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an expectation that fails is a failed test"
)]

mod child;
mod deletion;
mod installs;
mod kills;
mod locks;
mod pins;
mod readers;
#[cfg(all(feature = "strace", target_os = "linux"))]
mod steps;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;
use molecule_plugin::{Installed, PluginName, Record, Shelf};
use tempfile::TempDir;

/// What a version is made of: each file holds the number of the version, often enough for several writes.
const FILES: [&str; 6] =
    ["plugin.yaml", "a", "skills/one/SKILL.md", "skills/two/SKILL.md", "x/y/z/deep", "x/b"];

fn name() -> PluginName {
    "p".parse().unwrap()
}

/// A state folder of its own.
struct State(TempDir);

impl State {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn plugins(&self) -> PathBuf {
        self.0.path().join("plugins")
    }

    fn work(&self) -> PathBuf {
        self.0.path().join("plugins.work")
    }

    fn open(&self) -> Shelf {
        Shelf::open(&self.plugins()).unwrap()
    }

    /// What is in the work folder.
    fn left(&self) -> Vec<String> {
        names(&self.work())
    }

    /// Nothing is there but what has to be: the installed plugins, and a record of each.
    fn assert_clean(&self, what: &str) {
        let installed = self.open().list().unwrap();
        assert_eq!(names(&self.plugins()).len(), installed.len(), "{what}");
        let left = self.left();
        let recorded = installed.iter().filter(|installed| installed.record.is_some()).count();
        assert!(
            left.len() == recorded && left.iter().all(|name| name.starts_with(".record-")),
            "{what}: {left:?} is left"
        );
    }
}

/// Says that all is done also if a test fails, so that nobody goes on for ever.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn record(version: u64) -> Record {
    Record {
        source: format!("local://p#{version}"),
        installed_at: "2026-01-31T12:00:00Z".to_owned(),
        manifest_sha256: Some("a".repeat(64)),
        verified: true,
        archive_sha256: "b".repeat(64),
        setup: None,
    }
}

/// Fills a tree with a version.
fn fill(dir: &Dir, version: u64) {
    for file in FILES {
        if let Some((folder, _)) = file.rsplit_once('/') {
            dir.create_dir_all(folder).unwrap();
        }
        dir.write(file, content(version)).unwrap();
    }
}

fn content(version: u64) -> String {
    format!("{version}\n").repeat(100)
}

/// Which version a tree is of; it must be wholly of that.
fn version_of(dir: &Dir) -> u64 {
    let read = |file: &str| dir.read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let version = read(FILES[0]).lines().next().expect("it is not empty").parse().unwrap();
    for file in FILES {
        assert_eq!(read(file), content(version), "{file} is of that version, and whole");
    }
    version
}

fn install(shelf: &Shelf, version: u64) -> Installed {
    let lock = shelf.lock(&name(), |_| ()).unwrap();
    let staging = lock.stage().unwrap();
    fill(staging.dir(), version);
    staging.commit(record(version)).unwrap()
}

/// Which version is installed. Its record must be of the same.
fn installed(shelf: &Shelf) -> Option<u64> {
    let pin = shelf.pin(&name()).unwrap()?;
    let version = version_of(pin.dir());
    let source = &pin.record().expect("each has one").source;
    assert_eq!(*source, record(version).source);
    assert_eq!(shelf.get(&name()).unwrap().expect("it is installed").record.as_ref(), pin.record());
    Some(version)
}
