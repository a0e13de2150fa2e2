//! From files to an agent, and again whenever they change.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use molecule_host::runtime::Limits;
use molecule_host::{Host, LoadedAgent};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::watch::{Changed, Subject, Watch, unwatched};
use crate::cli::build::{CargoError, Plan, Talk};
use crate::cli::failure::Failure;
use crate::cli::load::load;
use crate::cli::settings::UsageError;

/// What came of a change.
#[derive(Debug)]
pub(super) enum Made {
    /// An agent, and in words how it was made.
    Agent(LoadedAgent, String),
    /// None.
    Trouble(Trouble),
}

/// Why the newest source does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What is the matter, on one line.
    pub(super) summary: String,
    /// What cargo or the host has to say about it; may be long.
    pub(super) detail: String,
    /// Whether the person has seen the detail already.
    pub(super) is_shown: bool,
}

/// Where an agent comes from.
#[derive(Debug)]
enum Source {
    /// The folder of its crate, and which package of it.
    Crate(PathBuf, Option<String>),
    /// A component.
    File(PathBuf),
}

/// Makes an agent of files.
pub(super) struct Workshop {
    source: Source,
    talk: Talk,
    /// Where the agent's state is kept, which may be a folder of its crate.
    state: Option<PathBuf>,
    /// `None` where nobody looks, or nobody can.
    watch: Option<Watch>,
    /// Whether somebody wants to look.
    watches: bool,
}

impl Workshop {
    /// For the agent at this path.
    ///
    /// # Errors
    /// A path and a package that do not go together.
    pub(super) fn new(
        path: PathBuf,
        package: Option<String>,
        state: Option<PathBuf>,
        watches: bool,
        talk: Talk,
    ) -> Result<Self, UsageError> {
        let source = match (path.is_dir(), package) {
            (true, package) => Source::Crate(path, package),
            (false, None) => Source::File(path),
            (false, Some(_)) => {
                return Err(UsageError(format!(
                    "--package chooses from the packages of a folder and {} is none; leave --package out",
                    path.display()
                )));
            }
        };
        Ok(Self { source, talk, state, watch: None, watches })
    }

    /// Whether an agent is made again when files change.
    pub(super) fn is_watching(&self) -> bool {
        self.watch.is_some()
    }

    /// Makes the first component, and looks at its files from before that on.
    ///
    /// # Errors
    /// There is none.
    pub(super) async fn first(&mut self) -> Result<PathBuf, Failure> {
        loop {
            let plan = self.plan().await?;
            let Some(plan) = plan else { return Ok(self.path().to_owned()) };
            tracing::info!("building {} (cargo build --release --target wasm32-wasip2)", plan.name());
            tokio::select! {
                built = plan.build(Talk::Itself) => return Ok(built?),
                changed = changed(&mut self.watch, true) => tracing::info!("{changed}; building anew ..."),
            }
        }
    }

    /// Makes an agent after every change, and sends what came of it.
    pub(super) async fn run(
        &mut self,
        host: &Host,
        limits: &Limits,
        made: UnboundedSender<Made>,
    ) -> Infallible {
        loop {
            let changed = changed(&mut self.watch, false).await;
            if let Some(news) = self.latest(changed, host, limits).await {
                // Whoever takes them no longer wants any.
                let _ = made.send(news);
            }
        }
    }

    /// What the files make that do not change any more. `None` where there is no file.
    async fn latest(&mut self, mut change: Changed, host: &Host, limits: &Limits) -> Option<Made> {
        loop {
            let doing = if matches!(self.source, Source::Crate(..)) { "building" } else { "loading" };
            tracing::info!("{change}; {doing} ...");
            let began = Instant::now();
            let plan = match self.plan().await {
                Ok(plan) => plan,
                Err(failure) => return Some(self.trouble(&failure)),
            };
            let path = self.path().to_owned();
            let talk = self.talk;
            let work = async {
                let component = match &plan {
                    Some(plan) => plan.build(talk).await?,
                    None => path,
                };
                let built = began.elapsed();
                let agent = load(host, &component, limits).await?;
                Ok::<_, Failure>((agent, built))
            };
            // What is under way is of no use to anybody once a file has changed again.
            let done = tokio::select! {
                done = work => done,
                again = changed(&mut self.watch, true) => {
                    change = again;
                    continue;
                }
            };
            return match done {
                Ok((agent, built)) if plan.is_some() => {
                    Some(Made::Agent(agent, format!("built in {built:.1?}")))
                }
                Ok((agent, _)) => Some(Made::Agent(agent, "loaded".to_owned())),
                Err(Failure::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    tracing::info!("the component is gone; another one is waited for");
                    None
                }
                Err(failure) => Some(self.trouble(&failure)),
            };
        }
    }

    fn path(&self) -> &Path {
        match &self.source {
            Source::Crate(path, _) | Source::File(path) => path,
        }
    }

    /// What is to be built, if anything is, and looks at that from now on.
    async fn plan(&mut self) -> Result<Option<Plan>, Failure> {
        let (subject, plan) = match &self.source {
            Source::File(path) => (Subject::file(path), None),
            Source::Crate(folder, package) => {
                let plan = Plan::read(folder, package.as_deref()).await?;
                let sources = plan.sources.clone();
                let sources = match &self.state {
                    Some(state) => sources.without(state),
                    None => sources,
                };
                (Subject::Sources(sources), Some(plan))
            }
        };
        if self.watches
            && let Err(error) = self.follow(subject)
        {
            tracing::warn!("{}", unwatched(&error));
        }
        Ok(plan)
    }

    fn follow(&mut self, subject: Subject) -> Result<(), notify::Error> {
        match &mut self.watch {
            Some(watch) => watch.follow(subject),
            None => self.watch.insert(Watch::new()?).follow(subject),
        }
    }

    fn trouble(&self, failure: &Failure) -> Made {
        let (what, detail) = match failure {
            Failure::Cargo(error) => ("does not build", error.detail()),
            Failure::Load { .. } => ("is no agent that can run", failure.to_string()),
            other => ("cannot be read", other.to_string()),
        };
        Made::Trouble(Trouble {
            summary: what.to_owned(),
            detail,
            is_shown: matches!(failure, Failure::Cargo(CargoError::Failed { .. }))
                && matches!(self.talk, Talk::Heard { shown: true, .. }),
        })
    }
}

/// The next change; never, where nobody looks.
async fn changed(watch: &mut Option<Watch>, building: bool) -> Changed {
    match watch {
        Some(watch) => watch.changed(building).await,
        None => std::future::pending().await,
    }
}
