//! `molecule-host up AGENTS.toml`: many agents in one process, until they have all ended or a signal stops them.

mod agent;
mod file;
mod fleet;
mod reporter;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use molecule_host::Host;
use molecule_host::egress::EgressSettings;

use super::args::UpArgs;
use super::board::Board;
use super::control;
use super::failure::Failure;
use super::files;
use super::limits::with_stack;
use super::metrics;
use super::service::Service;
use super::settings::{self, Environment, UsageError};
use super::signals::{Signals, hangups};

use file::{AgentsFile, Definition};
use fleet::Fleet;

/// What `molecule-host up` is to do.
#[derive(Debug)]
pub(super) struct UpSettings {
    path: PathBuf,
    file: AgentsFile,
    state_dir: PathBuf,
    egress: EgressSettings,
    metrics: Option<SocketAddr>,
}

impl UpSettings {
    /// Reads flags, variables and the file.
    ///
    /// # Errors
    /// What is missing, and what makes no sense.
    pub(super) fn new(args: UpArgs, environment: &Environment) -> Result<Self, UsageError> {
        let path = args.file.ok_or_else(|| {
            UsageError("no file is named; give one, as in: molecule-host up agents.toml".to_owned())
        })?;
        let state_dir = settings::state_dir(args.state, environment)?;
        let egress = settings::egress(args.egress, environment)?;
        Ok(Self { file: AgentsFile::read(&path)?, path, state_dir, egress, metrics: args.watch.metrics })
    }
}

/// Runs the agents of the file.
///
/// # Errors
/// What keeps the host itself from running, and that no agent is left.
pub(super) async fn up(settings: UpSettings, signals: Signals, service: Service) -> Result<(), Failure> {
    let UpSettings { path, file, state_dir, egress, metrics } = settings;
    files::raise(file.agents.len());
    let mut hangups = hangups().map_err(Failure::System)?;
    let stack = stack_bytes(&file);
    let builder = with_stack(Host::builder().state_dir(&state_dir).egress(egress), stack);
    let host = signals.or_stop(builder.build()).await?;
    let board = Board::default();
    let _control = control::serve(&state_dir, board.clone());
    let _metrics = metrics::serve(metrics, board.clone()).await?;
    let mut fleet = Fleet::new(host, board.clone());
    tracing::info!(
        "running {} agents of {}, with their state in {}",
        file.agents.len(),
        path.display(),
        state_dir.display()
    );
    tokio::select! {
        () = fleet.begin(file) => service.ready(),
        () = signals.first() => {}
    }
    loop {
        tokio::select! {
            biased;
            () = signals.first() => {
                service.stopping();
                tracing::info!("stopping; what is in hand gets its grace to end (Ctrl-C again stops at once)");
                fleet.stop().await;
                return Ok(());
            }
            ended = fleet.next_ended() => if let Some(failure) = ended { return Err(failure) },
            Some(()) = hangups.recv() => {
                board.pull_secrets();
                tokio::select! {
                    () = reload(&mut fleet, &path, stack) => {}
                    () = signals.first() => {}
                }
            }
        }
    }
}

/// The stack that all agents of a file get: the largest that one of them wants.
fn stack_bytes(file: &AgentsFile) -> Option<usize> {
    file.agents.iter().filter_map(Definition::stack_bytes).max()
}

/// Reads the file again, and does what changed.
async fn reload(fleet: &mut Fleet, path: &Path, stack: Option<usize>) {
    match AgentsFile::read(path) {
        Ok(file) => {
            if stack_bytes(&file) != stack {
                tracing::warn!(
                    "max-stack is another one now; all agents of this process share one stack size, which changes with its next start"
                );
            }
            files::raise(file.agents.len());
            fleet.change(file).await;
        }
        Err(error) => tracing::error!("nothing is changed: {error}"),
    }
}
