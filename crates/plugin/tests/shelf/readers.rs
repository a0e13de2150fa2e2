//! Who reads while others install.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Done, State, install, name, version_of};

const UPGRADES: u64 = 200;
const READERS: usize = 3;

#[test]
fn a_reader_sees_one_whole_version_at_every_instant_of_many_upgrades() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let read = || {
            let (shelf, mut seen) = (state.open(), BTreeSet::new());
            while !done.load(Ordering::Relaxed) {
                let pin = shelf.pin(&name()).unwrap().expect("there is always one");
                let version = version_of(pin.dir());
                assert_eq!(pin.record().expect("it has one").source, crate::record(version).source);
                let listed = shelf.list().unwrap();
                assert!(listed.len() == 1 && listed[0].record.is_some(), "{listed:?}");
                assert_eq!(version_of(pin.dir()), version);
                seen.insert(version);
            }
            seen
        };
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(read)).collect();
        let finished = Done(&done);
        for version in 2..=UPGRADES {
            install(&shelf, version);
        }
        drop(finished);
        for reader in readers {
            assert!(reader.join().unwrap().len() > 10, "it saw many versions");
        }
    });
    assert_eq!(state.left().len(), 1, "the last reader of a version deletes it: {:?}", state.left());
}
