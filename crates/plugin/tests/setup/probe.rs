//! Parts of this program that run inside a cage, or in a process of their own, started by the tests beside them.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use rustix::thread::CapabilitySet;

use molecule_plugin::setup::{self, Script, SetupLimits};

/// Starts processes until none can be started.
#[test]
#[ignore = "runs in a cage"]
fn starts_processes() {
    let mut started = Vec::new();
    while started.len() < 1000 {
        match Command::new("sleep").arg("1000").spawn() {
            Ok(child) => started.push(child),
            Err(_) => break,
        }
    }
    println!("\nstarted {}", started.len());
    // Whatever the harness would do next may want a thread.
    std::process::exit(0);
}

/// Says what it could do beyond an ordinary user.
#[test]
#[ignore = "runs in a cage"]
fn tells_its_privileges() {
    let held = rustix::thread::capabilities(None).unwrap();
    let none = [held.effective, held.permitted, held.inheritable].iter().all(|set| set.is_empty());
    println!("\nholds nothing: {none}, gains nothing: {}", rustix::thread::no_new_privs().unwrap());
    let mut known = CapabilitySet::all().iter();
    let bounded = known.all(|one| !rustix::thread::capability_is_in_bounding_set(one).unwrap_or(false));
    println!("could gain nothing: {bounded}");
}

/// A host, to be killed.
#[test]
#[ignore = "runs in a process of its own"]
fn hosts_a_script() {
    let folder = std::env::var_os("MOLECULE_TEST_FOLDER").unwrap();
    let (limits, cancel) = (SetupLimits::default(), AtomicBool::new(false));
    let script = Script { folder: Path::new(&folder), limits: &limits, network: false, cancel: &cancel };
    setup::run(&script, &mut |line| println!("{}", line.text)).unwrap();
}
