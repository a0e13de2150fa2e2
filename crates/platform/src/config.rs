//! How a platform is run.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use molecule_protocol::{BearerToken, PlatformUrl};

use crate::Clock;

/// How a platform is run. The default is a platform for one developer: in memory, on a free port of the loopback
/// interface, in development.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to keep everything; `None` keeps it in memory.
    pub db: Option<PathBuf>,
    /// Decides how much is demanded of callers.
    pub environment: Environment,
    /// What an operator shows. Without it, in development, nothing is demanded of an operator.
    pub admin_token: Option<BearerToken>,
    /// Allow listening beyond this machine in development without an admin token. One is made then, new at each start; it
    /// is in the address of the [page](crate::Running::page).
    pub open_to_network: bool,
    /// Names by which clients may address this platform, beside `localhost`, the loopback addresses and
    /// [`listen`](Self::listen). A request that names another host is refused: it may come from a web page that
    /// had its own name resolved to this machine.
    pub hosts: Vec<String>,
    /// Origins of web pages, other than its own, that may use this platform.
    pub origins: Vec<String>,
    /// What clients are told to connect to; `None` for what each one addressed.
    pub external_url: Option<PlatformUrl>,
    /// The organisation whose id every request must carry; `None` for no such check.
    pub org_id: Option<String>,
    /// Allow agents at private addresses to register for push.
    pub saas: bool,
    /// Requests that one address may make in 60 s; 0 for no limit. Not counted in development without an admin token,
    /// unless [`rate_limit_in_development`](Self::rate_limit_in_development) says so.
    pub rate_limit: u64,
    /// Count requests in development without an admin token, too. The real platform does not.
    pub rate_limit_in_development: bool,
    /// Hand out test tokens outside development, too.
    pub test_tokens: bool,
    /// An agent from outside is lost without a heartbeat for so long.
    pub stale_after: Duration,
    /// A registration is good for so long after the last heartbeat.
    pub liveness_ttl: Duration,
    /// A container that does not report for so long has failed.
    pub provision_timeout: Duration,
    /// Activity older than this is dropped.
    pub retention: Duration,
    /// How often the four above are looked at.
    pub sweep_every: Duration,
    /// A pushed message is given up when its agent gives no sign of life for so long, by heartbeat or otherwise.
    pub a2a_idle_timeout: Duration,
    /// A delegation that could not be delivered is tried once more after so long.
    pub delegation_retry_after: Duration,
    /// Tell of the result of a delegation in the log of whoever gave it, too, as a message of the one who carried it out.
    pub delegation_result_inbox_push: bool,
    /// The folder whose folders are the plugins `local://<name>`; `None` for no such plugins.
    pub plugins_dir: Option<PathBuf>,
    /// The folder that stands in for GitHub: `github://owner/repo#ref` is the git repository `owner/repo` or
    /// `owner/repo.git` in there, at a tag or branch; `None` for no such plugins. It is read without a `git` program.
    pub github_base: Option<PathBuf>,
    /// A plugin that is not read and packed after so long is given up.
    pub plugin_fetch_timeout: Duration,
    /// The file that gets a line of JSON for each request, behind what it holds: `at`, `method`, `path`, `workspace` (the
    /// caller that a header names), `token` (its first 8 characters), `status`, `ms`. `None` for no such file.
    pub journal: Option<PathBuf>,
    /// What time it is.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            db: None,
            environment: Environment::Development,
            admin_token: None,
            open_to_network: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            external_url: None,
            org_id: None,
            saas: false,
            rate_limit: 600,
            rate_limit_in_development: false,
            test_tokens: false,
            stale_after: Duration::from_secs(90),
            liveness_ttl: Duration::from_secs(180),
            provision_timeout: Duration::from_secs(600),
            retention: Duration::from_secs(7 * 24 * 60 * 60),
            sweep_every: Duration::from_secs(15),
            a2a_idle_timeout: Duration::from_secs(300),
            delegation_retry_after: Duration::from_secs(8),
            delegation_result_inbox_push: false,
            plugins_dir: None,
            github_base: None,
            plugin_fetch_timeout: Duration::from_secs(300),
            journal: None,
            clock: Clock::system(),
        }
    }
}

impl Config {
    /// True where callers without credentials are let through: in development without an admin token.
    pub fn is_open(&self) -> bool {
        self.environment == Environment::Development && self.admin_token.is_none()
    }

    /// The requests that one address may make in a window; `None` where they are not counted.
    pub(crate) fn limit(&self) -> Option<u64> {
        let counted = !self.is_open() || self.rate_limit_in_development;
        Some(self.rate_limit).filter(|limit| counted && *limit > 0)
    }
}

/// How much is demanded of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// One developer's machine: callers without credentials pass nearly everywhere, and agents may be on this machine.
    Development,
    /// Everything is demanded.
    Production,
}
