//! Both implementations keep the promises of [`State`](molecule_store::state::State).

#![allow(clippy::expect_used)]

use std::cell::RefCell;
use std::path::PathBuf;

use molecule_store::{Database, MemoryState, Options, SqliteState, contract};

#[test]
fn the_state_in_memory_keeps_its_promises() {
    contract::holds(512, async || MemoryState::new(), async |state| state);
}

#[test]
fn the_state_in_a_database_without_a_file_keeps_its_promises() {
    let new = async || SqliteState::new(Database::in_memory(&SqliteState::SCHEMA).expect("in memory"));
    contract::holds(128, new, async |state| state);
}

#[test]
fn the_state_in_a_file_keeps_its_promises_across_reopening() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = RefCell::new(PathBuf::new());
    let open = || SqliteState::open(&file.borrow(), Options::default()).expect("the state opens");
    let number = RefCell::new(0..);
    let new = async || {
        let number = number.borrow_mut().next().expect("another number");
        *file.borrow_mut() = folder.path().join(format!("{number}.db"));
        open()
    };
    // The old threads may not have ended when the file is opened again: as with a process that is killed, all
    // that counts is what was acknowledged.
    let reopen = async |state| {
        drop(state);
        open()
    };
    contract::holds(64, new, reopen);
}
