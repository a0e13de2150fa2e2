//! The command about tokens.

use clap::{Parser, ValueEnum};

use super::{IdentityArgs, JsonArgs, PlatformArgs, StateArgs};

const TOKEN_ABOUT: &str = "\
Shows the token of a workspace and how the platform takes it, or puts another one in its place, beside a host that runs.
A rotation mints a token, puts it where the old one is, sees that the platform takes it, and only then revokes the old one.

Examples:
  Which token is in use, whether it is accepted, and which ones live:
    molecule-host token status --platform-url https://acme.moleculesai.app \\
        --workspace-id 3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11
  Another one in the place of a file's; a host that runs with it takes it up by itself:
    molecule-host token rotate --token-file ./token --platform-url URL --workspace-id ID
  A token has leaked, and nobody knows who has it: one in the place of all
    molecule-host token rotate --all --yes --platform-url URL --workspace-id ID";

const TOKEN_AFTER: &str = "\
A token that was given in MOLECULE_WORKSPACE_TOKEN or on standard input is replaced in the state folder, and the command says so.
Exit codes: 0 done; 2 configuration or authorization; 6 local trouble, or a platform that cannot be reached.";

/// `molecule-host token status|rotate`
#[derive(Debug, Parser)]
#[command(
    about = TOKEN_ABOUT,
    override_usage = "molecule-host token [status] [OPTIONS]\n       molecule-host token rotate [--keep-old | --all --yes] [OPTIONS]",
    after_help = TOKEN_AFTER
)]
pub(in crate::cli) struct TokenArgs {
    /// What to do
    #[arg(value_name = "status|rotate", value_enum, hide_possible_values = true)]
    pub(in crate::cli) action: Option<TokenAction>,
    /// Do not revoke the old token
    #[arg(long, conflicts_with = "all")]
    pub(in crate::cli) keep_old: bool,
    /// Revoke all tokens of the workspace, whoever holds them
    #[arg(long, requires = "yes")]
    pub(in crate::cli) all: bool,
    /// Yes, all of them
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) answers: JsonArgs,
    #[command(flatten)]
    pub(in crate::cli) platform: PlatformArgs,
    #[command(flatten)]
    pub(in crate::cli) identity: IdentityArgs,
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
}

/// What to do with tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TokenAction {
    /// How things stand.
    Status,
    /// Another one.
    Rotate,
}
