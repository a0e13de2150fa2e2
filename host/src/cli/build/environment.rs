//! What a cargo that we start may see of the environment.

use std::ffi::OsStr;

use molecule_host::token::{TOKEN_FILE_VARIABLE, TOKEN_VARIABLE};
use tokio::process::Command;

use crate::cli::settings::EGRESS_PROXY;

/// Flags and wrappers that are meant for building programs of this machine.
const FOR_THE_HOST: [&str; 7] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "CARGO_BUILD_TARGET",
];

/// What a cargo that has started *us*, by `cargo run` or `cargo test`, says about itself and our own package. The
/// toolchain is among them: the agent's crate has its own.
const FROM_A_CARGO: [&str; 9] = [
    "CARGO",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MAKEFLAGS",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "OUT_DIR",
    "RUSTUP_TOOLCHAIN",
];

/// Secrets of ours, which build scripts and macros of the agent's crate have no business with.
const SECRET: [&str; 3] = [TOKEN_VARIABLE, TOKEN_FILE_VARIABLE, EGRESS_PROXY];

/// Takes from the command's environment what would disturb a build for another target, in another workspace. What the
/// author says about cargo itself, such as `CARGO_HOME` and `CARGO_TARGET_DIR`, stays.
pub(in crate::cli) fn clean(command: &mut Command) {
    let within_cargo = std::env::var_os("CARGO").is_some();
    for (name, _) in std::env::vars_os() {
        if is_removed(&name, within_cargo) {
            command.env_remove(name);
        }
    }
}

fn is_removed(name: &OsStr, within_cargo: bool) -> bool {
    let Some(name) = name.to_str() else { return false };
    FOR_THE_HOST.contains(&name)
        || SECRET.contains(&name)
        || (within_cargo && (FROM_A_CARGO.contains(&name) || name.starts_with("CARGO_PKG_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_another_build_goes_and_what_the_author_says_stays() {
        for (name, within_cargo, expected) in [
            ("RUSTFLAGS", false, true),
            ("RUSTC_WORKSPACE_WRAPPER", false, true),
            ("MOLECULE_WORKSPACE_TOKEN", false, true),
            ("MOLECULE_EGRESS_PROXY", false, true),
            ("CARGO_TARGET_DIR", true, false),
            ("CARGO_HOME", true, false),
            ("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", true, false),
            ("PATH", true, false),
            // Somebody who sets this by hand means it.
            ("RUSTUP_TOOLCHAIN", false, false),
            ("RUSTUP_TOOLCHAIN", true, true),
            ("CARGO_MANIFEST_DIR", true, true),
            ("CARGO_PKG_NAME", true, true),
        ] {
            assert_eq!(
                is_removed(OsStr::new(name), within_cargo),
                expected,
                "{name}, within cargo: {within_cargo}"
            );
        }
    }
}
