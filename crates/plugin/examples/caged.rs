//! Whether this machine can cage a `setup.sh`: runs one that does nothing, and says how that went.
//!
//! ```sh
//! cargo run -p molecule-plugin --example caged
//! ```

#![allow(clippy::print_stdout, reason = "a program that speaks to a person")]

use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use molecule_plugin::setup::{self, SCRIPT, Script, SetupLimits};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join(SCRIPT), "true\n")?;
    let (limits, cancel) = (SetupLimits::default(), AtomicBool::new(false));
    let script = Script { folder: folder.path(), limits: &limits, network: false, cancel: &cancel };
    Ok(match setup::run(&script, &mut |line| println!("{}", line.text)) {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::SUCCESS
        }
        Err(uncaged) => {
            println!("{uncaged}");
            ExitCode::FAILURE
        }
    })
}
