//! What is installed, and what is known about it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use molecule_plugin::{Shelf, ShelfError};

use crate::{State, fill, install, installed, name, names, record};

#[test]
fn what_was_committed_is_installed_with_its_record() {
    let state = State::new();
    let shelf = state.open();
    let first = install(&shelf, 1);
    assert_eq!(first.record, Some(record(1)));
    assert_eq!(shelf.list().unwrap(), [first]);
    assert_eq!(installed(&shelf), Some(1));
    let second = install(&shelf, 2);
    assert_eq!(shelf.list().unwrap(), [second]);
    assert_eq!(installed(&shelf), Some(2));
    state.assert_clean("after two installs");
}

#[test]
fn a_staging_that_is_dropped_leaves_nothing_and_changes_nothing() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let lock = shelf.try_lock(&name()).unwrap();
    let staging = lock.stage().unwrap();
    fill(staging.dir(), 2);
    let staged = staging.path();
    assert!(staged.join("plugin.yaml").exists());
    drop(staging);
    assert!(!staged.exists());
    drop(lock);
    assert_eq!(installed(&shelf), Some(1));
    state.assert_clean("after it was dropped");
}

#[test]
fn only_this_user_can_look_into_it() {
    let state = State::new();
    install(&state.open(), 1);
    for folder in [state.plugins(), state.work(), state.plugins().join("p")] {
        assert_eq!(
            fs::metadata(&folder).unwrap().permissions().mode() & 0o7777,
            0o700,
            "{}",
            folder.display()
        );
    }
}

#[test]
fn the_folder_of_plugins_never_shows_anything_but_plugins() {
    let state = State::new();
    let shelf = state.open();
    let pin_of_first = {
        install(&shelf, 1);
        shelf.pin(&name()).unwrap()
    };
    let lock = shelf.try_lock(&name()).unwrap();
    let staging = lock.stage().unwrap();
    fill(staging.dir(), 2);
    assert_eq!(names(&state.plugins()), ["p"]);
    staging.commit(record(2)).unwrap();
    assert_eq!(names(&state.plugins()), ["p"]);
    lock.remove().unwrap();
    assert!(names(&state.plugins()).is_empty());
    drop(pin_of_first);
}

#[test]
fn the_outcome_of_the_setup_is_noted_afterwards() {
    let state = State::new();
    let shelf = state.open();
    let lock = shelf.try_lock(&name()).unwrap();
    let staging = lock.stage().unwrap();
    let installed = staging.commit(record(1)).unwrap();
    let noted = lock.setup_ended(&installed, "ran, exit status 0").unwrap();
    assert_eq!(noted.record.as_ref().unwrap().setup.as_deref(), Some("ran, exit status 0"));
    assert_eq!(shelf.get(&name()).unwrap(), Some(noted));
}

#[test]
fn the_outcome_of_a_setup_is_not_noted_about_another_version() {
    let state = State::new();
    let shelf = state.open();
    let first = install(&shelf, 1);
    install(&shelf, 2);
    let lock = shelf.try_lock(&name()).unwrap();
    assert!(matches!(lock.setup_ended(&first, "ran"), Err(ShelfError::Replaced { .. })));
    assert_eq!(shelf.get(&name()).unwrap().unwrap().record, Some(record(2)));
    lock.remove().unwrap();
    assert!(matches!(lock.setup_ended(&first, "ran"), Err(ShelfError::Replaced { .. })));
}

#[test]
fn what_others_put_there_is_listed_without_a_source_and_what_is_no_plugin_is_not() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    for folder in ["zed", "Alpha", ".staging-x-00000000", "-bad"] {
        fs::create_dir(state.plugins().join(folder)).unwrap();
    }
    fs::write(state.plugins().join("file"), "").unwrap();
    symlink(state.work(), state.plugins().join("link")).unwrap();
    let listed = shelf.list().unwrap();
    let listed: Vec<_> = listed.iter().map(|it| (it.name.as_str(), it.record.is_some())).collect();
    assert_eq!(listed, [("Alpha", false), ("p", true), ("zed", false)]);
    assert!(shelf.pin(&"link".parse().unwrap()).unwrap().is_none());
    assert!(shelf.pin(&"zed".parse().unwrap()).unwrap().unwrap().record().is_none());
}

#[test]
fn a_tree_that_others_put_in_the_place_of_an_installed_one_is_not_taken_for_that() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    fs::remove_dir_all(state.plugins().join("p")).unwrap();
    fs::create_dir(state.plugins().join("p")).unwrap();
    assert_eq!(shelf.get(&name()).unwrap().unwrap().record, None);
    state.assert_clean("the record is swept");
}

#[test]
fn a_tree_that_got_the_inode_of_an_installed_one_is_not_taken_for_that() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let file = state.work().join(&state.left()[0]);
    let note = fs::read_to_string(&file).unwrap();
    let tree = state.plugins().join("p");
    let inode = fs::metadata(&tree).unwrap().ino();
    fs::remove_dir_all(&tree).unwrap();
    fs::create_dir(&tree).unwrap();
    // As it would be had it been given the same number, which some file systems do at once and others later.
    let reused = fs::metadata(&tree).unwrap().ino();
    fs::remove_file(file).unwrap();
    let note = note.replace(&format!("\"inode\": {inode}"), &format!("\"inode\": {reused}"));
    fs::write(state.work().join(format!(".record-p-{reused:08x}")), note).unwrap();
    assert_eq!(shelf.get(&name()).unwrap().unwrap().record, None);
    state.assert_clean("the record is swept");
}

#[test]
fn a_record_that_cannot_be_read_says_nothing_and_is_swept() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    fs::write(state.work().join(&state.left()[0]), "{ \"inode\"").unwrap();
    assert_eq!(shelf.get(&name()).unwrap().unwrap().record, None);
    state.assert_clean("the record is swept");
    install(&shelf, 2);
    assert_eq!(installed(&shelf), Some(2));
}

#[test]
fn a_link_or_a_file_in_the_place_of_a_plugin_is_left_alone() {
    let state = State::new();
    let shelf = state.open();
    let outside = state.0.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, state.plugins().join("p")).unwrap();
    let lock = shelf.try_lock(&name()).unwrap();
    assert!(matches!(lock.stage().unwrap().commit(record(1)), Err(ShelfError::NotAFolder { .. })));
    assert!(matches!(lock.remove(), Err(ShelfError::NotAFolder { .. })));
    drop(lock);
    assert!(state.plugins().join("p").is_symlink() && outside.exists());
    assert!(state.left().is_empty(), "{:?}", state.left());
}

#[test]
fn a_removed_plugin_is_gone_with_its_record() {
    let state = State::new();
    let shelf = state.open();
    install(&shelf, 1);
    let lock = shelf.try_lock(&name()).unwrap();
    assert!(lock.remove().unwrap());
    assert!(!lock.remove().unwrap(), "it was gone");
    drop(lock);
    assert!(shelf.list().unwrap().is_empty() && shelf.pin(&name()).unwrap().is_none());
    assert!(state.left().is_empty() && names(&state.plugins()).is_empty());
}

#[test]
fn a_work_folder_that_cannot_be_made_is_named() {
    let state = State::new();
    fs::write(state.work(), "").unwrap();
    let error = Shelf::open(&state.plugins()).unwrap_err().to_string();
    assert!(error.contains("plugins.work"), "{error}");
}

#[test]
fn one_of_two_staged_versions_is_committed_and_the_other_one_can_be_still() {
    let state = State::new();
    let shelf = state.open();
    let lock = shelf.try_lock(&name()).unwrap();
    let [first, second] = [lock.stage().unwrap(), lock.stage().unwrap()];
    fill(first.dir(), 1);
    fill(second.dir(), 2);
    first.commit(record(1)).unwrap();
    assert_eq!(installed(&shelf), Some(1));
    second.commit(record(2)).unwrap();
    drop(lock);
    assert_eq!(installed(&shelf), Some(2));
    state.assert_clean("after both");
}

#[test]
#[cfg(target_os = "linux")]
fn folders_on_two_file_systems_are_refused() {
    let state = State::new();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    assert_ne!(fs::metadata(&elsewhere).unwrap().dev(), fs::metadata(state.0.path()).unwrap().dev());
    symlink(elsewhere.path(), state.plugins()).unwrap();
    assert!(matches!(Shelf::open(&state.plugins()), Err(ShelfError::TwoFileSystems { .. })));
}
