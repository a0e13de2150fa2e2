//! The same once more, without privileges.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use crate::fixture::copy_of_this_program;

/// Says that this is the second time.
const ORDINARY: &str = "MOLECULE_TEST_ORDINARY";

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    if !rustix::process::getuid().is_root() {
        assert!(std::env::var_os(ORDINARY).is_none_or(|told| told == "1"));
        return;
    }
    // Anybody's number but root's; the folders are its own, and the program can be read by it wherever it lies.
    let user = 61_234;
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (program, tmp, home) =
        (place.path().join("tests"), place.path().join("tmp"), place.path().join("home"));
    copy_of_this_program(&program);
    for folder in [&tmp, &home] {
        fs::create_dir(folder).unwrap();
        chown(folder, Some(user), Some(user)).unwrap();
    }
    let run = Command::new("setpriv")
        .args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".into(), "--".into()])
        .arg(&program)
        .args(["--test-threads", "2"])
        .envs([(ORDINARY, "1".as_ref()), ("TMPDIR", tmp.as_os_str()), ("HOME", home.as_os_str())])
        .current_dir("/")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{err}");
    assert!(out.contains("nothing_that_a_script_started_outlives_it ... ok"), "{out}{err}");
}
