//! What a reader holds.

use crate::child::{Act, Process};
use crate::{State, fill, install, installed, name, record, version_of};

fn old_versions(state: &State) -> usize {
    state.left().iter().filter(|name| name.starts_with(".old-p-")).count()
}

#[test]
fn a_pinned_version_stays_whole_until_its_last_reader_goes() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let [first, second] = [shelf.pin(&name()).unwrap().unwrap(), state.open().pin(&name()).unwrap().unwrap()];
    install(&shelf, 2);
    shelf.try_lock(&name()).unwrap().remove().unwrap();
    assert_eq!(shelf.sweep().unwrap().pinned, 1);
    assert_eq!(installed(&shelf), None);
    drop(first);
    assert_eq!(version_of(second.dir()), 1);
    drop(second);
    assert!(state.left().is_empty(), "{:?}", state.left());
}

#[test]
fn a_version_that_another_process_reads_stays_and_goes_with_the_reader() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let mut reader = Process::ready(&state, Act::Pin);
    install(&shelf, 2);
    install(&shelf, 3);
    assert_eq!(old_versions(&state), 1);
    reader.go_on();
    assert_eq!(reader.says(), "1");
    assert!(reader.ended());
    assert_eq!(old_versions(&state), 0, "it deleted what only it had read");
    assert_eq!(installed(&shelf), Some(3));
}

#[test]
fn a_reader_that_was_killed_holds_nothing() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let reader = Process::ready(&state, Act::Pin);
    install(&shelf, 2);
    assert_eq!(old_versions(&state), 1);
    reader.kill();
    state.assert_clean("after its death");
}

#[test]
fn a_reader_of_the_installed_version_is_in_nobodys_way() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let pin = shelf.pin(&name()).unwrap().unwrap();
    drop(pin);
    assert_eq!(installed(&shelf), Some(1));
    let pin = shelf.pin(&name()).unwrap().unwrap();
    shelf.try_lock(&name()).expect("reading takes no lock of installs");
    drop(pin);
}

#[test]
fn a_plugin_that_a_stranger_has_locked_is_an_error_and_no_endless_wait() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let stranger = std::fs::File::open(state.plugins().join("p")).unwrap();
    stranger.lock().unwrap();
    let error = shelf.pin(&name()).unwrap_err().to_string();
    assert!(error.contains("plugins/p"), "{error}");
    stranger.unlock().unwrap();
    assert_eq!(installed(&shelf), Some(1));
}

#[test]
fn what_was_replaced_is_deleted_once_the_lock_is_given_back() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let lock = shelf.try_lock(&name()).unwrap();
    let staging = lock.stage().unwrap();
    fill(staging.dir(), 2);
    staging.commit(record(2)).unwrap();
    // A setup script need not wait until the old version is deleted.
    assert_eq!(old_versions(&state), 1);
    drop(lock);
    assert_eq!(old_versions(&state), 0);
}
