//! What an operator can get wrong: one clear line for each, and the exit code that scripts rely on.

use std::path::Path;

use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Ended};
use molecule_tests::scripted::{Reply, Scripted};

const ID: &str = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11";

/// `molecule-host` with what is mandatory, and silent about all but the trouble.
fn host(component: &str, url: &str, state_dir: &Path) -> CommandLine {
    CommandLine::new("molecule-host", [component, "-q", "--platform-url", url, "--workspace-id", ID])
        .with(["--state-dir", &state_dir.display().to_string()])
}

/// Asserts the exit code, and that the last line is the program's own and the only one of its kind.
fn assert_ends(ended: &Ended, code: i32, words: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("molecule-host: ")).collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().last(), lines.first().copied());
    assert!(lines[0].contains(words), "{words:?} is not in: {}", lines[0]);
    for noise in ["thread '", "stack backtrace", "Error {"] {
        assert!(!ended.stderr.contains(noise), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_file_that_is_no_agent_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let text = file("text.wasm", b"#!/bin/sh\n");
    let empty = file("empty.wasm", b"");
    let core = file("core.wasm", b"\0asm\x01\0\0\0");
    let cut = file("cut.wasm", &std::fs::read(guests::ECHO).unwrap()[..100_000]);
    let absent = folder.path().join("absent.wasm").display().to_string();
    let itself = folder.path().display().to_string();
    for (component, code, words) in [
        (
            text.as_str(),
            3,
            "text.wasm: this is not WebAssembly (it starts with \"#!/bin/s\"); build the agent with",
        ),
        (&empty, 3, "it is empty"),
        (&core, 3, "a core WebAssembly module, not a component; build it for the target wasm32-wasip2"),
        (&cut, 3, "damaged"),
        (guests::OTHER_WORLD, 3, "not a Molecule agent: it does not export molecule:agent/describe"),
        (guests::UNKNOWN_IMPORT, 3, "which this host does not have"),
        (guests::NEWER_CONTRACT, 3, "this agent was built for molecule:agent@0.2.0"),
        (guests::DESCRIBE_PANICS, 3, "the agent's describe failed: panicked: "),
        (&absent, 2, "No such file"),
        (&itself, 2, "is a folder; build and run it with: molecule-host dev"),
    ] {
        let ended = host(component, "http://127.0.0.1:9", &folder.path().join("state")).run().await;
        assert_ends(&ended, code, words);
    }
}

#[tokio::test]
async fn flags_and_variables_that_make_no_sense_are_named() {
    let line = |words: &str| CommandLine::new("molecule-host", words.split_whitespace());
    for (command, words) in [
        (line("a.wasm"), "no platform is named; give --platform-url or set MOLECULE_PLATFORM_URL"),
        (line("a.wasm --platform-url http://p"), "give --workspace-id or set MOLECULE_WORKSPACE_ID"),
        (line("a.wasm --platform-url acme.example"), "must begin with https:// or http://"),
        (line("a.wasm --workspace-id 7"), "is not a workspace id"),
        (line("a.wasm --plattform-url x"), "did you mean '--platform-url'?"),
        (line("a.wasm --heartbeat-interval 90"), "expected seconds from 0.1 to 80"),
        (line("a.wasm").variable("MOLECULE_POLL_INTERVAL", "soon"), "no platform is named"),
        (
            line("a.wasm").variable("MOLECULE_PLATFORM_URL", "p"),
            "MOLECULE_PLATFORM_URL: the platform URL must begin",
        ),
        (line("a.wasm").variable("MOLECULE_LOG", "molecule_host=loud"), "MOLECULE_LOG is no filter"),
        (line("-v"), "no agent is named"),
        (line("dev"), "no agent is named"),
        (line("a.wasm --secret KEY=hunter2"), "the value itself is not written here"),
        (
            line("dev a --secret=KEY=hunter2"),
            "invalid value for '--secret <NAME=SOURCE>': expected NAME=file:PATH",
        ),
        (line("a.wasm --egress-proxy https://me:hunter2@proxy"), "the proxy is not a URL of the form"),
        (line("up a.toml --egress-proxy http://me:hunter2@proxy"), "set MOLECULE_EGRESS_PROXY"),
    ] {
        let ended = command.run().await;
        assert_ends(&ended, 2, words);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_read_is_named_by_where_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let echo = || host(guests::ECHO, "http://127.0.0.1:9", &folder.path().join("state"));
    for (command, words) in [
        (
            echo().with(["--token-file", "/nowhere/token"]),
            "/nowhere/token (--token-file) holds no token; write",
        ),
        (echo().with(["--token-file", "-"]).hearing("\n"), "standard input holds no token"),
        (echo().with(["--token-file", "-"]).hearing("two words"), "standard input holds no usable token"),
        (
            echo().variable("MOLECULE_WORKSPACE_TOKEN", "two words"),
            "MOLECULE_WORKSPACE_TOKEN holds no usable token",
        ),
    ] {
        let ended = command.run().await;
        assert_ends(&ended, 2, words);
        assert!(!ended.stderr.contains("two words"));
    }
}

#[tokio::test]
async fn what_is_no_platform_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    for (reply, words) in [
        (Reply::html(200), "where JSON was expected: something before the platform answered"),
        (Reply::empty(404), "check --org-id and --origin"),
        (
            Reply::redirect(302, "https://elsewhere.example/login"),
            "redirects (302) to https://elsewhere.example",
        ),
        (Reply::empty(403), "use --origin off"),
        (Reply::typed(404, "text/plain", "404 page not found"), "this is no platform; check --platform-url"),
    ] {
        let server = Scripted::answering(move |_| reply.clone()).await;
        let ended = host(guests::ECHO, &server.url(), &folder.path().join("state")).run().await;
        assert_ends(&ended, 2, words);
    }
    let plain = Scripted::answering(|_| Reply::json(200, "{}")).await;
    let url = plain.url().replace("http://", "https://");
    let ended = host(guests::ECHO, &url, &folder.path().join("state")).run().await;
    assert_ends(&ended, 2, "plain HTTP where TLS was expected; use http:// in --platform-url");
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_used_is_local_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_ends(
        &host(guests::ECHO, "http://127.0.0.1:9", &file).run().await,
        6,
        "is not a folder; move it away",
    );

    // As much room as on a full disk.
    let full = ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""];
    let ended =
        host(guests::ECHO, "http://127.0.0.1:9", &folder.path().join("state")).run_by(full).run().await;
    assert_ends(&ended, 6, "--state-dir");

    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("host.db"), "not a database, but long enough to look at. ".repeat(50))
        .unwrap();
    assert_ends(
        &host(guests::ECHO, "http://127.0.0.1:9", &foreign).run().await,
        6,
        "host.db is not a SQLite database",
    );
}

#[tokio::test]
async fn a_signal_ends_a_host_that_still_waits_for_its_component() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("agent.wasm");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let command = CommandLine::new("molecule-host", [pipe.as_os_str()])
        .with(["-v", "--platform-url", "http://127.0.0.1:9", "--workspace-id", ID])
        .with(["--state-dir", &folder.path().join("state").display().to_string()]);
    let host = command.spawn();
    host.says("reading").await;
    host.terminate();
    let ended = host.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("molecule-host: "), "{}", ended.stderr);
}
