//! `molecule-host dev PATH`: an agent on a platform of its own, in this process.

mod conversation;
mod home;
mod input;
mod user;

use std::path::{Path, PathBuf};
use std::time::Duration;

use molecule_host::egress::EgressSettings;
use molecule_host::gate::Grants;
use molecule_host::state_dir::StateDirError;
use molecule_host::token::{TokenError, TokenInputs};
use molecule_host::{AgentSpec, BuildError, Host, LoadedAgent};
use molecule_platform::{Config, Platform};
use molecule_protocol::{PlatformUrl, WorkspaceId};

use self::conversation::{Conversation, Patience};
use self::home::Home;
use self::input::Input;
use self::user::{User, UserError};
use super::args::{BehaviourArgs, DevArgs};
use super::banner::Banner;
use super::console::Console;
use super::escape::one_line;
use super::failure::Failure;
use super::limits::{LimitArgs, limit, limits};
use super::load::load;
use super::report::Who;
use super::run::{finish, stop};
use super::settings::{self, UsageError};
use super::signals::Signals;
use super::{build, policy, report};

/// How long `--once` waits for an answer where nothing is said: a first compilation does not count, a model's answer
/// does.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `molecule-host dev PATH` is to do.
#[derive(Debug)]
pub(super) struct DevSettings {
    path: PathBuf,
    package: Option<String>,
    say: Vec<String>,
    patience: Patience,
    port: u16,
    state_dir: Option<PathBuf>,
    name: Option<String>,
    grants: Grants,
    egress: EgressSettings,
    behaviour: BehaviourArgs,
    limits: LimitArgs,
}

impl DevSettings {
    /// Reads the flags.
    ///
    /// # Errors
    /// What makes no sense together.
    pub(super) fn new(args: DevArgs) -> Result<Self, UsageError> {
        let DevArgs {
            path,
            package,
            conversation,
            local,
            mut grants,
            egress,
            behaviour,
            mut limits,
            output: _,
        } = args;
        let wrong = |text: &str| Err(UsageError(text.to_owned()));
        let Some(path) = path else {
            return wrong(
                "no agent is named; give a crate's folder or a component, as in: molecule-host dev .",
            );
        };
        if conversation.once && conversation.say.is_empty() {
            return wrong("--once waits for an answer and nothing is said; add --say TEXT");
        }
        let patience = match conversation.once {
            true => Patience::Once(conversation.timeout.unwrap_or(PATIENCE)),
            false => Patience::Endless,
        };
        policy::apply(&mut grants, &mut limits)?;
        Ok(Self {
            path,
            package,
            say: conversation.say,
            patience,
            port: local.port.unwrap_or_default(),
            state_dir: local.state_dir,
            name: local.agent_name,
            grants: settings::granted(grants),
            egress: settings::egress(egress)?,
            behaviour,
            limits,
        })
    }
}

/// Builds, runs and talks, until there is nothing more to say or a signal comes.
///
/// # Errors
/// Whatever ends it otherwise.
pub(super) async fn dev(
    mut settings: DevSettings,
    console: Console,
    signals: Signals,
) -> Result<(), Failure> {
    let component = signals.or_stop(component(&settings.path, settings.package.as_deref())).await?;
    let home = Home::open(settings.state_dir.take())?;
    let host = signals.or_stop(build_host(&home, settings.limits.max_stack, &settings.egress)).await?;
    let agent = signals.or_stop(load(&host, &component, &limits(&settings.limits))).await?;
    let platform = Platform::start(local(&home, settings.port)).await.map_err(LocalError::from)?;
    let user = User::new(platform.url.clone())?;
    let lived = live(settings, &component, &host, &agent, &home, &user, console, &signals).await;
    platform.shutdown().await;
    lived
}

/// The part of it that needs the platform, which is stopped afterwards whatever comes of this.
#[expect(clippy::too_many_arguments, reason = "all that has been set up before")]
async fn live(
    settings: DevSettings,
    component: &Path,
    host: &Host,
    agent: &LoadedAgent,
    home: &Home,
    user: &User,
    console: Console,
    signals: &Signals,
) -> Result<(), Failure> {
    let name = settings.name.clone().unwrap_or_else(|| agent.card.name.clone());
    let workspace = signals.or_stop(home.workspace(user, &name)).await?;
    let mut spec =
        spec(settings.behaviour, settings.grants, settings.name, user.platform().clone(), workspace);
    limit(&mut spec, &settings.limits);
    let answer = move |text: &str| console.answer(text);
    let conversation = Conversation::new(user, workspace, settings.patience, Box::new(answer)).await?;
    let input = Input::new(settings.say, settings.patience);
    let banner = Banner::new(agent, component, &spec, home.path());
    let banner = banner.with(ways_to_talk(user.platform(), workspace, &input));
    let grace = spec.shutdown_grace;
    let events = spec.events.subscribe();
    let log = tokio::spawn(report::follow(spec.events.subscribe(), Who::only(), None));
    let running = match signals.or_stop(host.start(agent, spec)).await {
        Ok(running) => running,
        Err(failure) => {
            report::drained(log).await;
            return Err(failure);
        }
    };
    console.banner(&banner);
    let done = tokio::select! {
        ended = running.ended() => finish(ended),
        done = conversation.hold(events, input) => {
            running.stop(grace).await;
            done
        }
        () = signals.first() => finish(stop(&running, grace).await),
    };
    drop(running);
    report::drained(log).await;
    done
}

async fn component(path: &Path, package: Option<&str>) -> Result<PathBuf, Failure> {
    match (path.is_dir(), package) {
        (true, package) => Ok(build::build(path, package).await?),
        (false, None) => Ok(path.to_owned()),
        (false, Some(_)) => Err(UsageError(format!(
            "--package chooses from the packages of a folder and {} is none; leave --package out",
            path.display()
        ))
        .into()),
    }
}

/// A host that keeps its state in `home`, and compiled components where the next one finds them.
async fn build_host(
    home: &Home,
    stack_bytes: Option<usize>,
    egress: &EgressSettings,
) -> Result<Host, BuildError> {
    let builder = || {
        let builder = Host::builder().state_dir(home.path()).egress(egress.clone());
        match stack_bytes {
            Some(bytes) => builder.stack_bytes(bytes),
            None => builder,
        }
    };
    match home.shared_compiled() {
        None => builder().build().await,
        Some(shared) => match builder().compiled_in(shared).build().await {
            // It was only to save time.
            Err(BuildError::Aot { .. }) => builder().build().await,
            built => built,
        },
    }
}

fn local(home: &Home, port: u16) -> Config {
    let mut config = Config { db: Some(home.platform_database()), ..Config::default() };
    config.listen.set_port(port);
    config
}

fn spec(
    behaviour: BehaviourArgs,
    grants: Grants,
    name: Option<String>,
    platform: PlatformUrl,
    workspace: WorkspaceId,
) -> AgentSpec {
    let mut spec = AgentSpec::new(platform, workspace);
    spec.token = TokenInputs::default();
    spec.name = name;
    spec.grants = grants;
    spec.intervals = settings::LOCAL;
    settings::behave(&mut spec, behaviour);
    spec
}

fn ways_to_talk(
    platform: &PlatformUrl,
    workspace: WorkspaceId,
    input: &Input,
) -> Vec<(&'static str, String)> {
    let url = platform.segments(["workspaces", &workspace.to_string(), "a2a"]);
    let body = r#"{"method":"message/send","params":{"message":{"role":"user","parts":[{"kind":"text","text":"hello"}]}}}"#;
    let mut ways = vec![("page", format!("{platform}/")), ("talk", format!("curl {url} -d '{body}'"))];
    if input.is_typed() {
        ways.push(("talk", "or type here, a message a line; Ctrl-D ends".to_owned()));
    }
    ways
}

/// Trouble with what is local to `dev`.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocalError {
    /// The platform.
    #[error("the local platform does not start: {}", with_port(.0))]
    Platform(#[from] molecule_platform::StartError),
    /// Nowhere to keep anything.
    #[error("cannot make a temporary folder: {0}; free some disk space, set TMPDIR, or give --state-dir")]
    Temporary(std::io::Error),
    /// The folder that was given.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The workspace's token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The platform, asked as its user.
    #[error(transparent)]
    User(#[from] UserError),
}

/// Here the flag for the address is another one than the platform's own.
fn with_port(error: &molecule_platform::StartError) -> String {
    match error {
        molecule_platform::StartError::Listen { addr, source } => {
            format!("cannot listen on {addr}: {source}; choose another port with --port, or leave it out")
        }
        other => one_line(&other.to_string(), 500),
    }
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        Self::Local(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{self, Command};
    use super::*;

    fn settings(line: &str) -> Result<DevSettings, UsageError> {
        match parse::parse(line.split_whitespace().map(Into::into)).unwrap() {
            Command::Dev(args) => DevSettings::new(*args),
            _ => panic!("{line}"),
        }
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        for (line, expected) in [
            ("dev", "no agent is named; give a crate's folder or a component, as in: molecule-host dev ."),
            ("dev x --once", "--once waits for an answer and nothing is said; add --say TEXT"),
        ] {
            assert_eq!(settings(line).unwrap_err().to_string(), expected);
        }
        assert_eq!(settings("dev x --say a --once").unwrap().patience, Patience::Once(PATIENCE));
        let short = settings("dev x --say a --say -b --once --timeout 2").unwrap();
        assert_eq!(
            (short.patience, short.say),
            (Patience::Once(Duration::from_secs(2)), vec!["a".into(), "-b".into()])
        );
    }

    #[test]
    fn the_agent_runs_with_short_intervals_unless_others_are_given() {
        let settings = settings("dev x --poll-interval 2 --allow-peer bob --config a=b").unwrap();
        let spec = spec(
            settings.behaviour,
            settings.grants,
            None,
            "http://127.0.0.1:1".parse().unwrap(),
            WorkspaceId::random(),
        );
        assert_eq!(
            (spec.intervals.poll, spec.intervals.heartbeat),
            (Duration::from_secs(2), settings::LOCAL.heartbeat)
        );
        assert!(spec.grants.allow_peer("x", Some("bob")));
        assert_eq!(spec.config, [("a".to_owned(), "b".to_owned())]);
    }
}
