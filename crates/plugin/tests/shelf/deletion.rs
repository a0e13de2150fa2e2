//! Trees that do not want to be deleted.

use std::fs;
use std::os::unix::fs::symlink;

use cap_std::fs::Dir;
use molecule_plugin::Shelf;

use crate::{State, name, record};

/// Installs what is filled in, and removes it.
fn comes_and_goes(shelf: &Shelf, fill: impl FnOnce(&Dir, &std::path::Path)) {
    let lock = shelf.try_lock(&name()).unwrap();
    let staging = lock.stage().unwrap();
    fill(staging.dir(), &staging.path());
    staging.commit(record(1)).unwrap();
    assert!(lock.remove().unwrap());
    drop(lock);
    let swept = shelf.sweep().unwrap();
    assert!(swept.failed.is_empty(), "{:?}", swept.failed);
}

#[test]
fn what_a_link_leads_to_survives() {
    let state = State::new();
    let outside = state.0.path().join("outside");
    fs::create_dir_all(outside.join("folder")).unwrap();
    fs::write(outside.join("folder/file"), "kept").unwrap();
    comes_and_goes(&state.open(), |_, staged| {
        fs::create_dir_all(staged.join("sub/below")).unwrap();
        for place in ["link", "sub/link", "sub/below/link"] {
            symlink(outside.join("folder"), staged.join(place)).unwrap();
            symlink(outside.join("folder/file"), staged.join(place).with_file_name("to-file")).unwrap();
        }
        symlink("..", staged.join("sub/up")).unwrap();
        symlink("/", staged.join("sub/root")).unwrap();
    });
    assert!(state.left().is_empty(), "{:?}", state.left());
    assert_eq!(fs::read_to_string(outside.join("folder/file")).unwrap(), "kept");
}

#[test]
fn a_tree_deeper_than_there_may_be_open_files_is_deleted() {
    let state = State::new();
    comes_and_goes(&state.open(), |dir, _| {
        let mut folder = dir.try_clone().unwrap();
        for _ in 0..5000 {
            folder.create_dir("d").unwrap();
            folder.write("f", "").unwrap();
            folder = folder.open_dir("d").unwrap();
        }
    });
    assert!(state.left().is_empty(), "{:?}", state.left());
}

#[test]
fn a_tree_that_uses_the_names_of_the_deletion_is_deleted() {
    let state = State::new();
    comes_and_goes(&state.open(), |dir, _| {
        for number in 1..=20 {
            dir.create_dir_all(format!("{number}/a/b/c")).unwrap();
            dir.create_dir_all(format!(".up-{number}/full/.up-{number}")).unwrap();
            dir.write(format!(".up-{}", number + 20), "a file").unwrap();
        }
    });
    assert!(state.left().is_empty(), "{:?}", state.left());
}

#[test]
fn a_wide_tree_is_deleted() {
    let state = State::new();
    comes_and_goes(&state.open(), |dir, _| {
        dir.create_dir("many").unwrap();
        (0..3000).for_each(|number| dir.write(format!("many/{number}"), "").unwrap());
    });
    assert!(state.left().is_empty(), "{:?}", state.left());
}

/// In a thread that may not do more than any other user, as permissions do not bind root.
#[test]
#[cfg(target_os = "linux")]
fn folders_that_nobody_may_enter_read_or_change_are_deleted() {
    let state = State::new();
    let bound = || {
        use std::fs::{File, Permissions};
        use std::os::unix::fs::PermissionsExt;

        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
        set_capabilities(None, sets).unwrap();
        comes_and_goes(&state.open(), |_, staged| {
            for (folder, mode) in
                [("none", 0o000), ("read", 0o500), ("enter", 0o100), ("a/b/c", 0o000), ("", 0o000)]
            {
                let folder = staged.join(folder);
                fs::create_dir_all(folder.join("sub")).unwrap();
                fs::write(folder.join("sub/file"), "").unwrap();
                fs::set_permissions(folder.join("sub"), Permissions::from_mode(0o000)).unwrap();
                fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            }
            let denied = File::open(staged).unwrap_err();
            assert_eq!(denied.kind(), std::io::ErrorKind::PermissionDenied);
        });
    };
    std::thread::scope(|scope| scope.spawn(bound).join().unwrap());
    assert!(state.left().is_empty(), "{:?}", state.left());
}
