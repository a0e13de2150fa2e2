//! What an operator says about one agent: whose it is, what it may do, how it is run.

use std::sync::Arc;
use std::time::Duration;

use molecule_gate::Grants;
use molecule_protocol::{PlatformUrl, WorkspaceId};
use molecule_runtime::{Limits, Restarts};

use crate::appeals::Appeals;
use crate::direct_peer::DirectPeer;
use crate::events::Events;
use crate::platform::{OrgId, Origin};
use crate::plugins::PluginSettings;
use crate::public_url::PublicUrl;
use crate::secrets::SecretSource;
use crate::token::TokenInputs;

/// One agent in one workspace.
///
/// ```
/// use molecule_host::AgentSpec;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut spec = AgentSpec::new(
///     "https://acme.moleculesai.app".parse()?,
///     "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse()?,
/// );
/// spec.grants.peers.push("bob".parse()?);
/// spec.config.push(("greeting".into(), "Hello".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct AgentSpec {
    /// The platform.
    pub platform_url: PlatformUrl,
    /// The workspace that the agent is.
    pub workspace_id: WorkspaceId,
    /// Where its token comes from; the cached one where nothing is said.
    pub token: TokenInputs,
    /// The organisation, where one platform serves several.
    pub org_id: Option<OrgId>,
    /// The `Origin` to send; the platform's own where nothing is said.
    pub origin: Origin,
    /// The name in the agent card; the agent's own where nothing is said.
    pub name: Option<String>,
    /// What the agent reads by `workspace.config`.
    pub config: Vec<(String, String)>,
    /// What it may do.
    pub grants: Grants,
    /// Secrets of the operator's own, which go before those of the platform. What the agent may use is in `grants`.
    pub secrets: Vec<SecretSource>,
    /// What is said about its plugins. Which of them the agent may install is in `grants`.
    pub plugins: PluginSettings,
    /// Where the agent can be reached from outside, for a platform that knows no poll mode.
    pub public_url: Option<PublicUrl>,
    /// Peers that are called at their own address. Calls of all others go through the platform.
    pub direct_peers: Vec<DirectPeer>,
    /// How far back the first look for messages goes: 10 minutes where nothing is said, or not at all on a platform that
    /// has no cursors. Zero is "what comes from now on".
    pub look_back: Option<Duration>,
    /// Whether to listen to the platform's events, so that a message need not wait for the next poll. It costs a
    /// connection.
    pub event_stream: bool,
    /// By which keys the platform knows copies of its delegations.
    pub delegation_keys: DelegationKeys,
    /// Who is asked before it is denied what a grant would give it; nobody where nothing is said.
    pub appeals: Option<Arc<dyn Appeals>>,
    /// How often the host asks and tells.
    pub intervals: Intervals,
    /// What to do when the workspace is paused.
    pub on_pause: OnEnd,
    /// What to do when the platform no longer takes the token.
    pub on_revoked: OnEnd,
    /// Messages in flight at once; what the card asks for, at most [`AgentSpec::MAX_ASKED_CONCURRENCY`], where
    /// nothing is said.
    pub concurrency: Option<usize>,
    /// How long one callback may take, waits included. 10 minutes.
    pub callback_time: Duration,
    /// How long what is in flight may still take when the host stops.
    pub shutdown_grace: Duration,
    /// What it may take of the machine.
    pub limits: Limits,
    /// How much may wait for it.
    pub mailbox: Mailbox,
    /// When a dead instance is built again.
    pub restarts: Restarts,
    /// Where all that happens is told, from the start on. Whoever subscribes before the agent is started misses nothing.
    /// Agents that are given clones of the same tell the same listeners: for many of them that is the way.
    pub events: Events,
}

impl AgentSpec {
    /// Messages in flight at once that a card may ask for.
    pub const MAX_ASKED_CONCURRENCY: usize = 16;

    /// The longest of all times: long enough, and short enough to be added to now.
    pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// An agent with nothing granted, run the usual way.
    pub fn new(platform_url: PlatformUrl, workspace_id: WorkspaceId) -> Self {
        Self {
            platform_url,
            workspace_id,
            token: TokenInputs::default(),
            org_id: None,
            origin: Origin::default(),
            name: None,
            config: Vec::new(),
            grants: Grants::default(),
            secrets: Vec::new(),
            plugins: PluginSettings::default(),
            public_url: None,
            direct_peers: Vec::new(),
            look_back: None,
            event_stream: true,
            delegation_keys: DelegationKeys::default(),
            appeals: None,
            intervals: Intervals::default(),
            on_pause: OnEnd::Wait,
            on_revoked: OnEnd::Wait,
            concurrency: None,
            callback_time: Duration::from_secs(600),
            shutdown_grace: Duration::from_secs(10),
            limits: Limits::default(),
            mailbox: Mailbox::default(),
            restarts: Restarts::default(),
            events: Events::default(),
        }
    }

    /// Puts times that make no sense within bounds: 20 ms at least between two requests, 30 days at most for all.
    pub(crate) fn clamp(&mut self) {
        let Intervals { heartbeat, state, poll, poll_eager, secrets } = &mut self.intervals;
        for interval in [heartbeat, state, poll, poll_eager, secrets] {
            *interval = (*interval).clamp(Intervals::SHORTEST, Self::LONGEST);
        }
        for time in [&mut self.callback_time, &mut self.shutdown_grace] {
            *time = (*time).min(Self::LONGEST);
        }
    }
}

/// By which keys the platform knows copies of delegations, where the agent gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DelegationKeys {
    /// One for each delegation, whenever it is asked for.
    #[default]
    Unique,
    /// As the Python SDK makes them, of the task and the minute: two equal tasks within a minute are one, to whomever they
    /// go. For a workspace that both hosts share.
    CompatMinute,
}

/// How much may wait for an agent on this machine. Beyond that nothing more is taken in, save what the page under way
/// still holds: it waits at the platform, which keeps it for days. Answers of peers wait there, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox {
    /// Messages. 10,000.
    pub messages: u64,
    /// Bytes of these messages, and of those in hand. 256 MiB.
    pub bytes: u64,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 256 * 1024 * 1024 }
    }
}

/// How often the host asks and tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// Between two heartbeats, give or take a tenth. The platform takes a workspace for gone after 90 s.
    pub heartbeat: Duration,
    /// Between two looks at the workspace's state.
    pub state: Duration,
    /// Between two looks for messages.
    pub poll: Duration,
    /// Between two looks while a call waits for a peer's answer, or an answer's echo is looked for.
    pub poll_eager: Duration,
    /// Between two looks for secrets that changed, of which the platform tells nobody.
    pub secrets: Duration,
}

impl Intervals {
    /// Between any two requests.
    const SHORTEST: Duration = Duration::from_millis(20);

    /// Requests that a workspace makes in such a time if nothing happens.
    pub(crate) fn requests_within(&self, time: Duration) -> f64 {
        let times = |interval: Duration| time.as_secs_f64() / interval.max(Self::SHORTEST).as_secs_f64();
        times(self.heartbeat) + times(self.state) + times(self.poll)
    }
}

impl Default for Intervals {
    /// 30 s, 30 s, 5 s, 1 s and an hour: sixteen requests a minute, of the 600 that the platform gives an address.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(30),
            state: Duration::from_secs(30),
            poll: Duration::from_secs(5),
            poll_eager: Duration::from_secs(1),
            secrets: Duration::from_secs(60 * 60),
        }
    }
}

/// What to do at an end that may not be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEnd {
    /// Keep the process and wait for better times.
    Wait,
    /// Stop.
    Exit,
}
