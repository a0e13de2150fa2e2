//! `molecule-host up`: many agents in one process, from a file.

mod changes;
mod many;
mod months;
mod operator;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use molecule_tests::canvas::Workspace;
use molecule_tests::process::{CommandLine, Ended, Program, token_file, write_token};
use molecule_tests::world::World;
use rustix::process::Signal;
use serde_json::Value;

/// A host of many agents, its file and its state.
struct Fleet<'a> {
    world: &'a World,
    file: PathBuf,
    state: PathBuf,
}

/// The table of one agent.
struct Table<'a> {
    workspace: &'a Workspace,
    component: PathBuf,
    more: &'a str,
}

fn table<'a>(workspace: &'a Workspace, component: impl Into<PathBuf>) -> Table<'a> {
    Table { workspace, component: component.into(), more: "" }
}

impl<'a> Fleet<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, file: world.path("agents.toml"), state: world.path("state") }
    }

    /// Writes the file, with intervals in seconds.
    fn write(&self, interval: f64, tables: &[Table<'_>]) {
        let mut text = format!(
            "[defaults]\nplatform-url = '{}'\nheartbeat-interval = {interval}\nstate-interval = {interval}\n\
             poll-interval = {interval}\n",
            self.world.url()
        );
        for Table { workspace, component, more } in tables {
            let token = token_file(&self.state, workspace);
            write_token(&token, &workspace.token);
            write!(
                text,
                "\n[agents.{}]\ncomponent = '{}'\nworkspace-id = '{}'\ntoken-file = '{}'\n{more}\n",
                workspace.name,
                component.display(),
                workspace.id,
                token.display()
            )
            .expect("a string");
        }
        std::fs::write(&self.file, text).expect("room");
    }

    fn command(&self) -> CommandLine {
        self.said(["up"]).with([self.file.as_os_str()])
    }

    /// Another command on the same state.
    fn said<const N: usize>(&self, words: [&str; N]) -> CommandLine {
        CommandLine::new("molecule-host", words).with(["--state-dir".as_ref(), self.state.as_os_str()])
    }

    /// What `ps` says of each agent.
    async fn ps(&self) -> Vec<Value> {
        let ended = self.said(["ps", "--json"]).run().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
    }

    async fn row(&self, of: &Workspace) -> Value {
        let rows = self.ps().await;
        let row = rows.iter().find(|row| row["agent"] == of.name.as_str());
        row.unwrap_or_else(|| panic!("{} is not among {rows:?}", of.name)).clone()
    }
}

/// Has a host read its file again, and waits until it has said so this often.
async fn hang_up(host: &Program, count: usize) -> String {
    host.signal(Signal::HUP);
    host.says_often("the file was read again: ", count).await
}

/// Puts another component in the place of one, whole or not at all.
fn replace(component: &Path, by: &str) {
    let draft = component.with_extension("draft");
    std::fs::copy(by, &draft).expect("room");
    std::fs::rename(draft, component).expect("a file can be renamed");
}

fn assert_quits(ended: &Ended, code: i32, words: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("molecule-host: ") && last.contains(words), "{words:?} is not in: {last}");
}
