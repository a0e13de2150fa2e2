//! `molecule-platform`: the local platform as a program of its own.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::FalseyValueParser;
use clap::{Parser, ValueEnum};
use molecule_platform::{Config, Environment, Platform, StartError};
use molecule_protocol::{BearerToken, PlatformUrl};
use tracing_subscriber::EnvFilter;

/// A Molecule AI platform on this machine, for developing agents.
///
/// Hosts connect to it as to the real one. In development (the default) it asks operators for nothing, so it listens on
/// the loopback interface only, and its page at / shows the workspaces.
#[derive(Debug, Parser)]
#[command(name = "molecule-platform", version, after_help = EXAMPLES)]
struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        env = "MOLECULE_PLATFORM_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDR:PORT"
    )]
    listen: SocketAddr,

    /// The SQLite file that keeps everything; made if it is not there
    #[arg(long, env = "MOLECULE_PLATFORM_DB", default_value = "molecule-platform.db", value_name = "FILE")]
    db: PathBuf,

    /// Keep nothing, whatever --db says: everything is gone when it stops
    #[arg(long)]
    in_memory: bool,

    /// How much to demand of callers
    #[arg(
        long = "env",
        env = "MOLECULE_ENV",
        default_value = "development",
        ignore_case = true,
        value_name = "ENV"
    )]
    environment: Demands,

    /// A file with the admin token; operators must show it then, and the printed address of the page has it
    #[arg(long, env = "MOLECULE_PLATFORM_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,

    /// Listen beyond this machine in development, too: an admin token is made up and printed with the page's address
    #[arg(long)]
    open_to_network: bool,

    /// A further name by which clients address it (repeatable)
    #[arg(long = "host", env = "MOLECULE_PLATFORM_HOSTS", value_delimiter = ',', value_name = "NAME")]
    hosts: Vec<String>,

    /// The origin of a web page elsewhere that may use it (repeatable)
    #[arg(long = "origin", env = "MOLECULE_PLATFORM_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    origins: Vec<String>,

    /// What clients are told to connect to, when that is not what they addressed
    #[arg(long, env = "MOLECULE_PLATFORM_EXTERNAL_URL", value_name = "URL")]
    external_url: Option<PlatformUrl>,

    /// The folder whose folders are the plugins local://NAME
    #[arg(long, env = "MOLECULE_PLATFORM_PLUGINS_DIR", value_name = "DIR")]
    plugins_dir: Option<PathBuf>,

    /// The folder that stands in for GitHub: github://OWNER/REPO#REF is the git repository OWNER/REPO or OWNER/REPO.git in
    /// there, at the tag or branch REF; no git program is needed
    #[arg(long, env = "MOLECULE_PLATFORM_GITHUB_BASE", value_name = "DIR")]
    github_base: Option<PathBuf>,

    /// The organisation whose id every request must carry
    #[arg(long, env = "MOLECULE_ORG_ID", value_name = "UUID")]
    org_id: Option<String>,

    /// Allow agents at private addresses to register for push
    #[arg(long, env = "MOLECULE_PLATFORM_SAAS", value_parser = FalseyValueParser::new())]
    saas: bool,

    /// Hand out test tokens outside development, too
    #[arg(long, env = "MOLECULE_ENABLE_TEST_TOKENS", value_parser = FalseyValueParser::new())]
    test_tokens: bool,

    /// Requests a minute from one address, 0 for no limit; not counted in development without an admin token
    #[arg(long, env = "MOLECULE_PLATFORM_RATE_LIMIT", default_value_t = 600, value_name = "N")]
    rate_limit: u64,

    /// Count them in development, too, to see what a host does that meets the limit
    #[arg(
        long,
        env = "MOLECULE_PLATFORM_RATE_LIMIT_IN_DEVELOPMENT",
        value_parser = FalseyValueParser::new()
    )]
    rate_limit_in_development: bool,

    /// Seconds without a heartbeat after which an agent counts as lost
    #[arg(long, env = "MOLECULE_PLATFORM_STALE_AFTER", default_value_t = 90, value_name = "SECONDS")]
    stale_after: u64,

    /// Put the result of a delegation into the log of whoever gave it, too
    #[arg(long, env = "DELEGATION_RESULT_INBOX_PUSH", value_parser = FalseyValueParser::new())]
    delegation_result_inbox_push: bool,

    /// A file that gets a line of JSON for each request: when, what, by whom (the first 8 characters of the token), status
    #[arg(long, env = "MOLECULE_PLATFORM_JOURNAL", value_name = "FILE")]
    journal: Option<PathBuf>,

    /// Days that activity is kept
    #[arg(long, env = "MOLECULE_PLATFORM_RETENTION_DAYS", default_value_t = 7, value_name = "DAYS")]
    retention_days: u64,
}

const EXAMPLES: &str = "\
Make a workspace, and run an agent in it:
  molecule-platform &
  curl -X POST localhost:8080/workspaces -d '{\"name\":\"my-agent\",\"external\":true}'
  # connection.auth_token in the answer is shown this once; keep it in a file
  molecule-host agent.wasm --platform-url http://localhost:8080 --workspace-id ID --token-file FILE

Write to it as the user, and read what it answers:
  curl -X POST localhost:8080/workspaces/ID/a2a \\
    -d '{\"method\":\"message/send\",\"params\":{\"message\":{\"role\":\"user\",\"parts\":[{\"kind\":\"text\",\"text\":\"hello\"}]}}}'
  curl localhost:8080/workspaces/ID/activity

Serve plugins, and fetch one of a folder and one of a git repository (the # of a source is %23 in a query):
  molecule-platform --plugins-dir plugins --github-base repositories &
  curl -H 'Authorization: Bearer TOKEN' -O localhost:8080/workspaces/ID/plugins/NAME/download
  curl -H 'Authorization: Bearer TOKEN' -O \\
    'localhost:8080/workspaces/ID/plugins/REPO/download?source=github://OWNER/REPO%23v1'

Exit codes: 0 stopped by a signal, 2 wrong settings, 6 local trouble (port, database, disk).";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Demands {
    /// Callers without credentials pass nearly everywhere
    #[value(alias = "dev")]
    Development,
    /// Everything is demanded
    #[value(alias = "staging")]
    Production,
}

/// What a wrong setting exits with.
const WRONG_SETTINGS: u8 = 2;
/// What trouble with the port, the database or the disk exits with.
const LOCAL_TROUBLE: u8 = 6;

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("MOLECULE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    match config(args) {
        Ok(config) => run(config),
        Err(error) => fail(WRONG_SETTINGS, &format!("{error:#}")),
    }
}

fn config(args: Args) -> anyhow::Result<Config> {
    let admin_token = args.admin_token_file.map(|path| read_token(&path)).transpose()?;
    Ok(Config {
        listen: args.listen,
        db: (!args.in_memory).then_some(args.db),
        environment: match args.environment {
            Demands::Development => Environment::Development,
            Demands::Production => Environment::Production,
        },
        admin_token,
        open_to_network: args.open_to_network,
        hosts: args.hosts,
        origins: args.origins,
        external_url: args.external_url,
        org_id: args.org_id.filter(|id| !id.is_empty()),
        saas: args.saas,
        test_tokens: args.test_tokens,
        rate_limit: args.rate_limit,
        rate_limit_in_development: args.rate_limit_in_development,
        plugins_dir: args.plugins_dir,
        github_base: args.github_base,
        delegation_result_inbox_push: args.delegation_result_inbox_push,
        journal: args.journal,
        stale_after: Duration::from_secs(args.stale_after),
        retention: Duration::from_secs(args.retention_days.saturating_mul(24 * 60 * 60)),
        ..Config::default()
    })
}

fn read_token(path: &std::path::Path) -> anyhow::Result<BearerToken> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read the admin token from {}; check --admin-token-file", path.display())
    })?;
    text.parse().with_context(|| format!("{} holds no usable admin token", path.display()))
}

fn run(config: Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(LOCAL_TROUBLE, &format!("cannot start threads: {error}; free some memory"));
        }
    };
    runtime.block_on(async {
        let open = config.is_open() && config.listen.ip().is_loopback();
        // Before it says that it listens: whoever reads that may tell it to stop.
        let stopped = match stop_signal() {
            Ok(stopped) => stopped,
            Err(error) => {
                return fail(LOCAL_TROUBLE, &format!("cannot listen for signals: {error}; try again"));
            }
        };
        let platform = match Platform::start(config).await {
            Ok(platform) => platform,
            Err(error @ (StartError::Open(_) | StartError::Folder { .. } | StartError::Journal { .. })) => {
                return fail(WRONG_SETTINGS, &error.to_string());
            }
            Err(error) => return fail(LOCAL_TROUBLE, &error.to_string()),
        };
        let word =
            if open { "development: no credentials are asked for" } else { "credentials are asked for" };
        let mut stdout = std::io::stdout();
        // Nobody reading it is no reason to stop.
        let _ = writeln!(stdout, "molecule-platform listens on {} ({word})", platform.url);
        let _ = writeln!(stdout, "its page is {}", platform.page());
        stopped.await;
        platform.shutdown().await;
        ExitCode::SUCCESS
    })
}

/// A future that ends when the program shall. From this call on, no signal ends the program by itself.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A future that ends when the program shall.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "molecule-platform: {message}");
    ExitCode::from(code)
}
