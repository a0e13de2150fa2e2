//! Plugins: installed by an agent and by an operator, from a platform over a real socket.

mod agent;
mod command;
mod conformance;
mod downloads;

use molecule_tests::canvas::Workspace;
use molecule_tests::process::{CommandLine, token_file, write_token};
use molecule_tests::world::World;

/// `molecule-host plugin VERB WORDS...` for a workspace, with a state folder of its own.
fn command(world: &World, of: &Workspace, words: &[&str]) -> CommandLine {
    command_at(world.url(), world, of, words)
}

/// The same, with the URL of something before the platform.
fn command_at(url: &str, world: &World, of: &Workspace, words: &[&str]) -> CommandLine {
    let state = world.path("state");
    let token = token_file(&state, of);
    write_token(&token, &of.token);
    CommandLine::new("molecule-host", ["plugin"])
        .with(words.iter().copied())
        .with(["--platform-url", url, "--workspace-id", of.id.as_str()])
        .with([std::ffi::OsStr::new("--token-file"), token.as_os_str()])
        .with([std::ffi::OsStr::new("--state-dir"), state.as_os_str()])
}

/// What is in the folder of plugins of a workspace, and beside it; sorted.
fn left(world: &World, of: &Workspace) -> (Vec<String>, Vec<String>) {
    let names = |folder: &str| {
        let folder = world.path("state").join(&of.id).join(folder);
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    (names("plugins"), names("plugins.work"))
}
