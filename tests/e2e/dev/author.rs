//! `agent.dev.toml`: what an author's agent needs in order to be tried.

use std::fs;

use model_server::{Config, ModelServer};
use molecule_tests::guests;
use molecule_tests::process::CommandLine;
use rustix::process::Signal;

use super::watch::{Played, Scene, begun, gone};

const REMIND: [&str; 3] = ["--say", "remind me in 1 minute to stretch", "--once"];

/// The assistant, whose author has it talk with this model, and something run beside it.
fn played(model: &ModelServer) -> Played {
    let played = Played::new();
    played.makes(guests::ASSISTANT);
    let url = model.url();
    let says = format!(
        "beside = [\"sh\", \"-c\", \"echo $$ >pid.draft; mv pid.draft pid; echo at http://127.0.0.1; exec sleep 1000\"]\n\
         allow-net = [\"POST {url}/chat/completions\"]\n[config]\nmodel-url = \"{url}\"\nmodel-key = \"none\"\n"
    );
    fs::write(played.folder.join("agent.dev.toml"), says).unwrap();
    played
}

fn remind(played: &Played) -> CommandLine {
    played.command().with(REMIND)
}

#[tokio::test]
async fn what_the_author_says_holds_and_what_runs_beside_the_agent_ends_with_dev() {
    let model = ModelServer::start(Config::default()).await.unwrap();
    let played = played(&model);
    let pid = played.folder.join("pid");
    let ended = remind(&played).run().await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "Done. I will remind you to stretch.\n"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("agent.dev.toml adds --allow-net=POST http://127.0.0.1:"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("at http://127.0.0.1"), "what it prints is in the log: {}", ended.stderr);
    gone(begun(&pid).await).await;

    // Its terminal is closed.
    for signal in [Signal::TERM, Signal::HUP] {
        let scene = Scene::start(played.command()).await;
        let beside = begun(&pid).await;
        scene.stop_by(signal).await;
        gone(beside).await;
    }
}

#[tokio::test]
async fn flags_go_before_what_the_author_says_and_one_does_without_it() {
    let model = ModelServer::start(Config::default()).await.unwrap();
    let played = played(&model);
    let without = remind(&played).with(["--no-dev-file"]).run().await;
    assert_eq!(without.stdout, "I will remind you to stretch.\n", "{}", without.stderr);
    assert!(!played.folder.join("pid").exists() && model.requests().is_empty());

    let other = remind(&played).with(["--config", "model=mine"]).run().await;
    assert_eq!(other.code, Some(0), "{}", other.stderr);
    assert_eq!(model.requests()[0].body["model"], "mine");
}

#[tokio::test]
async fn a_file_that_is_wrong_and_a_command_that_does_not_run_end_dev_with_the_reason() {
    let played = Played::new();
    played.makes(guests::ECHO);
    for (says, code, reason) in [
        ("allow-nett = []", 2, "agent.dev.toml:1: unknown key allow-nett; did you mean allow-net?"),
        ("beside = [\"no-such-program\"]", 6, "cannot run `no-such-program`, which agent.dev.toml names"),
        (
            "beside = [\"sh\", \"-c\", \"echo no port >&2; exit 3\"]",
            6,
            "(exit status: 3) before it said where it is: no port",
        ),
    ] {
        fs::write(played.folder.join("agent.dev.toml"), says).unwrap();
        let ended = played.command().with(["--say", "hello", "--once"]).run().await;
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(reason), "{}", ended.stderr);
    }
}

/// It is for whoever builds the crate, not for whoever runs what others have built.
#[tokio::test]
async fn beside_a_component_no_such_file_is_read() {
    let home = super::home();
    fs::write(home.path().join("agent.dev.toml"), "this is no TOML at all").unwrap();
    let component = home.path().join("agent.wasm");
    fs::copy(guests::ECHO, &component).unwrap();
    let dev = super::dev(&home, component.to_str().unwrap()).with(["--say", "hello", "--once"]);
    let ended = dev.run().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "hello\n"), "{}", ended.stderr);
}
