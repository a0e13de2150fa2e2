//! Why the program ends, as its exit code says it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use molecule_host::egress::InvalidEgress;
use molecule_host::lock::LockError;
use molecule_host::platform::{InvalidTransport, PlatformError, PlatformFault};
use molecule_host::plugins::{PluginError, Rejected};
use molecule_host::runtime::LoadError;
use molecule_host::token::TokenError;
use molecule_host::{BuildError, DeadLettersError, Ended, StartError, TokensError};

use super::backup::BackupError;
use super::build::CargoError;
use super::control::ControlError;
use super::dev::LocalError;
use super::escape::one_line;
use super::inbox::InboxError;
use super::policy::PolicyError;
use super::settings::UsageError;

/// The exit codes; scripts and service managers rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Stopped by a signal, or all that was said is answered.
    Done = 0,
    /// A request that was asked about would be denied.
    Denied = 1,
    /// A wrong flag, a token that is refused, a workspace that is unknown.
    Configuration = 2,
    /// Not a component, of another world or of a newer contract; or a crate that makes none.
    Component = 3,
    /// The agent refused to start, or does not answer.
    Agent = 4,
    /// Another host holds the workspace.
    Held = 5,
    /// The state folder, the disk, a port.
    Local = 6,
    /// A plugin was refused.
    Plugin = 7,
    /// The workspace was paused, and the operator had said to stop then.
    Paused = 10,
    /// The workspace was deleted.
    Removed = 11,
}

/// Something that ends the program. Prints as one line that ends in what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A signal came before there was anything to stop. Not a failure at all.
    #[error("stopped")]
    Stopped,
    /// Flags and variables.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The component's file.
    #[error("cannot read {}: {source}; give the path of an agent's component, a .wasm file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The crate of an agent.
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// The component.
    #[error("{}: {source}{}", path.display(), advice(source))]
    Load {
        /// Its file.
        path: PathBuf,
        /// What it is instead.
        source: LoadError,
    },
    /// State folder, database, HTTP client.
    #[error(transparent)]
    Host(#[from] BuildError),
    /// Token, lock, platform.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The platform in this process.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// Nothing more can be said.
    #[error("cannot write to standard output: {0}; see that whoever reads it goes on")]
    Output(io::Error),
    /// Signal handlers or threads.
    #[error("the system does not let this program run: {0}; free some memory or threads")]
    System(io::Error),
    /// The agent ran, and no longer does.
    #[error("{}", end_line(.0))]
    Ended(Ended),
    /// A host that runs, asked over its socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Messages that were given up.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// No copy was made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A plugin.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The tokens of a workspace.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The folder of a plugin.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// A policy file, asked about.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The address to be watched at.
    #[error("cannot listen on {addr} for --metrics: {source}; choose another port, or leave it out")]
    Metrics {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Of many agents none is left.
    #[error("all agents have ended; of {agent}: {line}")]
    AllEnded {
        /// The first in the file whose end was none that was asked for.
        agent: String,
        /// Why it ended; what to do.
        line: String,
        /// How it would have ended alone.
        exit: Exit,
    },
    /// Nobody answered what was said.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// Why a message to the agent has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It was given up.
    #[error("the agent did not answer: {0}; the log above says what it did, -v says more")]
    DeadLetter(String),
    /// The answer got lost on its way.
    #[error("the agent's answer did not arrive: {0}; the log above says more")]
    Undeliverable(String),
    /// The agent dies again and again.
    #[error("the agent is wedged: {0}; correct it, the log above has its backtrace")]
    Wedged(String),
    /// Time is up.
    #[error("no answer within {} s; give it more time with --timeout, or look at the log with -v", .0.as_secs_f64())]
    TimedOut(Duration),
}

/// What to do about a component, where the library does not know: who runs an agent may not be who wrote it.
fn advice(error: &LoadError) -> &'static str {
    match error {
        LoadError::Describe { .. } => {
            "; describe may only say who the agent is: have that corrected by its author"
        }
        LoadError::Invalid { .. } => "; get it again, or have it built anew by its author",
        LoadError::Host { .. } => "; see whether this machine has memory and disk left, and try again",
        _ => "",
    }
}

pub(super) fn end_line(ended: &Ended) -> String {
    match ended {
        Ended::Shutdown => "the agent was stopped".to_owned(),
        Ended::Paused => "the workspace is paused; resume it on the platform and start again".to_owned(),
        Ended::Removed => "the workspace was deleted on the platform; its state is kept, remove it if it is no longer needed".to_owned(),
        Ended::Revoked => "the platform no longer takes the workspace's token; have a new one issued and give it with --token-file".to_owned(),
        Ended::Refused(words) => format!(
            "the agent refused to start: {}; give it what it asks for, or correct it",
            one_line(words, 500).trim_end_matches('.')
        ),
        Ended::TakenOver => "another host took the workspace over; stop that one before you start this one again".to_owned(),
        Ended::Failed(line) => line.clone(),
        other => format!("the agent ended ({other:?}); start it again"),
    }
}

impl Failure {
    /// How the program ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Stopped => Exit::Done,
            Self::Usage(_) | Self::Read { .. } => Exit::Configuration,
            Self::Cargo(error) => of_cargo(error),
            Self::Load { source: LoadError::Host { .. }, .. } => Exit::Local,
            Self::Load { .. } => Exit::Component,
            Self::Host(
                BuildError::Transport(InvalidTransport::Proxy | InvalidTransport::ExtraRoots(_))
                | BuildError::Egress(InvalidEgress::ExtraRoots(_)),
            ) => Exit::Configuration,
            Self::Host(_) | Self::Local(_) | Self::Output(_) | Self::System(_) => Exit::Local,
            Self::Start(error) => of_start(error),
            Self::Ended(ended) => of_end(ended),
            Self::NoAnswer(_) => Exit::Agent,
            Self::Control(error) => of_control(error),
            Self::Inbox(error) => of_inbox(error),
            Self::AllEnded { exit, .. } => *exit,
            Self::Plugin(error) => of_plugin(error),
            Self::Tokens(error) => of_tokens(error),
            Self::Rejected(Rejected::Folder { .. }) => Exit::Configuration,
            Self::Rejected(_) => Exit::Plugin,
            Self::Policy(PolicyError::Wrong { .. }) => Exit::Configuration,
            Self::Policy(PolicyError::Denied { .. }) => Exit::Denied,
            Self::Backup(BackupError::Absent { .. }) => Exit::Configuration,
            Self::Backup(BackupError::Store(_)) | Self::Metrics { .. } => Exit::Local,
        }
    }
}

fn of_cargo(error: &CargoError) -> Exit {
    match error {
        CargoError::NoCrate { .. } | CargoError::Choose { .. } | CargoError::NoPackage { .. } => {
            Exit::Configuration
        }
        CargoError::NotAComponent { .. } | CargoError::Failed { .. } | CargoError::Unreadable { .. } => {
            Exit::Component
        }
        CargoError::NoCargo { .. } | CargoError::NoTarget { .. } => Exit::Local,
    }
}

fn of_start(error: &StartError) -> Exit {
    match error {
        StartError::Token(error) => of_token(error),
        StartError::Locked(LockError::Held { .. }) => Exit::Held,
        StartError::Locked(LockError::Unusable { .. }) => Exit::Local,
        StartError::StateDir(_) | StartError::Store(_) => Exit::Local,
        StartError::Unauthorized { .. } | StartError::Misconfigured(_) => Exit::Configuration,
        StartError::Removed { .. } => Exit::Removed,
        _ => Exit::Local,
    }
}

fn of_control(error: &ControlError) -> Exit {
    match error {
        ControlError::NoHost { .. } | ControlError::Foreign { .. } | ControlError::Unknown(_) => {
            Exit::Configuration
        }
        ControlError::Refused(_) | ControlError::Silent { .. } => Exit::Local,
    }
}

fn of_plugin(error: &PluginError) -> Exit {
    match error {
        PluginError::Absent { .. } | PluginError::NoFolder | PluginError::NoPlatform => Exit::Configuration,
        PluginError::Platform { error, .. } | PluginError::Unlisted(error) => of_platform(error),
        error if error.is_refusal() => Exit::Plugin,
        _ => Exit::Local,
    }
}

fn of_tokens(error: &TokensError) -> Exit {
    match error {
        TokensError::Start(error) => of_start(error),
        TokensError::Token(error) => of_token(error),
        TokensError::Platform(error) => of_platform(error),
        TokensError::None(_) | TokensError::NotAccepted => Exit::Configuration,
    }
}

fn of_platform(error: &PlatformError) -> Exit {
    match error.fault {
        PlatformFault::Unreachable(_)
        | PlatformFault::Timeout { .. }
        | PlatformFault::Broken(_)
        | PlatformFault::Lost { .. }
        | PlatformFault::Server { .. }
        | PlatformFault::RateLimited { .. } => Exit::Local,
        _ => Exit::Configuration,
    }
}

fn of_inbox(error: &InboxError) -> Exit {
    match error {
        InboxError::Letters(
            DeadLettersError::Absent { .. }
            | DeadLettersError::Foreign { .. }
            | DeadLettersError::Unknown { .. },
        ) => Exit::Configuration,
        InboxError::Letters(DeadLettersError::Held(_)) | InboxError::Asked { .. } => Exit::Held,
        InboxError::Letters(_) | InboxError::Output => Exit::Local,
    }
}

fn of_token(error: &TokenError) -> Exit {
    match error {
        TokenError::Write { .. } | TokenError::Interrupted(_) => Exit::Local,
        _ => Exit::Configuration,
    }
}

/// How the program ends when the agent has.
pub(super) fn of_end(ended: &Ended) -> Exit {
    match ended {
        Ended::Shutdown => Exit::Done,
        Ended::Paused => Exit::Paused,
        Ended::Removed => Exit::Removed,
        Ended::Revoked => Exit::Configuration,
        Ended::Refused(_) => Exit::Agent,
        Ended::TakenOver => Exit::Held,
        // As `Failed`: what else there will be has stopped a host that was running.
        _ => Exit::Local,
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use molecule_host::store::StoreError;
    use molecule_protocol::InvalidToken;

    use super::*;

    fn failures() -> Vec<(Failure, Exit)> {
        let io = || io::Error::other("reason");
        let load = |source| Failure::Load { path: "a.wasm".into(), source };
        let text = || "text".to_owned();
        let token = |error| Failure::Start(StartError::Token(error));
        let id = || molecule_protocol::WorkspaceId::random();
        let held = LockError::Held {
            workspace: id(),
            holder: molecule_host::lock::Holder { pid: Some(7) },
            path: "p".into(),
        };
        vec![
            (Failure::Stopped, Exit::Done),
            (Failure::Usage(UsageError("no; give one".into())), Exit::Configuration),
            (Failure::Read { path: "a.wasm".into(), source: io() }, Exit::Configuration),
            (CargoError::NoCrate { folder: ".".into() }.into(), Exit::Configuration),
            (CargoError::Choose { packages: vec![text()] }.into(), Exit::Configuration),
            (CargoError::NoPackage { package: text(), known: vec![text()] }.into(), Exit::Configuration),
            (CargoError::NotAComponent { package: text() }.into(), Exit::Component),
            (CargoError::Failed { package: text(), said: text() }.into(), Exit::Component),
            (CargoError::Unreadable { folder: ".".into(), reason: text() }.into(), Exit::Component),
            (CargoError::NoCargo { source: io() }.into(), Exit::Local),
            (CargoError::NoTarget { package: text() }.into(), Exit::Local),
            (load(LoadError::NotWasm { start: text() }), Exit::Component),
            (load(LoadError::CoreModule), Exit::Component),
            (load(LoadError::Precompiled), Exit::Component),
            (load(LoadError::Invalid { detail: text() }), Exit::Component),
            (load(LoadError::TooLarge { bytes: 2, max: 1 }), Exit::Component),
            (load(LoadError::OtherWorld { detail: text() }), Exit::Component),
            (load(LoadError::NewerContract { found: text(), known: text() }), Exit::Component),
            (load(LoadError::Describe { detail: text() }), Exit::Component),
            (load(LoadError::Host { detail: text() }), Exit::Local),
            (Failure::Host(BuildError::Store(StoreError::DiskFull)), Exit::Local),
            (Failure::Host(BuildError::Transport(InvalidTransport::Proxy)), Exit::Configuration),
            (token(TokenError::Missing { from: text() }), Exit::Configuration),
            (token(TokenError::Invalid { from: text(), source: InvalidToken::Empty }), Exit::Configuration),
            (token(TokenError::Write { path: "t".into(), source: io() }), Exit::Local),
            (Failure::Start(held.into()), Exit::Held),
            (Failure::Start(LockError::Unusable { path: "p".into(), source: io() }.into()), Exit::Local),
            (
                Failure::Start(StartError::Unauthorized { workspace: text(), reason: text() }),
                Exit::Configuration,
            ),
            (Failure::Start(StartError::Removed { workspace: text() }), Exit::Removed),
            (Failure::Start(StartError::Misconfigured("a; do b".into())), Exit::Configuration),
            (Failure::Local(LocalError::Temporary(io())), Exit::Local),
            (Failure::Output(io()), Exit::Local),
            (Failure::System(io()), Exit::Local),
            (Failure::Ended(Ended::Paused), Exit::Paused),
            (Failure::Ended(Ended::Removed), Exit::Removed),
            (Failure::Ended(Ended::Revoked), Exit::Configuration),
            (Failure::Ended(Ended::Refused(text())), Exit::Agent),
            (Failure::Ended(Ended::TakenOver), Exit::Held),
            (Failure::Ended(Ended::Failed("a; do b".into())), Exit::Local),
            (ControlError::NoHost { state_dir: "s".into() }.into(), Exit::Configuration),
            (ControlError::Foreign { path: "s".into() }.into(), Exit::Configuration),
            (ControlError::Unknown("no a; see b".into()).into(), Exit::Configuration),
            (ControlError::Refused("a; do b".into()).into(), Exit::Local),
            (ControlError::Silent { socket: "s".into(), source: io() }.into(), Exit::Local),
            (InboxError::from(DeadLettersError::Absent { path: "s".into() }).into(), Exit::Configuration),
            (InboxError::from(DeadLettersError::Foreign { path: "s".into() }).into(), Exit::Configuration),
            (InboxError::from(DeadLettersError::Unknown { key: 7 }).into(), Exit::Configuration),
            (
                InboxError::Asked {
                    held: "another host; stop it".into(),
                    control: ControlError::NoHost { state_dir: "s".into() },
                }
                .into(),
                Exit::Held,
            ),
            (InboxError::Output.into(), Exit::Local),
            (BackupError::Absent { state_dir: "s".into() }.into(), Exit::Configuration),
            (BackupError::Store(StoreError::DiskFull).into(), Exit::Local),
            (PolicyError::Wrong { path: "p".into(), count: 2 }.into(), Exit::Configuration),
            (PolicyError::Denied { count: 1 }.into(), Exit::Denied),
            (Failure::Metrics { addr: "127.0.0.1:9".parse().unwrap(), source: io() }, Exit::Local),
            (
                Failure::AllEnded { agent: "alice".into(), line: "a; do b".into(), exit: Exit::Removed },
                Exit::Removed,
            ),
            (NoAnswer::DeadLetter(text()).into(), Exit::Agent),
            (NoAnswer::Undeliverable(text()).into(), Exit::Agent),
            (NoAnswer::Wedged(text()).into(), Exit::Agent),
            (NoAnswer::TimedOut(Duration::from_secs(1)).into(), Exit::Agent),
        ]
    }

    #[test]
    fn every_failure_has_its_exit_code() {
        for (failure, exit) in failures() {
            assert_eq!(failure.exit(), exit, "{failure}");
        }
        assert_eq!(of_end(&Ended::Shutdown), Exit::Done);
    }

    #[test]
    fn the_codes_are_those_that_scripts_rely_on() {
        let codes = [
            Exit::Done,
            Exit::Denied,
            Exit::Configuration,
            Exit::Component,
            Exit::Agent,
            Exit::Held,
            Exit::Local,
        ];
        assert_eq!(codes.map(|it| it as u8), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!([Exit::Paused, Exit::Removed].map(|it| it as u8), [10, 11]);
    }

    #[test]
    fn every_failure_is_one_line_that_says_what_to_do() {
        for (failure, exit) in failures() {
            let line = failure.to_string();
            assert!(!line.contains('\n'), "{line}");
            // Colons and semicolons part what happened from what to do.
            let advises = line.contains("; ") || line.contains(": update ");
            assert!(exit == Exit::Done || advises, "{line}");
        }
    }
}
