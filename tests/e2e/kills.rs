//! `kill -9` loses no message, and makes no answer come twice.
//!
//! A few deaths by default; with `MOLECULE_ROUNDS=50` as many as that at random instants, with ten messages each, and one
//! at every step of a message's way. What is random follows from a seed that is printed; `MOLECULE_SEED` sets it.

mod instants;
#[cfg(feature = "strace")]
mod steps;

use std::path::PathBuf;
use std::time::Duration;

use molecule_host::store::state::State as _;
use molecule_host::store::{Options, SqliteState};
use molecule_tests::canvas::Workspace;
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Program};
use molecule_tests::world::World;

/// After a death an answer may be in doubt for 16 s, and equal ones wait for each other.
const PATIENCE: Duration = Duration::from_secs(180);

/// How many deaths were asked for; none means a few.
fn rounds() -> Option<usize> {
    std::env::var("MOLECULE_ROUNDS").ok().map(|rounds| rounds.parse().expect("MOLECULE_ROUNDS is a number"))
}

/// An echo in a workspace, whose host dies and is started again.
struct Mortal<'a> {
    world: &'a World,
    workspace: Workspace,
    state_dir: PathBuf,
}

impl<'a> Mortal<'a> {
    async fn new(world: &'a World, name: &str) -> Self {
        Self { world, workspace: world.create(name).await, state_dir: world.path(name) }
    }

    /// Its host, which also says when an answer is known to have arrived.
    fn command(&self) -> CommandLine {
        CommandLine::host(self.world, &self.workspace, guests::ECHO, &self.state_dir).with(["-v"])
    }

    /// Lives on until so many messages of its user are answered and nothing is left to do or in doubt, and gives back all
    /// answers to the user.
    async fn lives_on(&self, messages: usize) -> Vec<String> {
        let host = self.command().spawn();
        self.world.answered_within(&self.workspace, messages, PATIENCE).await;
        // All may be answered before it has begun to take signals.
        host.says("INFO started").await;
        self.quit(host).await;
        // What is sent a second time is so at the end of a doubt.
        loop {
            let left = self.left_over().await;
            if left == 0 {
                return self.world.answers(&self.workspace).await;
            }
            let host = self.command().spawn();
            host.says_often("delivered to ", left).await;
            self.quit(host).await;
        }
    }

    async fn quit(&self, host: Program) {
        host.terminate();
        let ended = host.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("is lost"), "{}", ended.stderr);
    }

    /// How many answers a host that has ended had still to give, or to be sure of.
    async fn left_over(&self) -> usize {
        let state =
            SqliteState::open(&self.state_dir.join("host.db"), Options::default()).expect("a database");
        let fence = state.lease(&self.workspace.id).await.expect("nobody has it");
        let left = state.backlog(&fence).await.expect("it can be read");
        assert_eq!(left.dead, 0, "no death is held against a message so soon");
        usize::try_from(left.waiting + left.claimed + left.unsettled).expect("few")
    }
}
