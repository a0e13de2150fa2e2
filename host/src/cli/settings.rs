//! What flags and variables amount to, in the terms of the library. The keys of an agents.toml become flags before they
//! come here.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use molecule_host::egress::EgressSettings;
use molecule_host::gate::Grants;
use molecule_host::state_dir::StateDir;
use molecule_host::token::{TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, TokenInputs};
use molecule_host::{AgentSpec, Intervals};

use molecule_protocol::WorkspaceId;

use super::args::{
    AgentArgs, BehaviourArgs, EgressArgs, GrantArgs, IdentityArgs, PlatformArgs, RunArgs, StateArgs,
};
use super::limits::{LimitArgs, limit};
use super::prompt::PromptSettings;
use super::{plugin, policy, values};

/// The variable for the proxy of agents' requests. Other than the flag it may hold a password.
pub(super) const EGRESS_PROXY: &str = "MOLECULE_EGRESS_PROXY";

/// The environment, as far as it matters here: an empty variable counts as none.
pub(super) struct Environment(Box<Lookup>);

type Lookup = dyn Fn(&str) -> Option<OsString>;

impl Environment {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        Self::new(|name| std::env::var_os(name))
    }

    /// One without variables.
    pub(super) fn empty() -> Self {
        Self::new(|_| None)
    }

    /// Any other.
    pub(super) fn new(variable: impl Fn(&str) -> Option<OsString> + 'static) -> Self {
        Self(Box::new(variable))
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, UsageError> {
        // The value is not repeated: it may be a token.
        let not_text = |_| UsageError(format!("{name} is not text in UTF-8; correct it or unset it"));
        self.0(name)
            .filter(|value| !value.is_empty())
            .map(|value| value.into_string().map_err(not_text))
            .transpose()
    }

    /// The value of a flag, or else of its variable.
    fn or<T, E: ToString>(
        &self,
        flag: Option<T>,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, UsageError> {
        let (None, Some(text)) = (&flag, self.text(name)?) else { return Ok(flag) };
        // The value is not repeated: a URL may hold a password.
        let wrong = |error: E| UsageError(format!("{name}: {}; correct it or unset it", error.to_string()));
        read(&text).map(Some).map_err(wrong)
    }
}

/// A command line that makes no sense, in one line that ends in what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// What `molecule-host agent.wasm` is to do.
#[derive(Debug)]
pub(super) struct RunSettings {
    pub(super) component: PathBuf,
    pub(super) state_dir: PathBuf,
    pub(super) stack_bytes: Option<usize>,
    pub(super) egress: EgressSettings,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) spec: AgentSpec,
    pub(super) policy: Option<Repolicy>,
    pub(super) prompt: PromptSettings,
}

/// What flags grant, and the policy file behind them, which may say something else by now.
#[derive(Debug)]
pub(super) struct Repolicy(GrantArgs);

impl Repolicy {
    /// What both grant now.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read(&self) -> Result<Grants, UsageError> {
        let (mut grants, mut limits) = (self.0.clone(), LimitArgs::default());
        policy::apply(&mut grants, &mut limits)?;
        Ok(granted(grants))
    }
}

impl RunSettings {
    /// Reads flags and variables.
    ///
    /// # Errors
    /// What is missing, by flag and by variable, and what makes no sense.
    pub(super) fn new(args: RunArgs, environment: &Environment) -> Result<Self, UsageError> {
        let RunArgs { component, mut agent, egress: way_out, prompt, state, watch, output } = args;
        let component = component.ok_or_else(|| {
            UsageError("no agent is named; give its component, as in: molecule-host agent.wasm".to_owned())
        })?;
        let repolicy = agent.grants.policy.is_some().then(|| Repolicy(agent.grants.clone()));
        let file = agent.grants.policy.clone();
        policy::apply(&mut agent.grants, &mut agent.limits)?;
        let stack_bytes = agent.limits.max_stack;
        let spec = spec(agent, environment)?;
        let prompt = PromptSettings::new(prompt.no_prompt, &output, file, Some(&spec.token));
        let state_dir = state_dir(state, environment)?;
        let egress = egress(way_out, environment)?;
        let metrics = watch.metrics;
        Ok(Self { component, state_dir, stack_bytes, egress, metrics, spec, policy: repolicy, prompt })
    }
}

/// What is said about one agent, its policy file put into it already.
///
/// # Errors
/// As [`RunSettings::new`].
pub(super) fn spec(args: AgentArgs, environment: &Environment) -> Result<AgentSpec, UsageError> {
    let AgentArgs { platform, identity, grants, behaviour, plugins, limits } = args;
    let mut spec = connection(platform, &identity, environment)?;
    spec.name = environment.or(identity.agent_name, "MOLECULE_AGENT_NAME", values::agent_name)?;
    spec.grants = granted(grants);
    plugin::say(&mut spec.plugins, plugins);
    behave(&mut spec, with_variables(behaviour, environment)?);
    limit(&mut spec, &limits);
    Ok(spec)
}

/// How requests of agents get out.
///
/// # Errors
/// A file of certificates that cannot be read, and a variable that names no proxy.
pub(super) fn egress(args: EgressArgs, environment: &Environment) -> Result<EgressSettings, UsageError> {
    let read = |path: PathBuf| {
        std::fs::read(&path).map_err(|error| {
            UsageError(format!(
                "cannot read {}: {error}; give --egress-root certificates in PEM",
                path.display()
            ))
        })
    };
    let extra_roots = args.egress_root.map(read).transpose()?;
    let proxy = environment.or(args.egress_proxy, EGRESS_PROXY, str::parse)?;
    Ok(EgressSettings { extra_roots, proxy, ..EgressSettings::default() })
}

/// Where it is remembered.
///
/// # Errors
/// Where nothing is said and there is no home folder.
pub(super) fn state_dir(args: StateArgs, environment: &Environment) -> Result<PathBuf, UsageError> {
    args.state_dir
        .or_else(|| environment.path("MOLECULE_STATE_DIR"))
        .or_else(StateDir::default_path)
        .ok_or_else(|| {
            missing(
                "no state folder is named and there is no home folder",
                "--state-dir",
                "MOLECULE_STATE_DIR",
            )
        })
}

pub(super) fn connection(
    platform: PlatformArgs,
    identity: &IdentityArgs,
    environment: &Environment,
) -> Result<AgentSpec, UsageError> {
    let url = environment
        .or(platform.platform_url, "MOLECULE_PLATFORM_URL", str::parse)?
        .ok_or_else(|| missing("no platform is named", "--platform-url", "MOLECULE_PLATFORM_URL"))?;
    let mut spec = AgentSpec::new(url, workspace(identity, environment)?);
    spec.org_id = environment.or(platform.org_id, "MOLECULE_ORG_ID", str::parse)?;
    spec.origin = environment.or(platform.origin, "MOLECULE_ORIGIN", str::parse)?.unwrap_or_default();
    spec.token = TokenInputs {
        flag: identity.token_file.clone(),
        variable: environment.text(TOKEN_VARIABLE)?,
        file_variable: environment.path(TOKEN_FILE_VARIABLE),
        ..TokenInputs::default()
    };
    Ok(spec)
}

/// Which workspace is meant.
///
/// # Errors
/// None is named.
pub(super) fn workspace(
    identity: &IdentityArgs,
    environment: &Environment,
) -> Result<WorkspaceId, UsageError> {
    environment
        .or(identity.workspace_id, "MOLECULE_WORKSPACE_ID", str::parse)?
        .ok_or_else(|| missing("no workspace is named", "--workspace-id", "MOLECULE_WORKSPACE_ID"))
}

fn missing(what: &str, flag: &str, variable: &str) -> UsageError {
    UsageError(format!("{what}; give {flag} or set {variable}"))
}

/// What the flags grant. Those of a file are among them already.
pub(super) fn granted(args: GrantArgs) -> Grants {
    let GrantArgs {
        allow_peer,
        allow_net,
        allow_secret,
        allow_reveal,
        allow_plugin,
        allow_memory,
        allow_storage,
        policy: _,
        ..
    } = args;
    let mut grants = Grants {
        peers: allow_peer,
        net: allow_net,
        secrets: allow_secret,
        reveal: allow_reveal,
        plugins: allow_plugin,
        memory: allow_memory,
        storage_bytes: allow_storage,
        ..Grants::default()
    };
    let limits = &mut grants.limits;
    let bytes = args.max_message_bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    limits.message_bytes = bytes.unwrap_or(limits.message_bytes);
    limits.messages_per_minute = args.max_messages_per_minute.unwrap_or(limits.messages_per_minute);
    limits.requests_per_minute = args.max_requests_per_minute.unwrap_or(limits.requests_per_minute);
    limits.concurrent_requests = args.max_concurrent_requests.unwrap_or(limits.concurrent_requests);
    limits.request_bytes = args.max_request.unwrap_or(limits.request_bytes);
    limits.response_bytes = args.max_response.unwrap_or(limits.response_bytes);
    grants
}

fn with_variables(args: BehaviourArgs, environment: &Environment) -> Result<BehaviourArgs, UsageError> {
    Ok(BehaviourArgs {
        heartbeat_interval: environment.or(
            args.heartbeat_interval,
            "MOLECULE_HEARTBEAT_INTERVAL",
            values::heartbeat_interval,
        )?,
        state_interval: environment.or(args.state_interval, "MOLECULE_STATE_INTERVAL", values::interval)?,
        poll_interval: environment.or(args.poll_interval, "MOLECULE_POLL_INTERVAL", values::interval)?,
        public_url: environment.or(args.public_url, "MOLECULE_REPORTED_URL", str::parse)?,
        on_pause: environment.or(args.on_pause, "MOLECULE_ON_PAUSE", values::on_end)?,
        on_revoked: environment.or(args.on_revoked, "MOLECULE_ON_REVOKED", values::on_end)?,
        ..args
    })
}

/// Changes what was said, and leaves the rest of `spec` as it is.
pub(super) fn behave(spec: &mut AgentSpec, args: BehaviourArgs) {
    spec.config = args.config;
    spec.secrets = args.secret;
    let Intervals { heartbeat, state, poll, poll_eager, secrets } = spec.intervals;
    let poll = args.poll_interval.unwrap_or(poll);
    spec.intervals = Intervals {
        heartbeat: args.heartbeat_interval.unwrap_or(heartbeat),
        state: args.state_interval.unwrap_or(state),
        poll,
        poll_eager: poll_eager.min(poll),
        secrets,
    };
    spec.public_url = args.public_url;
    spec.direct_peers = args.direct_peer;
    spec.look_back = args.look_back;
    spec.event_stream = !args.no_event_stream;
    spec.delegation_keys = args.delegation_keys.unwrap_or_default();
    spec.on_pause = args.on_pause.unwrap_or(spec.on_pause);
    spec.on_revoked = args.on_revoked.unwrap_or(spec.on_revoked);
    spec.shutdown_grace = args.shutdown_grace.unwrap_or(spec.shutdown_grace);
}

/// Intervals for a platform in the same process, which counts no requests.
pub(super) const LOCAL: Intervals = Intervals {
    heartbeat: Duration::from_secs(5),
    state: Duration::from_secs(1),
    poll: Duration::from_millis(100),
    poll_eager: Duration::from_millis(100),
    secrets: Duration::from_secs(60 * 60),
};

#[cfg(test)]
mod tests {
    use molecule_host::OnEnd;
    use molecule_host::platform::Origin;

    use super::super::parse::{self, Command};
    use super::*;

    const URL: &str = "https://acme.example";
    const ID: &str = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11";

    fn settings(line: &str, variables: &[(&'static str, &str)]) -> Result<RunSettings, UsageError> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
        let environment = Environment::new(move |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        });
        match parse::parse(line.split_whitespace().map(Into::into)).unwrap() {
            Command::Run(args) => RunSettings::new(*args, &environment),
            _ => panic!("{line}"),
        }
    }

    fn full(line: &str, variables: &[(&'static str, &str)]) -> RunSettings {
        settings(&format!("a.wasm --platform-url {URL} --workspace-id {ID} --state-dir s {line}"), variables)
            .unwrap()
    }

    #[test]
    fn what_is_missing_is_named_by_flag_and_by_variable() {
        for (line, expected) in [
            ("-v", "no agent is named; give its component, as in: molecule-host agent.wasm"),
            ("a.wasm", "no platform is named; give --platform-url or set MOLECULE_PLATFORM_URL"),
            (
                "a.wasm --platform-url http://p",
                "no workspace is named; give --workspace-id or set MOLECULE_WORKSPACE_ID",
            ),
        ] {
            assert_eq!(settings(line, &[]).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn all_that_is_mandatory_may_come_from_variables() {
        let settings = settings(
            "a.wasm",
            &[
                ("MOLECULE_PLATFORM_URL", URL),
                ("MOLECULE_WORKSPACE_ID", ID),
                ("MOLECULE_STATE_DIR", "/var/lib/agents"),
                ("MOLECULE_WORKSPACE_TOKEN", "hunter2"),
                ("MOLECULE_WORKSPACE_TOKEN_FILE", "/run/token"),
                ("MOLECULE_AGENT_NAME", "alice"),
                ("MOLECULE_ORIGIN", "off"),
                ("MOLECULE_ORG_ID", "o-1"),
                ("MOLECULE_HEARTBEAT_INTERVAL", "7"),
                ("MOLECULE_STATE_INTERVAL", "8"),
                ("MOLECULE_POLL_INTERVAL", "0.5"),
                ("MOLECULE_ON_PAUSE", "exit"),
                ("MOLECULE_ON_REVOKED", "exit"),
                ("MOLECULE_EGRESS_PROXY", "http://user:hunter2@proxy.example:3128"),
            ],
        )
        .unwrap();
        let RunSettings { component, state_dir, spec, egress, .. } = settings;
        assert_eq!(egress.proxy, "http://user:hunter2@proxy.example:3128".parse().ok());
        assert_eq!((component, state_dir), ("a.wasm".into(), "/var/lib/agents".into()));
        assert_eq!(
            (spec.platform_url.to_string().as_str(), spec.workspace_id.to_string().as_str()),
            (URL, ID)
        );
        assert_eq!(spec.token.variable.as_deref(), Some("hunter2"));
        assert_eq!(spec.token.file_variable, Some("/run/token".into()));
        assert_eq!((spec.name.as_deref(), spec.origin), (Some("alice"), Origin::Off));
        assert_eq!(spec.org_id, "o-1".parse().ok());
        assert_eq!((spec.on_pause, spec.on_revoked), (OnEnd::Exit, OnEnd::Exit));
        let Intervals { heartbeat, state, poll, poll_eager, .. } = spec.intervals;
        assert_eq!([heartbeat, state, poll, poll_eager].map(|it| it.as_millis()), [7000, 8000, 500, 500]);
    }

    #[test]
    fn a_flag_goes_before_its_variable_and_an_empty_variable_is_none() {
        let spec = full("--poll-interval 2", &[("MOLECULE_POLL_INTERVAL", "nonsense")]).spec;
        assert_eq!(spec.intervals.poll, Duration::from_secs(2));
        let spec = full("", &[("MOLECULE_POLL_INTERVAL", ""), ("MOLECULE_WORKSPACE_TOKEN", "")]).spec;
        assert_eq!((spec.intervals.poll, spec.token.variable), (Duration::from_secs(5), None));
    }

    #[test]
    fn a_wrong_variable_is_named_and_a_token_is_not_repeated() {
        assert_eq!(
            settings("a.wasm", &[("MOLECULE_PLATFORM_URL", "acme.example")]).unwrap_err().to_string(),
            "MOLECULE_PLATFORM_URL: the platform URL must begin with https:// or http://; correct it or unset it"
        );
        let proxy = [("MOLECULE_EGRESS_PROXY", "https://user:hunter2@proxy")];
        let error =
            settings(&format!("a.wasm --platform-url {URL} --workspace-id {ID} --state-dir s"), &proxy);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("MOLECULE_EGRESS_PROXY: ") && !error.contains("hunter2"), "{error}");
        use std::os::unix::ffi::OsStringExt as _;
        let environment = Environment::new(|_| Some(OsString::from_vec(b"hunter2\xff".to_vec())));
        let error = environment.text(TOKEN_VARIABLE).unwrap_err().to_string();
        assert!(
            error.starts_with("MOLECULE_WORKSPACE_TOKEN is not text") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn grants_and_behaviour_are_what_the_flags_say_and_nothing_is_granted_without() {
        let spec = full("", &[]).spec;
        assert_eq!(spec.grants, Grants::default());
        assert!(spec.grants.peers.is_empty());

        let spec = full(
            "--allow-peer bob --allow-peer * --max-message-bytes 10 --max-messages-per-minute 3 --config a=1 --config b=2=3 \
             --concurrency 4 --callback-timeout 1.5 --shutdown-grace 0 --token-file -",
            &[],
        )
        .spec;
        assert!(spec.grants.allow_peer("x", None));
        assert_eq!((spec.grants.limits.message_bytes, spec.grants.limits.messages_per_minute), (10, 3));
        assert_eq!(spec.config, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2=3".to_owned())]);
        assert_eq!((spec.concurrency, spec.callback_time), (Some(4), Duration::from_millis(1500)));
        assert_eq!((spec.shutdown_grace, spec.token.flag), (Duration::ZERO, Some("-".into())));
    }
}
