//! `molecule-host dev PATH`: an agent on a platform of its own, in this process, built again when its sources change.

mod beside;
mod conversation;
mod file;
mod home;
mod input;
mod lives;
mod recipe;
mod user;
mod watch;
mod workshop;

use std::path::{Path, PathBuf};
use std::time::Duration;

use molecule_host::egress::EgressSettings;
use molecule_host::gate::Grants;
use molecule_host::state_dir::StateDirError;
use molecule_host::token::TokenError;
use molecule_host::{BuildError, Events, Host, LoadedAgent};
use molecule_platform::{Config, Platform};
use molecule_protocol::{PlatformUrl, WorkspaceId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::beside::{Beside, BesideError};
use self::conversation::{Conversation, Patience};
use self::file::DevFile;
use self::home::Home;
use self::input::Input;
use self::lives::{Lives, ONLY};
use self::recipe::Recipe;
use self::user::{User, UserError};
use self::workshop::Workshop;
use super::args::{BehaviourArgs, DevArgs, PluginSettingArgs, PluginSourceArgs};
use super::banner::Banner;
use super::board::Board;
use super::console::Console;
use super::control;
use super::escape::one_line;
use super::failure::Failure;
use super::limits::{LimitArgs, limits, with_stack};
use super::load::load;
use super::policy;
use super::prompt::{Desk, Person, PromptSettings};
use super::report;
use super::run::{finish, stop};
use super::settings::{self, Environment, UsageError};
use super::signals::Signals;

/// Events that a slow reader may fall behind.
const EVENTS: usize = 4096;

/// How long `--once` waits for an answer where nothing is said: a first compilation does not count, a model's answer
/// does.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `molecule-host dev PATH` is to do.
#[derive(Debug)]
pub(super) struct DevSettings {
    path: PathBuf,
    package: Option<String>,
    watches: bool,
    /// What the author says in a file, and has been put among what follows.
    file: Option<DevFile>,
    say: Vec<String>,
    patience: Patience,
    port: u16,
    state_dir: Option<PathBuf>,
    name: Option<String>,
    grants: Grants,
    egress: EgressSettings,
    prompt: PromptSettings,
    behaviour: BehaviourArgs,
    plugins: PluginSettingArgs,
    sources: PluginSourceArgs,
    limits: LimitArgs,
}

impl DevSettings {
    /// Reads the flags, and what the author says beside them.
    ///
    /// # Errors
    /// What makes no sense together, and what is wrong in the author's file.
    pub(super) fn new(mut args: DevArgs, environment: &Environment) -> Result<Self, UsageError> {
        let file = match &args.path {
            Some(path) if !args.no_dev_file => DevFile::of(path)?,
            _ => None,
        };
        if let Some(file) = &file {
            file.put_into(&mut args)?;
        }
        let DevArgs {
            path,
            package,
            no_watch,
            no_dev_file: _,
            conversation,
            local,
            mut grants,
            egress,
            prompt,
            behaviour,
            plugins,
            sources,
            mut limits,
            output,
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
        let kept_in = grants.policy.clone();
        policy::apply(&mut grants, &mut limits)?;
        let prompt = PromptSettings::new(prompt.no_prompt, &output, kept_in, None);
        Ok(Self {
            path,
            package,
            watches: !no_watch && !conversation.once,
            file,
            say: conversation.say,
            patience,
            port: local.port.unwrap_or_default(),
            state_dir: local.state_dir,
            name: local.agent_name,
            grants: settings::granted(grants),
            egress: settings::egress(egress, environment)?,
            prompt,
            behaviour,
            plugins,
            sources,
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
    let mut workshop = Workshop::new(
        settings.path.clone(),
        settings.package.take(),
        settings.state_dir.clone(),
        settings.watches,
        console.cargo(),
    )?;
    let component = signals.or_stop(workshop.first()).await?;
    // Until the end, whatever that is.
    let _beside = match &settings.file {
        Some(file) => {
            tracing::info!("{}", file.says());
            signals.or_stop(beside(file)).await?
        }
        None => None,
    };
    let home = Home::open(settings.state_dir.take())?;
    let host = signals.or_stop(build_host(&home, settings.limits.max_stack, &settings.egress)).await?;
    let agent = signals.or_stop(load(&host, &component, &limits(&settings.limits))).await?;
    let platform = Platform::start(local(&home, settings.port, settings.sources.clone()))
        .await
        .map_err(LocalError::from)?;
    let user = User::new(platform.url.clone())?;
    let scene = Scene { host: &host, home: &home, user: &user, console, signals: &signals };
    let lived = scene.live(settings, &component, agent, workshop).await;
    platform.shutdown().await;
    lived
}

/// Starts what the author wants to run beside his agent.
async fn beside(file: &DevFile) -> Result<Option<Beside>, LocalError> {
    match file.beside() {
        Some((words, folder)) => Ok(Some(Beside::start(words, folder, beside::PATIENCE).await?)),
        None => Ok(None),
    }
}

/// All that has been set up before the agent is.
struct Scene<'a> {
    host: &'a Host,
    home: &'a Home,
    user: &'a User,
    console: Console,
    signals: &'a Signals,
}

impl Scene<'_> {
    /// The part of it that needs the platform, which is stopped afterwards whatever comes of this.
    async fn live(
        &self,
        settings: DevSettings,
        component: &Path,
        agent: LoadedAgent,
        mut workshop: Workshop,
    ) -> Result<(), Failure> {
        let Self { host, home, user, console, signals } = *self;
        let label = settings.name.clone().unwrap_or_else(|| agent.card.name.clone());
        let workspace = signals.or_stop(home.workspace(user, &label)).await?;
        let answer = move |text: &str| console.answer(text);
        let conversation = Conversation::new(user, workspace, settings.patience, Box::new(answer)).await?;
        let desk = Desk::default();
        let input = Input::new(settings.say, settings.patience, &desk);
        let person = if input.is_typed() { Person::Desk(desk) } else { Person::Terminal };
        let recipe = Recipe {
            platform: user.platform().clone(),
            workspace,
            name: settings.name,
            grants: settings.grants,
            prompt: settings.prompt.prompt(person),
            behaviour: settings.behaviour,
            plugins: settings.plugins,
            limits: settings.limits,
            events: Events::new(EVENTS),
        };
        let (spec, limits) = (recipe.spec(), limits(&recipe.limits));
        let banner = Banner::new(&agent, component, &spec, home.path());
        let banner = banner.with(ways_to_talk(user.platform(), workspace, &input));
        let (grace, events) = (spec.shutdown_grace, recipe.events.subscribe());
        let board = Board::default();
        let recent = board.put(&label, ONLY, workspace, agent.component.digest());
        let _control = control::serve(home.path(), board.clone());
        let over = CancellationToken::new();
        let log = report::follow_lives(recipe.events.subscribe(), recent, over.clone());
        let log = tokio::spawn(log);
        let begun = Lives::begin(host, user, recipe, (board, label), agent, workshop.is_watching());
        let done = match signals.or_stop(begun).await {
            Ok(mut lives) => {
                console.banner(&banner);
                let (sender, made) = mpsc::unbounded_channel();
                // In one task, so that whatever ends it drops a build that is under way, and cargo with it.
                tokio::select! {
                    never = workshop.run(host, &limits, sender) => match never {},
                    ended = lives.run(made) => ended,
                    done = conversation.hold(events, input) => {
                        if let Some(running) = lives.running() {
                            running.stop(grace).await;
                        }
                        done
                    }
                    () = signals.first() => match lives.running() {
                        Some(running) => finish(stop(running, grace).await),
                        None => Ok(()),
                    },
                }
            }
            Err(failure) => Err(failure),
        };
        over.cancel();
        report::drained(log).await;
        done
    }
}

/// A host that keeps its state in `home`, and compiled components where the next one finds them.
async fn build_host(
    home: &Home,
    stack_bytes: Option<usize>,
    egress: &EgressSettings,
) -> Result<Host, BuildError> {
    let builder = || with_stack(Host::builder().state_dir(home.path()).egress(egress.clone()), stack_bytes);
    match home.shared_compiled() {
        None => builder().build().await,
        Some(shared) => match builder().compiled_in(shared).build().await {
            // It was only to save time.
            Err(BuildError::Aot { .. }) => builder().build().await,
            built => built,
        },
    }
}

fn local(home: &Home, port: u16, sources: PluginSourceArgs) -> Config {
    let PluginSourceArgs { plugins_dir, github_base } = sources;
    let mut config =
        Config { db: Some(home.platform_database()), plugins_dir, github_base, ..Config::default() };
    config.listen.set_port(port);
    config
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
    /// What the author wants to run beside his agent.
    #[error(transparent)]
    Beside(#[from] BesideError),
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
            Command::Dev(args) => DevSettings::new(*args, &Environment::empty()),
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
        assert!(
            !settings("dev x --say a --once").unwrap().watches
                && !settings("dev x --no-watch").unwrap().watches
        );
        assert!(settings("dev x --say a").unwrap().watches);
        let short = settings("dev x --say a --say -b --once --timeout 2").unwrap();
        assert_eq!(
            (short.patience, short.say),
            (Patience::Once(Duration::from_secs(2)), vec!["a".into(), "-b".into()])
        );
    }

    #[test]
    fn the_agent_runs_with_short_intervals_unless_others_are_given() {
        let settings = settings("dev x --poll-interval 2 --allow-peer bob --config a=b").unwrap();
        let recipe = Recipe {
            platform: "http://127.0.0.1:1".parse().unwrap(),
            workspace: WorkspaceId::random(),
            name: None,
            grants: settings.grants,
            prompt: None,
            behaviour: settings.behaviour,
            plugins: settings.plugins,
            limits: settings.limits,
            events: Events::new(1),
        };
        let spec = recipe.spec();
        assert_eq!(
            (spec.intervals.poll, spec.intervals.heartbeat),
            (Duration::from_secs(2), settings::LOCAL.heartbeat)
        );
        assert_eq!(spec.shutdown_grace, Duration::from_secs(5));
        assert!(spec.grants.allow_peer("x", Some("bob")));
        assert_eq!(spec.config, [("a".to_owned(), "b".to_owned())]);
    }
}
