//! One install of a plugin at a time.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use molecule_plugin::ShelfError;

use crate::child::{Act, Process};
use crate::{Done, State, fill, install, installed, name, record};

#[test]
fn a_second_install_is_told_who_is_at_it() {
    let state = State::new();
    let shelf = state.open();
    let lock = shelf.try_lock(&name()).unwrap();
    let busy = state.open().try_lock(&name()).unwrap_err();
    assert!(
        matches!(busy, ShelfError::Busy { holder: Some(process), .. } if process == std::process::id()),
        "{busy}"
    );
    shelf.try_lock(&"other".parse().unwrap()).unwrap();
    drop(lock);
    shelf.try_lock(&name()).unwrap();
    assert!(state.left().is_empty(), "lock files go: {:?}", state.left());
}

#[test]
fn a_lock_that_nobody_puts_a_number_to_is_held_all_the_same() {
    let state = State::new();
    let shelf = state.open();
    let file = std::fs::File::create(state.work().join(".lock-p")).unwrap();
    file.lock().unwrap();
    assert!(matches!(shelf.try_lock(&name()), Err(ShelfError::Busy { holder: None, .. })));
    file.unlock().unwrap();
    shelf.try_lock(&name()).unwrap();
}

#[test]
fn a_process_that_is_being_started_keeps_no_lock() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Until it becomes another program, each has a copy of what is open here.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let _done = Done(&done);
        for version in 2..30 {
            let pin = shelf.pin(&name()).unwrap().unwrap();
            install(&shelf, version);
            drop(pin);
            assert_eq!(state.left().len(), 1, "{:?}", state.left());
        }
    });
}

#[test]
fn a_second_install_waits_for_the_first() {
    let state = State::new();
    let shelf = state.open();
    let (waits, is_waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let lock = shelf.try_lock(&name()).unwrap();
        scope.spawn(|| {
            let shelf = state.open();
            let lock = shelf.lock(&name(), |holder| waits.send(holder).unwrap()).unwrap();
            assert_eq!(installed(&shelf), Some(1), "the first one is done");
            let staging = lock.stage().unwrap();
            fill(staging.dir(), 2);
            staging.commit(record(2)).unwrap();
        });
        assert_eq!(is_waiting.recv().unwrap(), Some(std::process::id()));
        let staging = lock.stage().unwrap();
        fill(staging.dir(), 1);
        staging.commit(record(1)).unwrap();
    });
    assert_eq!(installed(&shelf), Some(2));
    state.assert_clean("after both");
}

#[test]
fn no_two_of_many_threads_have_the_lock_at_once() {
    let state = State::new();
    let at_it = std::sync::Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let shelf = state.open();
                for _ in 0..100 {
                    let _lock = shelf.lock(&name(), |_| ()).unwrap();
                    drop(at_it.try_lock().expect("nobody else has it"));
                    let _only = at_it.try_lock().expect("nobody else has it");
                    std::thread::yield_now();
                }
            });
        }
    });
    assert!(state.left().is_empty(), "{:?}", state.left());
}

#[test]
fn another_process_has_the_lock_until_it_dies_and_what_it_staged_is_swept_then() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let other = Process::ready(&state, Act::Stage);
    let busy = shelf.try_lock(&name()).unwrap_err();
    assert!(
        matches!(busy, ShelfError::Busy { holder: Some(process), .. } if process == other.id()),
        "{busy}"
    );
    shelf.sweep().unwrap();
    assert!(state.left().iter().any(|name| name.starts_with(".staging-p-")), "it lives: {:?}", state.left());
    other.kill();
    assert_eq!(shelf.sweep().unwrap().deleted, 1);
    state.assert_clean("after its death");
    assert_eq!(installed(&shelf), Some(1));
}
