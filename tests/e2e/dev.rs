//! `molecule-host dev`: from a crate or a component to an answer, without an account.

mod author;
mod watch;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use molecule_tests::canvas::Canvas;
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Program};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long cargo may take, which may have to wait for another one.
const BUILDING: Duration = Duration::from_secs(300);

/// A home of its own, so that no test writes into the person's.
fn dev(home: &TempDir, path: &str) -> CommandLine {
    CommandLine::new("molecule-host", ["dev", path]).variable("HOME", home.path())
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The same with the toolchain that runs this test, and with guests that are built already.
fn dev_crate(folder: &Path, state_dir: &Path) -> CommandLine {
    let target = repository("target/guests").canonicalize().unwrap();
    let command =
        CommandLine::new("molecule-host", [Path::new("dev"), folder, Path::new("--state-dir"), state_dir]);
    let toolchain = ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "CARGO_HOME"];
    toolchain
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
        .fold(command.taking(BUILDING).variable("CARGO_TARGET_DIR", target), |command, (name, value)| {
            command.variable(name, value)
        })
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[tokio::test]
async fn a_crate_is_built_and_answers() {
    let home = home();
    let command = dev_crate(&repository("examples/echo"), &home.path().join("state"));
    let ended = command.with(["--say", "hello", "--once"]).run().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "hello\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn of_several_agents_one_has_to_be_chosen() {
    let home = home();
    let command = dev_crate(&repository("examples"), &home.path().join("state"));
    let ended = command.run().await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("give one of them with --package: assistant, clerk, echo, foreman, remote-agent"),
        "{}",
        ended.stderr
    );
    let chosen = command.with(["--package", "echo", "--say", "hello", "--once"]).run().await;
    assert_eq!((chosen.code, chosen.stdout.as_str()), (Some(0), "hello\n"), "{}", chosen.stderr);
}

#[tokio::test]
async fn a_crate_that_makes_no_component_is_told_what_it_lacks() {
    let home = home();
    let library = |name: &str, kind: &str, code: &str| {
        let folder = home.path().join(name);
        std::fs::create_dir_all(folder.join("src")).unwrap();
        let manifest =
            format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"{kind}\"]\n");
        std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        std::fs::write(folder.join("src/lib.rs"), code).unwrap();
        folder
    };
    let broken_manifest = library("broken-manifest", "cdylib", "");
    std::fs::write(broken_manifest.join("Cargo.toml"), "[package").unwrap();
    std::fs::create_dir(home.path().join("empty")).unwrap();
    for (folder, code, words) in [
        (
            library("plain", "lib", ""),
            3,
            "plain does not make a component; give its Cargo.toml the lines `[lib]` and",
        ),
        (library("broken", "cdylib", "fn f( {"), 3, "broken does not build; correct what cargo says above"),
        (broken_manifest, 3, "correct its Cargo.toml"),
        (home.path().join("empty"), 2, "empty holds no Cargo.toml; give the folder of an agent's crate"),
    ] {
        let ended = dev_crate(&folder, &home.path().join("state")).run().await;
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.starts_with("molecule-host: ") && last.contains(words), "{}", ended.stderr);
    }
}

/// Stands in for cargo and rustc on a machine that lacks something.
fn toolchain(folder: &Path, cargo: &str, rustc: &str) {
    for (name, script) in [("cargo", cargo), ("rustc", rustc)] {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[tokio::test]
async fn a_toolchain_that_is_missing_is_named_with_the_command_that_installs_it() {
    let home = home();
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let echo = repository("examples/echo").canonicalize().unwrap();
    let command = || dev_crate(&echo, &home.path().join("state")).variable("PATH", &bin);
    let ended = command().run().await;
    assert_eq!(ended.code, Some(6), "{}", ended.stderr);
    assert!(ended.stderr.contains("install Rust from https://rustup.rs"), "{}", ended.stderr);

    let metadata = json!({"packages": [{
        "name": "echo", "id": "echo", "manifest_path": echo.join("Cargo.toml"), "targets": [{"kind": ["cdylib"]}],
    }]});
    let cargo = format!("[ $1 = metadata ] && echo '{metadata}'");
    toolchain(&bin, &cargo, "echo /nowhere/lib");
    let ended = command().run().await;
    assert_eq!(ended.code, Some(6), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("run: rustup target add wasm32-wasip2\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_kept_folder_keeps_the_workspace_and_prints_nothing_twice() {
    let home = home();
    let state = home.path().join("state").display().to_string();
    let mut workspaces = Vec::new();
    for (say, answer) in [("first", "first\n"), ("second", "second\n")] {
        let command = dev(&home, guests::ECHO).with(["--state-dir", &state, "--say", say, "--once"]);
        let ended = command.run().await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), answer), "{}", ended.stderr);
        let line = ended.stderr.lines().find(|line| line.trim_start().starts_with("workspace")).unwrap();
        workspaces.push(line.to_owned());
    }
    assert_eq!(workspaces[0], workspaces[1]);
    let second = dev(&home, guests::ECHO).with(["--state-dir", &state, "--say", "a", "--once"]).run().await;
    assert!(second.stderr.contains("from the compile cache"), "{}", second.stderr);
}

#[tokio::test]
async fn what_an_agent_writes_to_its_user_while_it_works_is_printed() {
    let home = home();
    let ended = dev(&home, guests::NOTIFIES).with(["--say", "2", "--once"]).run().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "1\n2\ndone\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn several_texts_are_answered_in_order() {
    let home = home();
    let command =
        dev(&home, guests::COUNTER).with(["--say", "a", "--say", "-b", "--say", "c", "--once", "-q"]);
    let ended = command.run().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, "1\n2\n3\n");
}

#[tokio::test]
async fn no_answer_ends_once_with_the_reason() {
    let home = home();
    for (agent, say, arguments, words) in [
        (guests::REFUSES, "x", &[][..], "the agent refused to start: "),
        (guests::PANICS, "panic", &[], "the agent did not answer: panicked: "),
        (
            guests::SLOW,
            "60000",
            &["--timeout", "0.5", "--shutdown-grace", "0"],
            "no answer within 0.5 s; give it",
        ),
    ] {
        let ended =
            dev(&home, agent).with(["--once", "--say", say]).with(arguments.iter().copied()).run().await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(4), ""), "{}", ended.stderr);
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.starts_with("molecule-host: ") && last.contains(words), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_local_trouble() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = dev(&home, guests::ECHO).with(["--port", &port]).run().await;
    assert_eq!(ended.code, Some(6), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.contains(&format!("cannot listen on 127.0.0.1:{port}")) && last.contains("--port"),
        "{last}"
    );
}

/// What stands after a word of the first screen.
async fn shown(program: &Program, label: &str) -> String {
    let line = program.says(&format!("  {label} ")).await;
    line.trim_start().trim_start_matches(label).trim().to_owned()
}

#[tokio::test]
async fn it_goes_on_and_can_be_talked_to_at_the_address_it_names() {
    let home = home();
    // As nohup(1) does.
    let deaf = ["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""];
    let program = dev(&home, guests::ECHO).run_by(deaf).spawn();
    let (url, workspace) = (shown(&program, "platform").await, shown(&program, "workspace").await);
    let state = PathBuf::from(shown(&program, "state").await);
    assert!(state.is_dir());
    program.says("INFO started").await;
    program.signal(rustix::process::Signal::HUP);
    let message = json!({"role": "user", "parts": [{"kind": "text", "text": "from a curl"}]});
    let body = json!({"method": "message/send", "params": {"message": message}});
    let path = format!("/workspaces/{workspace}/a2a");
    let (status, answer) = Canvas::of(url).ask(Method::POST, &path, None, Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
    program.says("from a curl").await;
    program.terminate();
    let ended = program.ended().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "from a curl\n"), "{}", ended.stderr);
    assert!(!state.exists(), "a temporary folder is removed");
}

#[tokio::test]
async fn every_line_for_programs_is_an_object_and_the_last_one_has_the_exit_code() {
    let home = home();
    let command = dev(&home, guests::PANICS).with(["--log-format", "json", "--once", "--say", "panic"]);
    let ended = command.run().await;
    let lines: Vec<Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let last = lines.last().unwrap();
    assert_eq!((last["level"].as_str(), last["exit_code"].as_i64()), (Some("error"), Some(4)), "{last}");
    assert!(lines.iter().any(|line| line["message"] == "ready" && line["workspace"].is_string()));
}

/// Each flag reaches what it limits, and is named where it was in the way.
#[tokio::test]
async fn a_limit_that_a_flag_sets_is_the_one_an_agent_dies_of() {
    let home = home();
    let eats = ["--config", "does=eat", "--config", "spares=on-start", "--max-memory", "32MiB"];
    for (guest, flags, code, words) in [
        (
            guests::HOSTILE,
            &eats[..],
            4,
            "memory limit: 33 MiB wanted, 32 MiB allowed; --max-memory allows more",
        ),
        (guests::TRAPS, &["--max-stack", "64KiB"], 4, "stack limit: stack overflow; --max-stack allows more"),
        (guests::DESCRIBE_EATS, &["--max-memory", "32MiB"], 3, "memory limit: 33 MiB wanted, 32 MiB allowed"),
    ] {
        let command = dev(&home, guest).with(flags).with(["--say", "deep 5000", "--once"]);
        let ended = command.run().await;
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let ended = dev(&home, guests::TRAPS).with(["--say", "deep 5000", "--once"]).run().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "deep 5000\n"), "{}", ended.stderr);
}
