//! The assistant, a model that wants a key, and where that key is: in the requests to the model, and nowhere else. Each of
//! these fails when the key is put in at another place, or when what a server gives back is no longer masked.

use std::path::{Path, PathBuf};

use model_server::{Config, ModelServer};
use molecule_tests::canvas::Workspace;
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, write_token};
use molecule_tests::world::World;

const KEY: &str = "sk-proj-Zq8vN3xLrT6wYb1KdJ5mPc9s";
/// Pieces of it that overlap: one of them is in whatever has twice as much of it.
const PIECE: usize = 10;

/// A model that wants the key, and shows it to whoever asks: the worst that a server can do.
async fn model() -> ModelServer {
    let config = Config { key: Some(KEY.into()), echoes_key: true, ..Config::default() };
    ModelServer::start(config).await.unwrap()
}

/// `HOST:PORT` of a model.
fn address(model: &ModelServer) -> String {
    model.url().trim_start_matches("http://").trim_end_matches("/v1").to_owned()
}

/// What an operator says so that an agent may ask this model.
fn granted(model: &ModelServer, key_file: &Path) -> Vec<String> {
    let (url, address) = (model.url(), address(model));
    vec![
        format!("--allow-net=POST {url}/chat/completions"),
        format!("--allow-secret=MODEL_KEY@{address}"),
        format!("--secret=MODEL_KEY=file:{}", key_file.display()),
        format!("--config=model-url={url}"),
        "--config=model-key=MODEL_KEY".to_owned(),
        "--allow-storage=1MiB".to_owned(),
    ]
}

fn gives_away(bytes: &[u8]) -> bool {
    KEY.as_bytes().windows(PIECE).any(|piece| bytes.windows(PIECE).any(|it| it == piece))
}

/// All files of a folder and those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Asserts that no file below a folder has the key, and gives their number.
fn assert_kept_nowhere(folder: &Path, but: &Path) -> usize {
    let files: Vec<PathBuf> = files(folder).into_iter().filter(|file| file != but).collect();
    for file in &files {
        assert!(!gives_away(&std::fs::read(file).unwrap()), "{}", file.display());
    }
    files.len()
}

async fn started(world: &World, model: &ModelServer, component: &str) -> (Workspace, CommandLine, PathBuf) {
    let alice = world.create("alice").await;
    let key_file = world.path("model.key");
    write_token(&key_file, KEY);
    let command = CommandLine::host(world, &alice, component, &world.path("state"))
        .with(granted(model, &key_file))
        .variable("MOLECULE_LOG", "trace");
    (alice, command, key_file)
}

#[tokio::test]
async fn a_key_opens_the_model_and_is_in_no_log_no_file_and_no_message() {
    let (world, model) = (World::new().await, model().await);
    let (alice, command, key_file) = started(&world, &model, guests::ASSISTANT).await;
    let host = command.spawn();
    for text in ["I am Ada", "remind me in 1 minute to stretch"] {
        world.say(&alice, text).await;
    }
    let answers = world.answered(&alice, 2).await;
    let stars = "*".repeat(KEY.len());
    assert!(
        answers.iter().any(|it| it.starts_with(&format!("You showed me Bearer {stars} . You say: I am Ada"))),
        "{answers:#?}"
    );
    assert!(answers.iter().any(|it| it.ends_with("Done. I will remind you to stretch.")), "{answers:#?}");
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", host.pid())).unwrap();
    host.terminate();
    let ended = host.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let requests = model.requests();
    assert_eq!(requests.len(), 3, "one answer, one call, and what came of it");
    for request in requests {
        assert_eq!(request.authorization, Some(format!("Bearer {KEY}")));
        assert!(!gives_away(request.body.to_string().as_bytes()), "{}", request.body);
    }
    assert!(ended.stderr.contains("TRACE"), "it said all it could");
    assert!(!gives_away(ended.stderr.as_bytes()) && !gives_away(ended.stdout.as_bytes()), "{}", ended.stderr);
    assert!(!gives_away(&cmdline));
    let rows = serde_json::to_string(&world.log(&alice).await).unwrap();
    assert!(rows.contains(&stars) && !gives_away(rows.as_bytes()), "{rows}");
    // The databases of host and platform, and what the agent has kept: a conversation in which the key was shown to it.
    assert!(assert_kept_nowhere(world.folder(), &key_file) >= 3);
    let kept = files(&world.path("state"));
    let kept = kept.iter().find(|file| file.ends_with("conversations.json")).expect("it keeps conversations");
    assert!(std::fs::read_to_string(kept).unwrap().contains(&stars));
}

#[tokio::test]
async fn a_key_is_in_no_event() {
    let (world, model) = (World::new().await, model().await);
    let alice = world.create("alice").await;
    let key_file = world.path("model.key");
    write_token(&key_file, KEY);
    let mut spec = spec(world.url(), &alice);
    spec.grants.net.push(format!("POST {}/chat/completions", model.url()).parse().unwrap());
    spec.grants.secrets.push(format!("MODEL_KEY@{}", address(&model)).parse().unwrap());
    spec.secrets.push(format!("MODEL_KEY=file:{}", key_file.display()).parse().unwrap());
    spec.config = vec![("model-url".into(), model.url()), ("model-key".into(), "MODEL_KEY".into())];
    let agent = Embedded::start(&host(&world.path("state")).await, guests::ASSISTANT, spec).await;
    world.say(&alice, "hello").await;
    let answers = world.answered(&alice, 1).await;
    assert!(answers[0].starts_with("You showed me Bearer ***"), "{answers:?}");
    assert_eq!(model.requests()[0].authorization, Some(format!("Bearer {KEY}")));
    let events = format!("{:?}", agent.events());
    assert!(events.contains("Handled") && !gives_away(events.as_bytes()), "{events}");
    agent.stop().await;
}

/// What a core dump of an agent would show that has used the key, and was shown it by the server.
#[tokio::test]
async fn a_key_is_not_in_the_memory_of_the_agent_that_uses_it() {
    let (world, model) = (World::new().await, model().await);
    let (alice, command, _) = started(&world, &model, guests::SEARCHES_MEMORY).await;
    let host = command.spawn();
    let url = format!("{}/chat/completions", model.url());
    world.say(&alice, &format!("keep {url} MODEL_KEY")).await;
    let kept = world.answered(&alice, 1).await;
    assert!(kept[0].starts_with("200 "), "{kept:?}");
    assert_eq!(model.requests()[0].authorization, Some(format!("Bearer {KEY}")));

    // In disguise, so that the question is not what is found.
    let disguised = |text: &str| text.bytes().map(|byte| format!("{:02x}", !byte)).collect::<String>();
    for at in [0, 10, KEY.len() - PIECE] {
        world.say(&alice, &format!("search {}", disguised(&KEY[at..at + PIECE]))).await;
    }
    assert_eq!(world.answered(&alice, 4).await[1..], ["0"; 3]);
    // The search finds what the server has sent and what was not masked.
    world.say(&alice, &format!("search {}", disguised("chatcmpl-1"))).await;
    let found = world.answered(&alice, 5).await;
    assert!(found[4].parse::<usize>().unwrap() > 0, "{found:?}");
    host.terminate();
    assert_eq!(host.ended().await.code, Some(0));
}
