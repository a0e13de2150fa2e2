//! The program: what it says and exits with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_molecule-platform"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

/// What it says when it does not start. One that starts after all is stopped, and fails the test.
async fn failing(args: &[&str], code: i32) -> String {
    let output = tokio::process::Command::from(program(args)).kill_on_drop(true).output();
    let Output { status, stderr, .. } =
        tokio::time::timeout(Duration::from_secs(20), output).await.expect("it runs").unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{said}");
    said
}

#[tokio::test]
async fn trouble_is_one_line_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "not a database, and longer than a header of one would be".repeat(20)).unwrap();
    let notes = notes.to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, code, words) in [
        (vec!["--listen", &taken, "--in-memory"], 6, "--listen"),
        (vec!["--listen", "127.0.0.1:0", "--db", notes], 6, "is not a SQLite database"),
        (vec!["--listen", "127.0.0.1:0", "--db", "/nowhere/at/all.db"], 6, "check that its folder exists"),
        (vec!["--listen", "0.0.0.0:0", "--in-memory"], 2, "--open-to-network"),
        (vec!["--in-memory", "--admin-token-file", "/nowhere"], 2, "--admin-token-file"),
        (vec!["--in-memory", "--plugins-dir", "/nowhere"], 2, "the folder /nowhere of --plugins-dir"),
        (vec!["--in-memory", "--github-base", "/nowhere"], 2, "make it, or name another"),
        (vec!["--in-memory", "--journal", "/nowhere/j"], 2, "/nowhere/j of --journal"),
    ] {
        let said = failing(&args, code).await;
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("molecule-platform: ") && said.contains(words), "{said}");
    }
    failing(&["--env", "nonsense"], 2).await;
}

#[cfg(unix)]
#[test]
fn it_says_where_it_listens_and_ends_well_when_told_to() {
    let mut child =
        program(&["--listen", "127.0.0.1:0", "--in-memory"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut said).unwrap();
    let rest = said.strip_prefix("molecule-platform listens on http://127.0.0.1:").expect(&said);
    let port = rest.split_once(' ').unwrap().0;
    let mut page = String::new();
    stdout.read_line(&mut page).unwrap();
    assert_eq!(page, format!("its page is http://127.0.0.1:{port}/\n"));
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn settings_in_the_environment_are_read_as_people_write_them() {
    let start = |variables: &[(&str, &str)]| {
        let mut child = program(&["--listen", "127.0.0.1:0", "--in-memory"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let at = said.split_once("http://").map(|(_, rest)| rest.split(' ').next().unwrap().to_owned());
        (child, at.unwrap_or_else(|| panic!("{variables:?} is refused")), said)
    };
    let ask = |at: &str, path: &str| {
        let mut stream = std::net::TcpStream::connect(at).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    let token = "/admin/workspaces/00000000-0000-4000-8000-000000000000/test-token";
    for (switch, answer) in
        [("1", "workspace not found"), ("true", "workspace not found"), ("0", "not found")]
    {
        let (mut child, at, said) = start(&[
            ("MOLECULE_ENV", "Production"),
            ("MOLECULE_ENABLE_TEST_TOKENS", switch),
            ("MOLECULE_PLATFORM_SAAS", switch),
        ]);
        assert!(said.contains("credentials are asked for"), "{said}");
        let answered = ask(&at, token);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(answered.contains(&format!(r#""error":"{answer}""#)), "{switch}: {answered}");
    }
    // An empty organisation is none.
    let (mut child, at, said) = start(&[("MOLECULE_ENV", "Development"), ("MOLECULE_ORG_ID", "")]);
    let answered = ask(&at, "/workspaces");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.contains("no credentials") && answered.starts_with("HTTP/1.1 200"), "{said} {answered}");
}

#[cfg(unix)]
#[test]
fn told_to_listen_elsewhere_it_prints_a_token_with_the_address_of_its_page() {
    let mut child = program(&["--listen", "0.0.0.0:0", "--open-to-network", "--in-memory"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (mut first, mut second) = (String::new(), String::new());
    stdout.read_line(&mut first).unwrap();
    stdout.read_line(&mut second).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.ends_with("(credentials are asked for)\n"), "{first}");
    let (page, token) = second.trim_end().split_once("/#token=").expect(&second);
    assert!(page.starts_with("its page is http://localhost:"), "{second}");
    assert_eq!(token.len(), 43, "{second}");
}

#[test]
fn the_help_shows_how_to_begin() {
    let Output { status, stdout, .. } = program(&["--help"]).output().unwrap();
    let help = String::from_utf8(stdout).unwrap();
    assert!(status.success());
    for word in [
        "curl -X POST localhost:8080/workspaces",
        "MOLECULE_PLATFORM_DB",
        "--plugins-dir",
        "%23v1",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word} in:\n{help}");
    }
}

/// Descriptors that a process has open.
#[cfg(target_os = "linux")]
fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_whose_reader_is_gone_is_given_up_though_nothing_happens() {
    // Fails when a stream ends only with the next event.
    const STREAMS: usize = 100;
    let mut child =
        program(&["--listen", "127.0.0.1:0", "--in-memory"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let at = said.split_once("http://").unwrap().1.split(' ').next().unwrap().to_owned();
    let ask = |request: &str, body: &str| {
        let mut stream = std::net::TcpStream::connect(&at).unwrap();
        let head = format!("{request} HTTP/1.1\r\nhost: {at}\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        BufReader::new(stream)
    };
    let mut made = String::new();
    let mut answer = ask("POST /workspaces", r#"{"name":"a","external":true}"#);
    while !made.contains("\"id\":\"") {
        let mut piece = [0];
        answer.read_exact(&mut piece).unwrap();
        made.push(char::from(piece[0]));
    }
    let mut id = [0; 36];
    answer.read_exact(&mut id).unwrap();
    let id = std::str::from_utf8(&id).unwrap();
    drop(answer);
    let before = descriptors(child.id());
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let mut stream = ask(&format!("GET /workspaces/{id}/events/stream"), "");
            let mut line = String::new();
            while !line.starts_with(": ping") {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            stream
        })
        .collect();
    let open = descriptors(child.id());
    drop(streams);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while descriptors(child.id()) > before && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    let after = descriptors(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(open >= before + STREAMS - 1, "{open} open, {before} before");
    assert!(after <= before, "{after} open after {before}");
}
