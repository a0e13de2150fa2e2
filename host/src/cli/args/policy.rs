//! The command about a policy file, and the keys of one.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::{GrantArgs, JsonArgs, LimitArgs};

const POLICY_ABOUT: &str = "\
Says whether a file of grants is right, and what a request would get by it.

The file, agent.policy.toml, whose keys are the flags for grants and limits:
  allow-net = [\"https://docs.example.com\", \"POST https://api.example.com/v1/** per-minute=60\"]
  allow-secret = [\"API_KEY@api.example.com\"]
  allow-peer = [\"bob\"]
  max-memory = \"64MiB\"

Examples:
  All that is wrong in it, by line and column:
    molecule-host policy check agent.policy.toml
  What a request would get, by which rule, and what would change that:
    molecule-host policy explain agent.policy.toml POST https://api.example.com/v1/chat
  Several at once:
    molecule-host policy explain agent.policy.toml 'peer bob' 'secret API_KEY https://api.example.com/'";

const POLICY_AFTER: &str = "\
A request is one of
  [METHOD] URL                                the HTTP request; GET where no method is said
  connect ADDRESS [METHOD] URL                the same, to a host whose name leads to that address
  secret NAME [METHOD] URL [body=/POINTER]    the same, with the secret in a header, or in a field of its JSON body
  reveal NAME                                 the sight of a secret
  peer PEER                                   a call of a peer
  plugin NAME[@SOURCE]                        to install a plugin
  storage SIZE                                to keep so much
Nothing is sent or looked up.
Exit codes: 0 the file is right, or all requests are allowed; 1 one of them is denied; 2 the file is wrong, or what is asked.";

/// `molecule-host policy check|explain FILE [REQUEST]...`
#[derive(Debug, Parser)]
#[command(
    about = POLICY_ABOUT,
    override_usage = "molecule-host policy check FILE [OPTIONS]\n       molecule-host policy explain FILE REQUEST... [OPTIONS]",
    after_help = POLICY_AFTER
)]
pub(in crate::cli) struct PolicyArgs {
    /// What to do
    #[arg(value_name = "check|explain", value_enum, hide_possible_values = true)]
    pub(in crate::cli) action: Option<PolicyAction>,
    /// The file of grants
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// What is asked for, in words or one in quotes
    #[arg(value_name = "REQUEST")]
    pub(in crate::cli) requests: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) answers: JsonArgs,
}

/// What to do with a policy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PolicyAction {
    /// Find all that is wrong.
    Check,
    /// Say what a request would get.
    Explain,
}

/// What a policy file may say: the flags for grants and limits.
#[derive(Debug, Default, Parser)]
pub(in crate::cli) struct PolicyKeys {
    #[command(flatten)]
    pub(in crate::cli) grants: GrantArgs,
    #[command(flatten)]
    pub(in crate::cli) limits: LimitArgs,
}
