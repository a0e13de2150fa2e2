//! The plugins that this platform serves: folders below [`Config::plugins_dir`], and git repositories below
//! [`Config::github_base`], which stands in for GitHub.
//!
//! A download runs downhill: [`Source`] (what is asked for) -> [`disk`] or [`git`] (which files there are, and how large) ->
//! [`manifest`] (whether `manifest.json` holds) -> [`pack`] (the archive, whole, in a file without a name). All of it reads
//! files and computes, so it runs on threads where that may block, a few at a time, and each until its [`Deadline`].
//!
//! What is asked for comes from agents, what lies below the folders from the operator. Names are judged by a grammar that
//! has no way out of a folder in it, and where a name leads on the disk is judged again once links are followed.

mod about;
mod disk;
mod failure;
mod git;
mod manifest;
mod pack;
mod source;
mod staged;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

pub(crate) use self::about::About;
pub(crate) use self::failure::Failure;
pub(crate) use self::manifest::hex;
pub(crate) use self::pack::pack;
pub(crate) use self::source::Source;
pub(crate) use self::staged::Staged;

use self::staged::{Deadline, Listing};
use crate::config::Config;

/// How many plugins are read at once. One takes a processor, and may hold a file of a repository in memory.
const AT_ONCE: usize = 2;

/// Where plugins come from.
#[derive(Debug)]
pub(crate) struct Plugins {
    folders: Option<PathBuf>,
    repositories: Option<PathBuf>,
    patience: Duration,
    turns: Arc<Semaphore>,
}

impl Plugins {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            folders: config.plugins_dir.clone(),
            repositories: config.github_base.clone(),
            patience: config.plugin_fetch_timeout,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Fetches the plugin at `source`, judges it, and lets `job` have it.
    pub(crate) async fn fetch<T, F>(&self, source: Source, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(Staged) -> Result<T, Failure> + Send + 'static,
    {
        let deadline = Deadline::at(Instant::now() + self.patience);
        let (folders, repositories) = (self.folders.clone(), self.repositories.clone());
        let turns = Arc::clone(&self.turns);
        let work = async move {
            // Held by the thread: whoever no longer waits for an answer does not make it end at once.
            let turn = turns.acquire_owned().await.map_err(|_| Failure::TimedOut)?;
            let job = move || {
                let _turn = turn;
                let staged = stage(&source, folders.as_deref(), repositories.as_deref(), deadline)?;
                manifest::check(&staged)?;
                job(staged)
            };
            tokio::task::spawn_blocking(job)
                .await
                .unwrap_or_else(|defect| Err(Failure::Defect(defect.to_string())))
        };
        tokio::time::timeout(self.patience, work).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// What the folders say of themselves, by name.
    pub(crate) async fn about_all(&self) -> Vec<About> {
        let Some(folders) = self.folders.clone() else { return Vec::new() };
        tokio::task::spawn_blocking(move || about::all(&folders)).await.unwrap_or_default()
    }
}

fn stage(
    source: &Source,
    folders: Option<&Path>,
    repositories: Option<&Path>,
    deadline: Deadline,
) -> Result<Staged, Failure> {
    let mut listing = Listing::new(deadline);
    let name = match source {
        Source::Local(name) => {
            let base = folders.ok_or(Failure::NoBase { flag: "--plugins-dir" })?;
            disk::list(base, name, &mut listing)?
        }
        Source::GitHub { spec, reference } => {
            let base = repositories.ok_or(Failure::NoBase { flag: "--github-base" })?;
            git::list(base, spec, reference, &mut listing)?
        }
    };
    if !is_name(&name) {
        return Err(Failure::InvalidName(name));
    }
    Ok(listing.into_staged(name))
}

/// True for what may stand in a path as the name of a plugin.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\']) && !name.contains("..")
}

/// Where `path` leads once links are followed; `None` if nothing is there. `base` has no links in it.
///
/// # Errors
/// Where it leads out of `base`, and what the disk says.
fn within(base: &Path, path: &Path) -> Result<Option<PathBuf>, Failure> {
    use std::io::ErrorKind::{NotADirectory, NotFound};

    match path.canonicalize() {
        Ok(real) if real.starts_with(base) => Ok(Some(real)),
        Ok(real) => {
            tracing::warn!(path = %path.display(), to = %real.display(), "a link leads out of the folder of plugins");
            Err(Failure::unreadable(
                "a link leads out of the platform's folder; the platform does not follow it",
            ))
        }
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
        Err(error) => Err(Failure::disk(path, &error)),
    }
}

/// The folder that everything has to stay in, without links.
fn real_base(base: &Path) -> Result<PathBuf, Failure> {
    base.canonicalize().map_err(|error| Failure::disk(base, &error))
}
