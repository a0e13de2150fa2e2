//! The token is in the `Authorization` of requests to the platform, and nowhere else that anybody could look.

use std::path::{Path, PathBuf};

use molecule_tests::canvas::Workspace;
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Ended, token_file, write_token};
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;

/// A piece of a token gives it away as well; its first 8 characters are what the platform itself shows.
fn gives_away(text: &[u8], token: &str) -> bool {
    const PIECE: usize = 12;
    token.as_bytes().windows(PIECE).any(|piece| text.windows(PIECE).any(|it| it == piece))
}

fn assert_quiet(ended: &Ended, tokens: &[&str]) {
    assert!(ended.stderr.contains("TRACE"), "it said all it could: {}", ended.stderr);
    for token in tokens {
        assert!(!gives_away(ended.stderr.as_bytes(), token), "{}", ended.stderr);
        assert!(!gives_away(ended.stdout.as_bytes(), token), "{}", ended.stdout);
    }
}

/// Asserts that no request has a token in a place where none belongs, and that they were used at all.
fn assert_requests(requests: &[Received], tokens: &[&str]) {
    for token in tokens {
        let bearer = format!("Bearer {token}");
        assert!(requests.iter().any(|it| it.header("authorization") == Some(&bearer)));
        for Received { method, target, headers, body, .. } in requests {
            assert!(!gives_away(target.as_bytes(), token), "{method} {target}");
            assert!(!gives_away(body, token), "{method} {target}: {}", String::from_utf8_lossy(body));
            for (name, value) in headers.iter().filter(|(name, _)| name != "authorization") {
                assert!(!gives_away(value.as_bytes(), token), "{method} {target}: {name}");
            }
        }
    }
}

/// All files of a folder and those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn recorder(world: &World) -> Scripted {
    let platform = world.address();
    Scripted::answering(move |_| Reply::PassOn(platform)).await
}

/// Whatever logs logs all of it, other people's code included.
fn talkative(url: &str, workspace: &Workspace, component: &str, state_dir: &Path) -> CommandLine {
    CommandLine::host_at(url, workspace, component, state_dir).variable("MOLECULE_LOG", "trace")
}

#[tokio::test]
async fn a_token_is_said_shown_and_kept_nowhere_in_a_whole_life() {
    let world = World::new().await;
    let (alice, bob) = (world.create("alice").await, world.create("bob").await);
    let front = recorder(&world).await;
    let state = world.path("state");
    let host = talkative(&front.url(), &alice, guests::EFFECTS, &state).with(["--allow-peer", "*"]).spawn();
    let peer = talkative(&front.url(), &bob, guests::ECHO, &state).spawn();

    // All that an agent can do, then all that can go wrong.
    world.say(&alice, "all").await;
    let all = world.answered(&alice, 2).await;
    assert!(all[1].contains("peers.call: ok"), "{all:?}");
    world.say(&alice, "nonsense").await;
    world.answered(&alice, 3).await;
    world.pause(&alice).await;
    host.says("the workspace is paused").await;
    world.resume(&alice).await;
    host.says("the workspace is resumed").await;
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", host.pid())).unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", host.pid())).unwrap();

    let next = world.issue_token(&alice).await;
    world.revoke_token(&alice, &alice.token).await;
    host.says("refuses the workspace's token").await;
    write_token(&token_file(&state, &alice), &next);
    world.say(&alice, "workspace.me").await;
    world.answered(&alice, 4).await;
    world.delete(&alice).await;
    let ended = host.ended().await;
    assert_eq!(ended.code, Some(11), "{}", ended.stderr);
    peer.terminate();
    let peer = peer.ended().await;

    let tokens = [alice.token.as_str(), &next];
    assert_quiet(&ended, &tokens);
    assert_quiet(&peer, &[&bob.token]);
    assert_requests(&front.received(), &[&alice.token, &next, &bob.token]);
    for token in tokens {
        assert!(!gives_away(&cmdline, token) && !gives_away(&environment, token));
    }
    let kept = files(&state);
    assert!(kept.iter().any(|file| file.ends_with("host.db")), "{kept:?}");
    for file in kept {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!tokens.iter().any(|token| gives_away(&bytes, token)), "{}", file.display());
    }
}

/// From a variable, from standard input, and from the platform itself, which hands one out to a workspace without any.
#[tokio::test]
async fn a_token_is_as_secret_wherever_it_comes_from() {
    let world = World::new().await;
    for source in ["variable", "stdin", "platform"] {
        let workspace = world.create(source).await;
        let front = recorder(&world).await;
        let state = world.path(source);
        let state_dir = state.display().to_string();
        let id = workspace.id.as_str();
        let command = CommandLine::new("molecule-host", [guests::ECHO, "--workspace-id", id])
            .with(["--platform-url", &front.url(), "--state-dir", &state_dir, "--poll-interval", "0.1"])
            .variable("MOLECULE_LOG", "trace");
        let command = match source {
            "variable" => command.variable("MOLECULE_WORKSPACE_TOKEN", &workspace.token),
            "stdin" => command.with(["--token-file", "-"]).hearing(&format!("{}\n", workspace.token)),
            _ => {
                world.revoke_token(&workspace, &workspace.token).await;
                command
            }
        };
        let host = command.spawn();
        world.say(&workspace, "hello").await;
        assert_eq!(world.answered(&workspace, 1).await, ["hello"], "{source}");
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", host.pid())).unwrap();
        host.terminate();
        let ended = host.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);

        let cached = state.join(&workspace.id).join(".auth_token");
        let token = match source {
            "platform" => std::fs::read_to_string(&cached).unwrap(),
            _ => workspace.token.clone(),
        };
        assert_quiet(&ended, &[&token]);
        assert_requests(&front.received(), &[&token]);
        assert!(!gives_away(&cmdline, &token));
        // Only what the platform has issued is kept, in the one file that is for it.
        for file in files(&state) {
            let holds = gives_away(&std::fs::read(&file).unwrap(), &token);
            assert_eq!(holds, source == "platform" && file == cached, "{source}: {}", file.display());
        }
    }
}

/// What a core dump of the agent would show.
#[tokio::test]
async fn a_token_is_not_in_the_memory_of_the_agent() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let host = CommandLine::host(&world, &alice, guests::SEARCHES_MEMORY, &world.path("state")).spawn();
    // In disguise, so that the question is not what is found.
    let disguised = |bytes: &str| bytes.bytes().map(|byte| format!("{:02x}", !byte)).collect::<String>();
    let pieces: Vec<&str> = [0, 10, 20, 30].map(|at| &alice.token[at..at + 10]).into();
    for piece in &pieces {
        world.say(&alice, &format!("search {}", disguised(piece))).await;
    }
    assert_eq!(world.answered(&alice, pieces.len()).await, ["0"; 4]);

    // The search finds what is there.
    world.say(&alice, &format!("plant {}", disguised(pieces[1]))).await;
    world.say(&alice, &format!("search {}", disguised(pieces[1]))).await;
    assert_eq!(world.answered(&alice, 6).await[4..], ["planted", "1"]);
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}
