//! The program's own word about itself. What it does is tested end to end, by `molecule-tests`, which finds the program
//! because cargo builds it for this test.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output, Stdio};

fn program(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_molecule-host"));
    command.args(args).env_clear().stdin(Stdio::null()).output().unwrap()
}

#[test]
fn the_help_of_both_commands_shows_how_to_begin_and_what_an_exit_code_means() {
    for (args, words) in [
        (&["--help"][..], "--platform-url URL --workspace-id ID"),
        (&["dev", "--help"], "--say hello --once"),
    ] {
        let Output { status, stdout, stderr } = program(args);
        let help = String::from_utf8(stdout).unwrap();
        assert!(status.success() && stderr.is_empty());
        for words in ["Examples:", words, "Exit codes"] {
            assert!(help.contains(words), "{words} in:\n{help}");
        }
    }
}

#[test]
fn it_knows_its_version() {
    let said = String::from_utf8(program(&["--version"]).stdout).unwrap();
    assert_eq!(said, format!("molecule-host {}\n", env!("CARGO_PKG_VERSION")));
}
