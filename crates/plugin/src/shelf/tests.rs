//! Swaps on file systems that cannot exchange two folders: that cannot be had from outside, for want of such a one.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::*;

fn name() -> PluginName {
    "p".parse().unwrap()
}

fn record(version: u32) -> Record {
    Record {
        source: format!("local://p#{version}"),
        installed_at: "2026-01-31T12:00:00Z".into(),
        manifest_sha256: None,
        verified: false,
        archive_sha256: "0".repeat(64),
        setup: None,
    }
}

/// A shelf that was told that its file system cannot exchange.
fn shelf(state: &Path) -> Shelf {
    let shelf = Shelf::open(&state.join("plugins")).unwrap();
    shelf.inner.exchanges.store(false, Ordering::Relaxed);
    shelf
}

fn install(shelf: &Shelf, version: u32) {
    let lock = shelf.try_lock(&name()).unwrap();
    let staging = lock.stage().unwrap();
    staging.dir().write("version", version.to_string()).unwrap();
    staging.commit(record(version)).unwrap();
}

/// Which version is installed, as the tree says and as the record says.
fn installed(shelf: &Shelf) -> Option<(String, Option<String>)> {
    let tree = shelf.pin(&name()).unwrap()?.dir().read_to_string("version").unwrap();
    let record = shelf.get(&name()).unwrap().unwrap().record;
    Some((tree, record.map(|record| record.source)))
}

fn version(version: u32) -> Option<(String, Option<String>)> {
    Some((version.to_string(), Some(record(version).source)))
}

fn work(state: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(state.join("plugins.work"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Two versions, one installed and one staged with its record, and the renames by which the second replaces the first, of
/// which so many are done before the process dies.
fn die_after(state: &Path, renames: usize) {
    let before = shelf(state);
    install(&before, 1);
    let lock = before.try_lock(&name()).unwrap();
    let staging = lock.stage().unwrap();
    staging.dir().write("version", "2").unwrap();
    let tree = Identity::of(&staging.dir().try_clone().unwrap().into_std_file()).unwrap();
    record::write(&before.inner.work, &name(), tree, &record(2)).unwrap();
    let (plugins, work) = (state.join("plugins"), state.join("plugins.work"));
    let steps = [
        (staging.path(), work.join(".ready-p")),
        (plugins.join("p"), work.join(".previous-p")),
        (work.join(".ready-p"), plugins.join("p")),
        (work.join(".previous-p"), work.join(".old-p-00000001")),
    ];
    for (from, to) in &steps[..renames] {
        std::fs::rename(from, to).unwrap();
    }
    if renames == 0 {
        // Whoever lives would delete it.
        std::mem::forget(staging);
        drop(lock);
        // The lock lives on in what was forgotten.
        std::fs::remove_file(work.join(".lock-p")).unwrap();
    }
}

#[test]
fn two_renames_do_what_an_exchange_does() {
    let state = tempfile::tempdir().unwrap();
    let shelf = shelf(state.path());
    install(&shelf, 1);
    let pin = shelf.pin(&name()).unwrap().unwrap();
    install(&shelf, 2);
    assert_eq!(installed(&shelf), version(2));
    assert_eq!(pin.dir().read_to_string("version").unwrap(), "1");
    drop(pin);
    assert_eq!(work(state.path()).len(), 1, "{:?}", work(state.path()));
}

#[test]
fn a_death_between_any_two_renames_leaves_the_old_or_the_new_version() {
    for (renames, expected) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 2)] {
        let state = tempfile::tempdir().unwrap();
        die_after(state.path(), renames);
        let after = shelf(state.path());
        assert_eq!(installed(&after), version(expected), "after {renames} renames");
        let left = work(state.path());
        assert!(left.len() == 1 && left[0].starts_with(".record-p-"), "after {renames} renames: {left:?}");
        install(&after, 3);
        assert_eq!(installed(&after), version(3));
    }
}

#[test]
fn a_swap_whose_new_version_is_gone_is_taken_back() {
    let state = tempfile::tempdir().unwrap();
    die_after(state.path(), 2);
    std::fs::remove_dir_all(state.path().join("plugins.work/.ready-p")).unwrap();
    assert_eq!(installed(&shelf(state.path())), version(1));
    assert_eq!(work(state.path()).len(), 1);
}

#[test]
fn a_reader_ends_the_swap_of_a_dead_process_rather_than_finding_nothing() {
    let state = tempfile::tempdir().unwrap();
    let reader = shelf(state.path());
    die_after(state.path(), 2);
    assert_eq!(reader.list().unwrap().len(), 1);
    assert_eq!(installed(&reader), version(2));
}

#[test]
fn a_reader_finds_a_version_at_every_instant_of_two_renames() {
    let state = tempfile::tempdir().unwrap();
    let writer = shelf(state.path());
    install(&writer, 0);
    std::thread::scope(|scope| {
        let upgrades = scope.spawn(|| (1..=50).for_each(|version| install(&writer, version)));
        let reader = Shelf::open(&state.path().join("plugins")).unwrap();
        while !upgrades.is_finished() {
            assert!(reader.pin(&name()).unwrap().is_some());
            assert!(reader.get(&name()).unwrap().is_some());
        }
    });
}

#[test]
fn a_removal_also_takes_what_a_dead_process_had_swapped_by_half() {
    let state = tempfile::tempdir().unwrap();
    let remover = shelf(state.path());
    die_after(state.path(), 2);
    assert!(remover.try_lock(&name()).unwrap().remove().unwrap());
    assert_eq!(installed(&shelf(state.path())), None);
    assert!(work(state.path()).is_empty(), "{:?}", work(state.path()));
}
