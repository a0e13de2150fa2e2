//! The commands of an operator: many agents at once, and what becomes of them.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use molecule_protocol::WorkspaceId;

use super::{EgressArgs, JsonArgs, OutputArgs, StateArgs, WatchArgs};

const UP_ABOUT: &str = "\
Runs many agents in one process, each as a workspace of its own, as a file says.
The end of one agent does not end the others.

The file:
  [defaults]                        # for every agent that does not say otherwise
  platform-url = \"https://acme.moleculesai.app\"

  [agents.alice]                    # one table for each; by this name it is known in log and ps
  component = \"alice.wasm\"          # paths are relative to the file
  workspace-id = \"3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11\"
  token-file = \"alice.token\"
  allow-peer = [\"bob\"]
  config = { greeting = \"Hello\" }

Every flag of molecule-host AGENT.wasm that is about the agent is a key of the same name.

Examples:
  Run them:
    molecule-host up agents.toml --state-dir /var/lib/molecule
  After a change of the file or of a component; only what changed is added, removed, upgraded:
    kill -HUP $(pidof molecule-host)";

const UP_AFTER: &str = "\
SIGHUP reads the file again; a file that is wrong changes nothing. Agents that have ended are started again.
The only variables that are read are MOLECULE_STATE_DIR, MOLECULE_EGRESS_PROXY and MOLECULE_LOG.
Exit codes: 0 stopped by a signal; where all agents have ended, that of the first one in the file whose end was none that was asked for; 2 for a file that is wrong; 6 for local trouble.";

/// `molecule-host up AGENTS.toml`
#[derive(Debug, Parser)]
#[command(
    about = UP_ABOUT,
    override_usage = "molecule-host up AGENTS.toml [OPTIONS]",
    after_help = UP_AFTER
)]
pub(in crate::cli) struct UpArgs {
    /// What to run
    #[arg(value_name = "AGENTS.toml")]
    pub(in crate::cli) file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) egress: EgressArgs,
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
    #[command(flatten)]
    pub(in crate::cli) watch: WatchArgs,
    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,
}

const INBOX_ABOUT: &str = "\
Shows messages that were given up, with what their senders were told, and lets them be tried again or dropped.
Works beside a host that runs, and without one.

Examples:
  What was given up, newest first:
    molecule-host inbox list
  One of them, whole:
    molecule-host inbox show 17
  The agent has been corrected: handle them again
    molecule-host inbox retry --all --workspace-id 3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11
  It was nothing:
    molecule-host inbox drop 17 18";

const INBOX_AFTER: &str = "\
A message that is tried again keeps its place before newer ones, and has three runs again. What its sender was told cannot be taken back: the answer comes after it. Dead letters go by themselves after 30 days.
Exit codes: 0 done; 2 no such letter, or a wrong flag; 5 a host has the workspace and does not answer; 6 local trouble.";

/// `molecule-host inbox list`
#[derive(Debug, Parser)]
#[command(
    about = INBOX_ABOUT,
    override_usage = "molecule-host inbox list|show|retry|drop [KEY]... [OPTIONS]",
    after_help = INBOX_AFTER
)]
pub(in crate::cli) struct InboxArgs {
    /// What to do
    #[arg(value_name = "list|show|retry|drop", value_enum, hide_possible_values = true)]
    pub(in crate::cli) action: Option<InboxAction>,
    /// Which messages, by the keys that list shows
    #[arg(value_name = "KEY")]
    pub(in crate::cli) keys: Vec<i64>,
    /// All of them
    #[arg(long, conflicts_with = "keys")]
    pub(in crate::cli) all: bool,
    /// Only those of this workspace
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) workspace_id: Option<WorkspaceId>,
    #[command(flatten)]
    pub(in crate::cli) answers: JsonArgs,
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
}

/// What to do with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum InboxAction {
    /// A line for each.
    List,
    /// All of one.
    Show,
    /// Handle it again.
    Retry,
    /// Forget it.
    Drop,
}

const PS_ABOUT: &str = "\
Shows the agents of the hosts that run on a state folder.

Examples:
  For people:
    molecule-host ps
  For programs, one JSON object for each agent:
    molecule-host ps --json | jq 'select(.state != \"working\")'";

const PS_AFTER: &str = "\
STATE is starting, working, wedged (it dies again and again), paused, revoked (its token is refused) or ended.
MESSAGES are those handled of those received; DEAD those given up (molecule-host inbox list shows them).
Counts are since the agent was started.
Exit codes: 0 shown; 2 no host runs there; 6 local trouble.";

/// `molecule-host ps`
#[derive(Debug, Parser)]
#[command(
    about = PS_ABOUT,
    override_usage = "molecule-host ps [OPTIONS]",
    after_help = PS_AFTER
)]
pub(in crate::cli) struct PsArgs {
    #[command(flatten)]
    pub(in crate::cli) answers: JsonArgs,
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
}

const LOGS_ABOUT: &str = "\
Shows what an agent of a running host says and what happens to it: the latest lines, then those that come.

Examples:
  Follow one agent, until Ctrl-C:
    molecule-host logs alice
  What it said last:
    molecule-host logs alice --no-follow";

const LOGS_AFTER: &str = "\
The host keeps the latest 200 lines of each agent, 64 KiB at most; its own log has all of them.
Exit codes: 0 the agent is gone or the host has stopped; 2 no such agent, or no host runs there; 6 local trouble.";

/// `molecule-host logs AGENT`
#[derive(Debug, Parser)]
#[command(
    about = LOGS_ABOUT,
    override_usage = "molecule-host logs AGENT [OPTIONS]",
    after_help = LOGS_AFTER
)]
pub(in crate::cli) struct LogsArgs {
    /// Which agent: as ps names it, or its workspace id
    #[arg(value_name = "AGENT")]
    pub(in crate::cli) agent: Option<String>,
    /// End after the lines that are there
    #[arg(long)]
    pub(in crate::cli) no_follow: bool,
    #[command(flatten)]
    pub(in crate::cli) answers: JsonArgs,
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
}

const BACKUP_ABOUT: &str = "\
Copies the database of a state folder, inbox, outbox and cursors of all workspaces, into a new file, as it is at one instant. A host that runs goes on.

Examples:
  A copy for each day:
    molecule-host backup /backups/host-$(date +%F).db
  Back again, with no host running:
    cp /backups/host-2026-11-22.db ~/.molecule/host.db
    rm -f ~/.molecule/host.db-wal ~/.molecule/host.db-shm";

const BACKUP_AFTER: &str = "\
Tokens are files beside the database and are not in the copy: keep them apart, or have new ones issued.
A host on an older copy handles again what came since: restore where the newer file is lost, and not to go back.
Exit codes: 0 copied; 2 no host has kept anything there; 6 local trouble, such as a file of that name.";

/// `molecule-host backup FILE`
#[derive(Debug, Parser)]
#[command(
    about = BACKUP_ABOUT,
    override_usage = "molecule-host backup FILE [OPTIONS]",
    after_help = BACKUP_AFTER
)]
pub(in crate::cli) struct BackupArgs {
    /// The new file
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
}
