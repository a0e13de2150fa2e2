//! Plugins: what is said about those of an agent, and the command about them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use molecule_host::gate::ByteSize;
use molecule_host::plugins::{Digest, PluginRef, SetupPolicy};

use super::{IdentityArgs, JsonArgs, PlatformArgs, StateArgs};
use crate::cli::values;

/// What is said about the plugins of an agent.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Plugins")]
pub(in crate::cli) struct PluginSettingArgs {
    /// Install this plugin before the agent starts: NAME[@SOURCE], from the platform itself where no source is said. May be repeated
    #[arg(long, value_name = "NAME[@SOURCE]")]
    pub(in crate::cli) plugin: Vec<PluginRef>,
    #[command(flatten)]
    pub(in crate::cli) how: InstallArgs,
}

/// Where a local platform has its plugins from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Local platform")]
pub(in crate::cli) struct PluginSourceArgs {
    /// The folder whose folders are the plugins of the local platform
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) plugins_dir: Option<PathBuf>,
    /// The folder that stands in for GitHub: github://OWNER/REPO#TAG is its git repository OWNER/REPO
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) github_base: Option<PathBuf>,
}

/// How plugins are installed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Plugins")]
pub(in crate::cli) struct InstallArgs {
    /// When the setup.sh of a plugin is run, in a cage: verified is one whose files have the hash that it declares [default: verified]
    #[arg(long, value_name = "never|verified|always")]
    pub(in crate::cli) setup: Option<SetupPolicy>,
    /// Let a setup.sh use the network
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub(in crate::cli) setup_net: Option<bool>,
    /// Seconds that a setup.sh may take [default: 120]
    #[arg(long, value_name = "SECONDS", value_parser = values::time_limit)]
    pub(in crate::cli) setup_timeout: Option<Duration>,
    /// Install also what has another hash than it declares, or a plugin.yaml that cannot be read: nothing then says that its files are those of its author
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub(in crate::cli) allow_unverified: Option<bool>,
    /// Size of the archive of a plugin [default: 100MiB]
    #[arg(long, value_name = "SIZE")]
    pub(in crate::cli) max_plugin_archive: Option<ByteSize>,
    /// Size of all files of a plugin, and of each [default: 100MiB]
    #[arg(long, value_name = "SIZE")]
    pub(in crate::cli) max_plugin_files: Option<ByteSize>,
    /// Files and folders of a plugin [default: 9999]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) max_plugin_entries: Option<u32>,
}

const PLUGIN_ABOUT: &str = "\
Installs, lists and removes the plugins of a workspace, beside a host that runs it or without one.
A plugin comes from the platform as an archive. It is unpacked and judged as it comes, verified, and put in the place of the version that is there at one instant; whatever fails before leaves that one as it is.

Examples:
  One that the platform itself keeps:
    molecule-host plugin install molecule-dev --platform-url https://acme.moleculesai.app \\
        --workspace-id 3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11 --token-file ./token
  What the platform has to offer, with the same flags:
    molecule-host plugin available ...
  One from a repository, at a tag, and only this archive:
    molecule-host plugin install 'molecule-dev@github://acme/molecule-dev#v1.2' --sha256 DIGEST
  What is there, and what its files amount to:
    molecule-host plugin list --workspace-id 3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11
  For whoever makes one: the sha256 for its plugin.yaml, and whether that is right
    molecule-host plugin hash ./my-plugin
    molecule-host plugin verify ./my-plugin";

const PLUGIN_AFTER: &str = "\
An agent sees its plugins under /plugins/NAME, and installs them itself where it may: --allow-plugin.
Exit codes: 0 done; 2 configuration or authorization, or no such plugin; 6 local trouble; 7 the plugin is refused.";

/// `molecule-host plugin install|list|available|remove|hash|verify`
#[derive(Debug, Parser)]
#[command(
    about = PLUGIN_ABOUT,
    override_usage = "molecule-host plugin install NAME[@SOURCE]... [OPTIONS]\n       molecule-host plugin list|available [OPTIONS]\n       molecule-host plugin remove NAME... [OPTIONS]\n       molecule-host plugin hash|verify FOLDER",
    after_help = PLUGIN_AFTER
)]
pub(in crate::cli) struct PluginArgs {
    /// What to do
    #[arg(value_name = "install|list|available|remove|hash|verify", value_enum, hide_possible_values = true)]
    pub(in crate::cli) action: Option<PluginAction>,
    /// Which plugins, or the folder of one
    #[arg(value_name = "PLUGIN")]
    pub(in crate::cli) what: Vec<String>,
    /// The SHA-256 that the archive must have, for an install of one plugin
    #[arg(long, value_name = "DIGEST")]
    pub(in crate::cli) sha256: Option<Digest>,
    /// Tell the platform of the install; no platform that is known keeps it
    #[arg(long)]
    pub(in crate::cli) report_install: bool,
    #[command(flatten)]
    pub(in crate::cli) answers: JsonArgs,
    #[command(flatten)]
    pub(in crate::cli) how: InstallArgs,
    #[command(flatten)]
    pub(in crate::cli) platform: PlatformArgs,
    #[command(flatten)]
    pub(in crate::cli) identity: IdentityArgs,
    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
}

impl PluginArgs {
    /// The folder that `hash` and `verify` are about.
    pub(in crate::cli) fn folder(&self) -> Option<PathBuf> {
        match self.what.as_slice() {
            [folder] => Some(folder.into()),
            _ => None,
        }
    }
}

/// What to do with plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PluginAction {
    /// Install, or upgrade.
    Install,
    /// What is installed.
    List,
    /// What the platform has to offer.
    Available,
    /// Take away.
    Remove,
    /// The hash of a folder.
    Hash,
    /// Whether a folder has the hash that it declares.
    Verify,
}
