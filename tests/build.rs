//! Builds the agents that the tests run: those of `examples/` and of `tests/guests/`, with a cargo of their own.

// A build that fails may say so by a panic, and speaks to cargo on standard output.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let tests = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = tests.parent().expect("tests/ lies in the repository");
    // A target folder apart: a nested cargo on the one that is locked by this build would wait for ever.
    let target = root.join("target/guests");

    let mut constants = String::new();
    for workspace in [root.join("examples"), tests.join("guests")] {
        println!("cargo::rerun-if-changed={}", workspace.display());
        build(&workspace, &target, &["--workspace"]);
        build(&workspace, &target, &["--workspace", "--examples"]);
        name_components(&workspace, &target, &mut constants);
    }
    for sdk in ["guest", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(sdk).display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("guests.rs"), constants).expect("OUT_DIR can be written");
}

fn build(workspace: &Path, target: &Path, what: &[&str]) {
    let status = Command::new(env::var_os("CARGO").expect("cargo sets it"))
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "--target", "wasm32-wasip2"])
        .args(what)
        .env("CARGO_TARGET_DIR", target)
        // These are meant for the host.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the agents in {} do not build", workspace.display());
}

/// One constant for each component that the workspace's packages make.
fn name_components(workspace: &Path, target: &Path, constants: &mut String) {
    let release = target.join("wasm32-wasip2/release");
    let metadata = Command::new(env::var_os("CARGO").expect("cargo sets it"))
        .current_dir(workspace)
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata.stdout).expect("cargo metadata is JSON");
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for made in package["targets"].as_array().into_iter().flatten() {
            let is_component =
                made["crate_types"].as_array().is_some_and(|types| types.iter().any(|t| t == "cdylib"));
            let Some(name) = made["name"].as_str().filter(|_| is_component) else { continue };
            let example =
                made["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "example"));
            let folder = if example { release.join("examples") } else { release.clone() };
            let file = folder.join(format!("{}.wasm", name.replace('-', "_")));
            assert!(file.exists(), "{} was not built", file.display());
            let constant = name.replace('-', "_").to_uppercase();
            writeln!(constants, "/// `{name}` of `{}`.", package["name"].as_str().unwrap_or_default())
                .expect("a string");
            writeln!(constants, "pub const {constant}: &str = {:?};", file.display().to_string())
                .expect("a string");
        }
    }
}
