//! Scripts that are not run.

use std::fs;
use std::sync::atomic::AtomicBool;

use molecule_plugin::setup::{self, Script, SetupLimits, Uncaged};

use crate::fixture::Plugin;

#[test]
fn without_a_script_that_is_a_file_nothing_runs() {
    let plugin = Plugin::new("");
    let cancel = AtomicBool::new(false);
    fs::rename(plugin.path("setup.sh"), plugin.path("other.sh")).unwrap();
    let refused = |plugin: &Plugin| plugin.try_run(&cancel, &mut |_| {}).unwrap_err().to_string();
    assert!(
        refused(&plugin).ends_with("setup.sh is not a regular file that can be read"),
        "{}",
        refused(&plugin)
    );
    std::os::unix::fs::symlink("other.sh", plugin.path("setup.sh")).unwrap();
    assert!(
        refused(&plugin).ends_with("setup.sh is not a regular file that can be read"),
        "{}",
        refused(&plugin)
    );
}

#[test]
fn a_plugin_among_programs_is_refused_since_its_neighbours_can_be_read() {
    let (limits, cancel) = (SetupLimits::default(), AtomicBool::new(false));
    let script = Script { folder: "/usr/bin".as_ref(), limits: &limits, network: false, cancel: &cancel };
    let refused = setup::run(&script, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, Uncaged::AmongPrograms { programs: "/usr", .. }), "{refused}");
}
