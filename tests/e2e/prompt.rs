//! A person at the terminal is asked before an agent is denied what a grant would give it.

use std::path::Path;

use molecule_tests::canvas::Workspace;
use molecule_tests::guests;
use molecule_tests::process::CommandLine;
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::terminal::{CTRL_C, Terminal};
use molecule_tests::world::World;

struct Scene {
    world: World,
    alice: Workspace,
    server: Scripted,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let alice = world.create("alice").await;
        let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
        Self { world, alice, server }
    }

    fn host(&self) -> CommandLine {
        CommandLine::host(&self.world, &self.alice, guests::EFFECTS, &self.world.path("state"))
    }

    /// Where `agent.policy.toml` is looked for.
    fn folder(&self) -> &Path {
        self.world.folder()
    }

    /// What would allow the request of [`asks`](Self::asks).
    fn grant(&self, path: &str) -> String {
        format!("--allow-net {}/{path}", self.server.url())
    }

    /// Has the agent make a request that no flag grants.
    async fn asks(&self, path: &str) {
        self.world.say(&self.alice, &format!("http.fetch GET {}/{path}", self.server.url())).await;
    }

    async fn answers(&self, count: usize) -> String {
        self.world.answered(&self.alice, count).await.pop().unwrap()
    }
}

const QUESTION: &str = "Allow it? [o]nce, [a]lways (in agent.policy.toml), [d]eny (Enter): ";

async fn ends(mut terminal: Terminal) {
    terminal.types(CTRL_C).await;
    assert_eq!(terminal.ended().await, Some(0));
}

#[tokio::test]
async fn what_is_allowed_once_is_asked_about_again_and_what_is_always_allowed_is_kept() {
    let scene = Scene::new().await;
    let mut terminal = scene.host().at_a_terminal(scene.folder());
    scene.asks("x").await;
    terminal.shows("effects is denied http.fetch: no rule allows GET http://localhost:").await;
    terminal.shows(&scene.grant("x")).await;
    terminal.shows(QUESTION).await;
    terminal.types("o\n").await;
    assert_eq!(scene.answers(1).await, "http.fetch: ok 200");
    assert!(!scene.folder().join("agent.policy.toml").exists());

    scene.asks("x").await;
    terminal.shows(QUESTION).await;
    terminal.types("a\n").await;
    assert_eq!(scene.answers(2).await, "http.fetch: ok 200");
    terminal.shows("kept in agent.policy.toml; next time, start it with --policy agent.policy.toml").await;
    scene.asks("x").await;
    assert_eq!(scene.answers(3).await, "http.fetch: ok 200");
    assert_eq!(terminal.text().matches(QUESTION).count(), 2, "{}", terminal.text());
    ends(terminal).await;
    let file = std::fs::read_to_string(scene.folder().join("agent.policy.toml")).unwrap();
    assert_eq!(file, format!("allow-net = [\"{}/x\"]\n", scene.server.url()));

    let mut again = scene.host().with(["--policy", "agent.policy.toml"]).at_a_terminal(scene.folder());
    scene.asks("x").await;
    assert_eq!(scene.answers(4).await, "http.fetch: ok 200");
    // What is new is added to that file.
    scene.asks("y").await;
    again.shows(QUESTION).await;
    assert_eq!(again.text().matches(QUESTION).count(), 1, "{}", again.text());
    again.types("always\n").await;
    assert_eq!(scene.answers(5).await, "http.fetch: ok 200");
    again.shows("kept in agent.policy.toml\r\n").await;
    ends(again).await;
    let file = std::fs::read_to_string(scene.folder().join("agent.policy.toml")).unwrap();
    assert_eq!(file, format!("allow-net = [\"{0}/x\", \"{0}/y\"]\n", scene.server.url()));
}

#[tokio::test]
async fn what_is_denied_is_not_asked_about_again_and_log_lines_leave_the_question_standing() {
    let scene = Scene::new().await;
    let mut terminal = scene.host().at_a_terminal(scene.folder());
    scene.asks("x").await;
    terminal.shows(QUESTION).await;
    // This is logged while the question is open, which is asked once more below it.
    scene.asks("x").await;
    terminal.shows("from user").await;
    terminal.shows(QUESTION).await;
    terminal.types("what?\n").await;
    terminal.shows("Answer o, a or d.").await;
    terminal.shows(QUESTION).await;
    terminal.types("\n").await;
    let denied = format!("http.fetch: denied network, grant Some({:?})", scene.grant("x"));
    assert_eq!(scene.answers(1).await, denied);
    assert_eq!(scene.answers(2).await, denied);
    let asked = terminal.text().matches("is denied http.fetch").count();
    assert_eq!(asked, 1, "{}", terminal.text());
    ends(terminal).await;
    assert_eq!(scene.server.connections(), 0);
}

/// Wait for the answer whatever happens, and this takes longer than anybody waits.
#[tokio::test]
async fn ctrl_c_works_at_once_while_a_question_is_open() {
    let scene = Scene::new().await;
    let mut terminal = scene.host().with(["--shutdown-grace", "600"]).at_a_terminal(scene.folder());
    scene.asks("x").await;
    terminal.shows(QUESTION).await;
    ends(terminal).await;
    assert!(scene.answers(1).await.starts_with("http.fetch: denied network"));
}

#[tokio::test]
async fn nobody_is_asked_where_the_flag_says_so_or_where_nobody_is() {
    let scene = Scene::new().await;
    let terminal = scene.host().with(["--no-prompt"]).at_a_terminal(scene.folder());
    scene.asks("x").await;
    assert!(scene.answers(1).await.starts_with("http.fetch: denied network"));
    assert!(!terminal.text().contains("Allow it?"), "{}", terminal.text());
    ends(terminal).await;

    let piped = scene.host().hearing("a\na\n").spawn();
    scene.asks("x").await;
    assert!(scene.answers(2).await.starts_with("http.fetch: denied network"));
    piped.terminate();
    assert!(!piped.ended().await.stderr.contains("Allow it?"));
}

#[tokio::test]
async fn with_dev_the_next_line_that_is_typed_answers_and_the_one_after_it_is_a_message() {
    let home = tempfile::tempdir().unwrap();
    let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
    let dev = CommandLine::new("molecule-host", ["dev", guests::EFFECTS]).variable("HOME", home.path());
    let mut terminal = dev.at_a_terminal(home.path());
    terminal.shows("or type here, a message a line").await;
    let fetch = format!("http.fetch GET {}/x\n", server.url());
    for path in ["once", "once", "always", ""] {
        terminal.types(&fetch).await;
        if !path.is_empty() {
            terminal.shows(QUESTION).await;
            terminal.types(&format!("{path}\n")).await;
        }
        terminal.shows("http.fetch: ok 200").await;
    }
    ends(terminal).await;
    assert_eq!(server.received().len(), 4);
    assert!(home.path().join("agent.policy.toml").exists());
}
