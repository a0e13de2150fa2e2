//! The command line: which flags there are, and what they say of themselves.

mod operator;
mod plugin;
mod policy;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Args, Command, CommandFactory, Parser, ValueEnum};
use molecule_host::egress::ProxyUrl;
use molecule_host::gate::{ByteSize, MemoryScope, NetRule, PeerGrant, PluginGrant, SecretGrant, SecretName};
use molecule_host::platform::{OrgId, Origin};
use molecule_host::secrets::SecretSource;
use molecule_host::{DelegationKeys, DirectPeer, OnEnd, PublicUrl};
use molecule_protocol::{PlatformUrl, WorkspaceId};

pub(super) use self::operator::{BackupArgs, InboxAction, InboxArgs, LogsArgs, PsArgs, UpArgs};
pub(super) use self::plugin::{InstallArgs, PluginAction, PluginArgs, PluginSettingArgs, PluginSourceArgs};
pub(super) use self::policy::{PolicyAction, PolicyArgs, PolicyKeys};
pub(super) use self::token::{TokenAction, TokenArgs};
use super::limits::LimitArgs;
use super::values;

const RUN_ABOUT: &str = "\
Runs an agent, a WebAssembly component, as a workspace of a Molecule AI platform.
The agent reaches nothing that you do not grant it.

Examples:
  Try an agent, with a local platform and without an account:
    molecule-host dev path/to/agent --say hello --once
  Run one that somebody else has built; it is asked who it is, and granted one peer:
    molecule-host agent.wasm --platform-url https://acme.moleculesai.app \\
        --workspace-id 3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11 --token-file ./token --allow-peer bob
  The same from a script, which reads log lines as JSON and gives the token to nobody else:
    molecule-host agent.wasm --token-file - --log-format json <token";

const RUN_USAGE: &str = "\
molecule-host [run] AGENT.wasm --platform-url URL --workspace-id ID [OPTIONS]
       molecule-host dev PATH [OPTIONS]      (an agent on a platform of its own)
       molecule-host up AGENTS.toml          (many agents in one process)
       molecule-host ps | logs AGENT         (what runs, and what it says)
       molecule-host policy check|explain    (a file of grants: is it right, and what does it give)
       molecule-host plugin install|list|... (plugins of a workspace)
       molecule-host token status|rotate     (its token: is it accepted; another one)
       molecule-host inbox ... | backup FILE (messages that were given up; a copy of the state)
                                             (each with --help)";

const RUN_AFTER: &str = "\
A flag goes before its variable, and an empty variable counts as none.

Exit codes:
   0  stopped by a signal
   2  configuration or authorization: a wrong flag, a token that is refused
   3  the component cannot run: not a component, of another world or a newer contract
   4  the agent refused to start
   5  another host has the workspace
   6  local trouble: state folder, disk, port
   7  a plugin was refused (molecule-host plugin)
  10  paused, with --on-pause exit
  11  removed";

/// How the help of each command is laid out.
pub(super) const TEMPLATE: &str = "{about}\n\n{usage-heading} {usage}\n\n{all-args}{after-help}\n";

/// The variables that stand in for flags of `run`.
const VARIABLES: [(&str, &str); 14] = [
    ("platform-url", "MOLECULE_PLATFORM_URL"),
    ("org-id", "MOLECULE_ORG_ID"),
    ("origin", "MOLECULE_ORIGIN"),
    ("workspace-id", "MOLECULE_WORKSPACE_ID"),
    ("token-file", "MOLECULE_WORKSPACE_TOKEN_FILE, or MOLECULE_WORKSPACE_TOKEN with the token itself"),
    ("state-dir", "MOLECULE_STATE_DIR"),
    ("agent-name", "MOLECULE_AGENT_NAME"),
    ("egress-proxy", "MOLECULE_EGRESS_PROXY, which may hold USER:PASSWORD@"),
    ("heartbeat-interval", "MOLECULE_HEARTBEAT_INTERVAL"),
    ("state-interval", "MOLECULE_STATE_INTERVAL"),
    ("poll-interval", "MOLECULE_POLL_INTERVAL"),
    ("public-url", "MOLECULE_REPORTED_URL"),
    ("on-pause", "MOLECULE_ON_PAUSE"),
    ("on-revoked", "MOLECULE_ON_REVOKED"),
];

/// The command `run`, whose flags name their variables in the help.
///
/// The variables themselves are read by the settings: so an empty one counts as none, a wrong one is named, and tests
/// need not change the environment of their process.
pub(super) fn run_command() -> Command {
    let with_variable = |argument: Arg| {
        let variable = VARIABLES.iter().find(|(flag, _)| argument.get_long() == Some(flag));
        match (variable, argument.get_help()) {
            (Some((_, variable)), Some(help)) => {
                let help = format!("{help} [env: {variable}]");
                argument.help(help)
            }
            _ => argument,
        }
    };
    RunArgs::command().mut_args(with_variable)
}

/// `molecule-host [run] AGENT.wasm`
#[derive(Debug, Parser)]
#[command(about = RUN_ABOUT, override_usage = RUN_USAGE, after_help = RUN_AFTER)]
pub(super) struct RunArgs {
    /// The agent: a component, built for wasm32-wasip2. A file called like a command is written ./run
    #[arg(value_name = "AGENT.wasm")]
    pub(super) component: Option<PathBuf>,
    #[command(flatten)]
    pub(super) agent: AgentArgs,
    #[command(flatten)]
    pub(super) egress: EgressArgs,
    #[command(flatten)]
    pub(super) prompt: PromptArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) watch: WatchArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// All that can be said about one agent: by flags of `run`, and by the keys of the same names in an agents.toml.
#[derive(Debug, Default, Parser)]
pub(super) struct AgentArgs {
    #[command(flatten)]
    pub(super) platform: PlatformArgs,
    #[command(flatten)]
    pub(super) identity: IdentityArgs,
    #[command(flatten)]
    pub(super) grants: GrantArgs,
    #[command(flatten)]
    pub(super) behaviour: BehaviourArgs,
    #[command(flatten)]
    pub(super) plugins: PluginSettingArgs,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
}

/// Which platform, and how it wants to be spoken to.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Platform")]
pub(super) struct PlatformArgs {
    /// Where the platform is
    #[arg(long, value_name = "URL")]
    pub(super) platform_url: Option<PlatformUrl>,
    /// The organisation, where one platform serves several
    #[arg(long, value_name = "UUID")]
    pub(super) org_id: Option<OrgId>,
    /// The Origin header; "off" sends none [default: the platform's own]
    #[arg(long, value_name = "ORIGIN|off")]
    pub(super) origin: Option<Origin>,
}

/// Who the agent is there.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Identity")]
pub(super) struct IdentityArgs {
    /// The workspace that the agent is
    #[arg(long, value_name = "ID")]
    pub(super) workspace_id: Option<WorkspaceId>,
    /// A file with the workspace's token, or - for standard input [default: the cached one]
    #[arg(long, value_name = "FILE|-")]
    pub(super) token_file: Option<PathBuf>,
    /// The name in the agent card [default: the agent's own]
    #[arg(long, value_name = "NAME", value_parser = values::agent_name)]
    pub(super) agent_name: Option<String>,
}

/// Where it is remembered.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "State")]
pub(super) struct StateArgs {
    /// Where messages, tokens and compiled components are kept, a folder for each workspace [default: ~/.molecule]
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
}

/// How requests of agents get out.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Network")]
pub(super) struct EgressArgs {
    /// Certificates in PEM of authorities that vouch for servers, beside those that the machine trusts
    #[arg(long, value_name = "FILE")]
    pub(super) egress_root: Option<PathBuf>,
    /// The proxy for requests of agents: http://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = values::egress_proxy)]
    pub(super) egress_proxy: Option<ProxyUrl>,
}

/// For whoever watches over it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Watching")]
pub(super) struct WatchArgs {
    /// Answer /health, /ready and /metrics here, a loopback address such as 127.0.0.1:9464 [default: nowhere]
    #[arg(long, value_name = "ADDR", value_parser = values::loopback)]
    pub(super) metrics: Option<SocketAddr>,
}

/// Beyond that the platform takes none.
const MOST_MESSAGE_BYTES: i64 = molecule_host::gate::Limits::MOST_MESSAGE_BYTES as i64;

/// What the agent may do. Nothing but to answer and to write to its own user, where nothing is said.
// Of what a denial names, and what has one value, the last one counts: so it can be pasted behind all else.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Grants (nothing where nothing is said)")]
pub(super) struct GrantArgs {
    /// Let the agent see and call this peer, by workspace id or name; '*' for all. May be repeated
    #[arg(long, value_name = "PEER")]
    pub(super) allow_peer: Vec<PeerGrant>,
    /// Let it make these requests: '[METHODS ]SCHEME://HOST[:PORT][PATH] [BOUNDS]'. May be repeated
    #[arg(long, value_name = "RULE")]
    pub(super) allow_net: Vec<NetRule>,
    /// Let it put this secret into requests to this host, without seeing it: 'NAME@HOST[:PORT]'. May be repeated
    #[arg(long, value_name = "NAME@HOST")]
    pub(super) allow_secret: Vec<SecretGrant>,
    /// Let it see this secret. May be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) allow_reveal: Vec<SecretName>,
    /// Let it install and remove this plugin: 'NAME[@SOURCE]', from the platform itself where no source is said. May be repeated
    #[arg(long, value_name = "NAME[@SOURCE]")]
    pub(super) allow_plugin: Vec<PluginGrant>,
    /// Let it use what the platform keeps: its own values and memories (local), its team's (team), or everybody's (global)
    #[arg(long, value_name = "local|team|global", overrides_with = "allow_memory")]
    pub(super) allow_memory: Option<MemoryScope>,
    /// Let it keep so much in a folder of its own
    #[arg(long, value_name = "SIZE", overrides_with = "allow_storage")]
    pub(super) allow_storage: Option<ByteSize>,
    /// Read further grants and limits from this file; what flags say goes before it
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Bytes of one message that the agent sends, at most 1048576 [default: 262144]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=MOST_MESSAGE_BYTES), overrides_with = "max_message_bytes")]
    pub(super) max_message_bytes: Option<u32>,
    /// Messages of each kind that the agent sends in a minute [default: 120]
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..),
        overrides_with = "max_messages_per_minute"
    )]
    pub(super) max_messages_per_minute: Option<u32>,
    /// HTTP requests that it makes in a minute [default: 600]
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..),
        overrides_with = "max_requests_per_minute"
    )]
    pub(super) max_requests_per_minute: Option<u32>,
    /// HTTP requests that it makes at once [default: 32]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) max_concurrent_requests: Option<u32>,
    /// Size of the body of a request, where its rule says nothing [default: 8MiB]
    #[arg(long, value_name = "SIZE")]
    pub(super) max_request: Option<ByteSize>,
    /// Size of the body of a response, where its rule says nothing [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub(super) max_response: Option<ByteSize>,
}

/// Whether somebody is asked for more.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Grants (nothing where nothing is said)")]
pub(super) struct PromptArgs {
    /// Deny what is not granted, and ask nobody. Otherwise whoever is at the terminal is asked: once, always, or deny
    #[arg(long)]
    pub(super) no_prompt: bool,
}

/// How the agent is run.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Behaviour")]
pub(super) struct BehaviourArgs {
    /// What the agent reads as its configuration. May be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::config)]
    pub(super) config: Vec<(String, String)>,
    /// Where a secret's value is read: NAME=file:PATH or NAME=env:VARIABLE, before the platform's. May be repeated
    #[arg(long, value_name = "NAME=SOURCE")]
    pub(super) secret: Vec<SecretSource>,
    /// Seconds between two heartbeats, 0.1 to 80 [default: 30; dev: 5]
    #[arg(long, value_name = "SECONDS", value_parser = values::heartbeat_interval)]
    pub(super) heartbeat_interval: Option<Duration>,
    /// Seconds between two looks at the workspace's state, 0.1 to 3600 [default: 30; dev: 1]
    ///
    #[arg(long, value_name = "SECONDS", value_parser = values::interval)]
    pub(super) state_interval: Option<Duration>,
    /// Seconds between two looks for messages, 0.1 to 3600 [default: 5; dev: 0.1]
    #[arg(long, value_name = "SECONDS", value_parser = values::interval)]
    pub(super) poll_interval: Option<Duration>,
    /// Where the agent can be reached from outside, for a platform that knows no poll mode [default: nowhere]
    #[arg(long, value_name = "URL")]
    pub(super) public_url: Option<PublicUrl>,
    /// A peer (workspace id, name, or * for all) that is called at its own address, without the platform and without our
    /// token; through the platform if it cannot be reached there. At public addresses alone, unless `private` stands behind
    /// it, as in 'bob private'. May be repeated
    #[arg(long, value_name = "PEER")]
    pub(super) direct_peer: Vec<DirectPeer>,
    /// Seconds that the first look for messages goes back; 0 for what comes from now on [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = values::look_back)]
    pub(super) look_back: Option<Duration>,
    /// Do not listen to the platform's events, which bring messages at once; poll for them alone
    #[arg(long)]
    pub(super) no_event_stream: bool,
    /// Which keys tell the platform copies of a delegation: one for each, or of task and minute as the Python SDK has
    /// them [default: unique]
    #[arg(long, value_name = "unique|compat-minute", value_parser = values::delegation_keys)]
    pub(super) delegation_keys: Option<DelegationKeys>,
    /// When the workspace is paused: wait for its resumption, or exit with code 10 [default: wait]
    ///
    #[arg(long, value_name = "wait|exit", value_parser = values::on_end)]
    pub(super) on_pause: Option<OnEnd>,
    /// When the platform no longer takes the token: wait for another one, or exit with code 2 [default: wait]
    ///
    #[arg(long, value_name = "wait|exit", value_parser = values::on_end)]
    pub(super) on_revoked: Option<OnEnd>,
    /// Seconds that messages in hand may still take when the host stops [default: 10; dev: 5]
    #[arg(long, value_name = "SECONDS", value_parser = values::grace)]
    pub(super) shutdown_grace: Option<Duration>,
}

/// What is said on standard error. Standard output is for answers.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// How log lines are written: for people, or as one JSON object a line
    #[arg(long, value_enum, value_name = "human|json", default_value_t, hide_possible_values = true)]
    pub(super) log_format: LogFormat,
    /// Say more; twice for everything. MOLECULE_LOG filters finer, as in molecule_host=debug,warn
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Say only warnings and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
}

/// How a command answers.
#[derive(Debug, Default, Args)]
pub(super) struct JsonArgs {
    /// For programs: one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
}

const DEV_ABOUT: &str = "\
Runs an agent on a platform of its own, on this machine: no account, no configuration.
A crate is built first, and again when one of its sources changes: the agent that runs makes room for the new one, which gets the messages that are left. What does not build is shown here and on the page, and the old one goes on.
Everything the agent says to its user is printed on standard output.
A file agent.dev.toml in the folder of the crate has further flags as its keys, and may name a command that runs beside the agent.

Examples:
  Say something and see the answer:
    molecule-host dev path/to/agent --say hello --once
  Talk with it, line by line:
    molecule-host dev agent.wasm
  Keep its workspace and messages from one time to the next, and let it see all its peers:
    molecule-host dev path/to/agent --state-dir ./dev-state --port 8080 --allow-peer '*'";

const DEV_AFTER: &str = "\
The only variables that are read are MOLECULE_EGRESS_PROXY and MOLECULE_LOG.
Exit codes are those of molecule-host; with --once, 0 where all is answered, and 4 where the agent is wedged, gives the message up or takes too long.";

/// `molecule-host dev PATH`
#[derive(Debug, Parser)]
#[command(about = DEV_ABOUT, override_usage = "molecule-host dev PATH [OPTIONS]", after_help = DEV_AFTER)]
pub(super) struct DevArgs {
    /// A component, or the folder of a crate that makes one
    #[arg(value_name = "PATH")]
    pub(super) path: Option<PathBuf>,
    /// Which package of the folder's workspace to build
    #[arg(short, long, value_name = "NAME")]
    pub(super) package: Option<String>,
    /// Run what there is now; do not look whether a source, or the component's file, changes
    #[arg(long)]
    pub(super) no_watch: bool,
    /// Do not read agent.dev.toml in the folder of the crate: its flags, and the command that runs beside the agent
    #[arg(long)]
    pub(super) no_dev_file: bool,
    #[command(flatten)]
    pub(super) conversation: ConversationArgs,
    #[command(flatten)]
    pub(super) local: LocalArgs,
    #[command(flatten)]
    pub(super) grants: GrantArgs,
    #[command(flatten)]
    pub(super) egress: EgressArgs,
    #[command(flatten)]
    pub(super) prompt: PromptArgs,
    #[command(flatten)]
    pub(super) behaviour: BehaviourArgs,
    #[command(flatten)]
    pub(super) plugins: PluginSettingArgs,
    #[command(flatten)]
    pub(super) sources: PluginSourceArgs,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// What is said to the agent.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Conversation")]
pub(super) struct ConversationArgs {
    /// Send this as the user and print the answer; the next one is sent when it has come. May be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) say: Vec<String>,
    /// Exit when all that --say sent is answered; implies --no-watch
    #[arg(long)]
    pub(super) once: bool,
    /// Seconds that --once waits for each answer [default: 120]
    #[arg(long, value_name = "SECONDS", value_parser = values::time_limit, requires = "once")]
    pub(super) timeout: Option<Duration>,
}

/// The local platform and what is kept.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Local platform")]
pub(super) struct LocalArgs {
    /// The port of the platform on 127.0.0.1 [default: a free one]
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Where platform, workspace and messages are kept [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// The name of the agent and its workspace [default: the agent's own]
    #[arg(long, value_name = "NAME", value_parser = values::agent_name)]
    pub(super) agent_name: Option<String>,
}
