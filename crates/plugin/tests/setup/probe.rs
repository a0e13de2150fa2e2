//! Parts of this program that run inside a cage, or in a process of their own, started by the tests beside them.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

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

/// A host, to be killed.
#[test]
#[ignore = "runs in a process of its own"]
fn hosts_a_script() {
    let folder = std::env::var_os("MOLECULE_TEST_FOLDER").unwrap();
    let (limits, cancel) = (SetupLimits::default(), AtomicBool::new(false));
    let script = Script { folder: Path::new(&folder), limits: &limits, network: false, cancel: &cancel };
    setup::run(&script, &mut |line| println!("{}", line.text)).unwrap();
}
