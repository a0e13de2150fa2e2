//! An install, from the platform to the swap, and its `setup.sh`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use molecule_plugin::archive::{Extracted, Refusal, extract};
use molecule_plugin::facts::{Facts, Verified};
use molecule_plugin::manifest::manifest_hash;
use molecule_plugin::setup::{self, SCRIPT, Script};
use molecule_plugin::{Digest, PluginLock, Record, Staging};
use molecule_protocol::Timestamp;
use serde::Serialize;

use super::download;
use super::{Plugin, PluginError, PluginRef, Plugins, SetupPolicy, blocking, look};

/// Downloads of one install, all in all.
const DOWNLOADS: u32 = 3;
/// Before the second of them; it doubles.
const BACKOFF: Duration = Duration::from_secs(1);

/// What to install, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InstallRequest {
    /// Which plugin.
    pub plugin: PluginRef,
    /// When to run its `setup.sh`, if less often than the operator allows.
    pub setup: Option<SetupPolicy>,
    /// The SHA-256 that its archive must have, gzip'd as it comes.
    pub sha256: Option<Digest>,
}

impl InstallRequest {
    /// A plugin, with a `setup.sh` run as the operator allows.
    pub fn new(plugin: PluginRef) -> Self {
        Self { plugin, setup: None, sha256: None }
    }
}

/// How far an install is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Somebody else installs or removes this plugin; the process, if it can be told.
    Waiting(Option<u32>),
    /// It comes, and is unpacked as it comes.
    #[non_exhaustive]
    Unpacking {
        /// Bytes that came.
        received: u64,
        /// Bytes that the platform says there are.
        length: Option<u64>,
        /// Entries that were unpacked.
        entries: u64,
    },
    /// The download broke off, and is begun again.
    Again(String),
    /// Its `setup.sh` has written a line.
    Setup(String),
}

/// What came of an install. Prints as one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Installed {
    /// The plugin as it is now.
    pub plugin: Plugin,
    /// Whether another version was there before.
    pub replaced: bool,
    /// Bytes of its archive.
    pub received: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Its files.
    pub files: usize,
    /// What came of its `setup.sh`.
    pub setup: SetupOutcome,
    /// What is worth knowing, such as links that were left out.
    pub warnings: Vec<String>,
}

/// What came of a `setup.sh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "line", rename_all = "kebab-case")]
pub enum SetupOutcome {
    /// There is none.
    Absent,
    /// It was not run; why, and what would run it.
    Skipped(String),
    /// It ended well.
    Succeeded(String),
    /// It did not. The plugin is installed all the same.
    Failed(String),
}

impl fmt::Display for SetupOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no setup.sh"),
            Self::Skipped(line) | Self::Succeeded(line) | Self::Failed(line) => f.write_str(line),
        }
    }
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plugin { name, version, source, verified, .. } = &self.plugin;
        let version = version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        let source = source.as_deref().unwrap_or("an unknown source");
        let what = if self.replaced { "upgraded" } else { "installed" };
        let verified = if *verified { "verified" } else { "not verified" };
        let (files, bytes) = (self.files, self.bytes);
        write!(
            f,
            "{what} {name}{version} from {source}: {files} files, {bytes} bytes, {verified}; {}",
            self.setup
        )
    }
}

/// Who hears how far it is. Called on the threads that do the work: return at once.
type Observe = Arc<dyn Fn(Progress) + Send + Sync>;

impl Plugins {
    /// Installs a plugin, or puts another version in the place of the one that is there.
    ///
    /// Waits for whoever installs the same plugin now. Dropping the future gives it up: a `setup.sh` that runs is killed,
    /// and what was not swapped in is gone.
    ///
    /// # Errors
    /// [`PluginError`]; what was installed before is as it was.
    pub async fn install(
        &self,
        request: InstallRequest,
        observe: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Installed, PluginError> {
        let observe: Observe = Arc::new(observe);
        let InstallRequest { plugin, setup, sha256 } = request;
        let lock = Arc::new(self.lock(&plugin.name, |holder| observe(Progress::Waiting(holder))).await?);
        let swapped = self.swap_in(&plugin, sha256, &lock, &observe).await?;

        let cancel = Arc::new(AtomicBool::new(false));
        let _canceling = SetOnDrop(cancel.clone());
        let (plugins, reference) = (self.clone(), plugin.clone());
        let ended = blocking(move || {
            let setup = match swapped.extracted.files.iter().any(|file| file.path == SCRIPT) {
                true => plugins.set_up(&reference, setup, swapped.verified, &cancel, &*observe)?,
                false => SetupOutcome::Absent,
            };
            if setup != SetupOutcome::Absent {
                lock.setup_ended(&swapped.installed, &setup.to_string())?;
            }
            let plugin = look::one(plugins.shelf()?, &reference.name)?;
            let plugin = plugin.ok_or(PluginError::Absent { name: reference.name })?;
            // With the lock goes the version before, unless somebody reads it: here, where that may take its time.
            drop(lock);
            Ok(Installed {
                plugin,
                replaced: swapped.replaced,
                received: swapped.extracted.compressed_bytes,
                bytes: swapped.extracted.bytes,
                files: swapped.extracted.files.len(),
                setup,
                warnings: swapped.warnings,
            })
        });
        let mut installed = ended.await?;
        if self.settings().report
            && let Err(error) = self.client()?.report_plugin(plugin.source.as_str()).await
        {
            installed.warnings.push(format!("the platform was not told of the install: {error}"));
        }
        Ok(installed)
    }

    /// Downloads, judges and swaps in, as often as it takes until all of it has come.
    async fn swap_in(
        &self,
        plugin: &PluginRef,
        sha256: Option<Digest>,
        lock: &Arc<PluginLock>,
        observe: &Observe,
    ) -> Result<Swapped, PluginError> {
        let mut download = 1;
        loop {
            let error = match self.download(plugin, sha256, lock.clone(), observe.clone()).await {
                Err(error) if download < DOWNLOADS && may_be_better(&error) => error,
                done => return done,
            };
            observe(Progress::Again(error.to_string()));
            tokio::time::sleep(BACKOFF * (1 << (download - 1))).await;
            download += 1;
        }
    }

    /// The same, once. What is put together goes with the thread that does it, however it ends.
    async fn download(
        &self,
        plugin: &PluginRef,
        sha256: Option<Digest>,
        lock: Arc<PluginLock>,
        observe: Observe,
    ) -> Result<Swapped, PluginError> {
        let limits = self.settings().limits;
        let asked = self.client()?.plugin(plugin.name.as_str(), plugin.source.as_str(), usize::MAX).await;
        let failed = |error| PluginError::Platform { plugin: plugin.clone(), error: Box::new(error) };
        let download = asked.map_err(failed)?;
        let length = download.length;
        if length.is_some_and(|length| length > limits.compressed_bytes) {
            let (what, limit) = ("compressed bytes", limits.compressed_bytes);
            let refusal = Refusal::OverLimit { what, limit, name: String::new() };
            return Err(PluginError::refused(plugin, refusal, length));
        }
        let (pump, incoming) = download::pipe();
        let (plugins, plugin) = (self.clone(), plugin.clone());
        let swapping = blocking(move || {
            let staging = lock.stage()?;
            let mut heard = |at: molecule_plugin::archive::Progress| {
                observe(Progress::Unpacking { received: at.received, length, entries: at.entries });
            };
            let extracted = extract(incoming, staging.dir(), &limits, &mut heard)
                .map_err(|error| PluginError::archive(&plugin, error, length))?;
            plugins.judge_and_swap(plugin, sha256, staging, extracted)
        });
        let (swapped, ()) = tokio::join!(swapping, pump.pump(download.body));
        swapped
    }

    /// What was unpacked takes the place of the version before, if it is what it says it is.
    fn judge_and_swap(
        &self,
        plugin: PluginRef,
        sha256: Option<Digest>,
        staging: Staging,
        extracted: Extracted,
    ) -> Result<Swapped, PluginError> {
        if let Some(wanted) = sha256.filter(|wanted| *wanted != extracted.digest) {
            return Err(PluginError::OtherArchive { plugin, wanted, actual: extracted.digest });
        }
        let mut warnings: Vec<String> = extracted.skipped.iter().map(ToString::to_string).collect();
        let (hash, verified) = match self.verify(&plugin, &staging, &extracted, &mut warnings)? {
            Verified::Matches(hash) => (hash, true),
            Verified::NothingDeclared(hash) => (hash, false),
        };
        let record = Record {
            source: plugin.source.to_string(),
            installed_at: self.now(),
            manifest_sha256: Some(hash.to_string()),
            verified,
            archive_sha256: extracted.digest.to_string(),
            setup: None,
        };
        let replaced = self.shelf()?.get(&plugin.name)?.is_some();
        let installed = staging.commit(record)?;
        Ok(Swapped { installed, replaced, verified, extracted, warnings })
    }

    /// Whether it is what it says it is.
    fn verify(
        &self,
        plugin: &PluginRef,
        staging: &Staging,
        extracted: &Extracted,
        warnings: &mut Vec<String>,
    ) -> Result<Verified, PluginError> {
        let all_the_same = self.settings().allow_unverified;
        let hash = manifest_hash(extracted.files.iter().map(|file| (file.path.as_str(), file.digest)));
        let facts = match Facts::read(staging.dir()) {
            Ok(facts) => facts.unwrap_or_default(),
            Err(error) if all_the_same => {
                warnings.push(format!("{error}; nothing says that the files are those of its author"));
                return Ok(Verified::NothingDeclared(hash));
            }
            Err(error) => return Err(PluginError::Unreadable { plugin: plugin.clone(), error }),
        };
        if let Some(other) = facts.name.as_deref().filter(|name| *name != plugin.name.as_str()) {
            warnings
                .push(format!("its plugin.yaml calls it {:?}", other.chars().take(200).collect::<String>()));
        }
        match facts.verify(hash) {
            Ok(verified) => Ok(verified),
            Err(error) if all_the_same => {
                warnings.push(format!("{error}; nothing says that they are those of its author"));
                Ok(Verified::NothingDeclared(hash))
            }
            Err(error) => Err(PluginError::Unverified { plugin: plugin.clone(), error }),
        }
    }

    /// Runs its `setup.sh`, if it may be run; until `cancel` is true.
    fn set_up(
        &self,
        plugin: &PluginRef,
        asked: Option<SetupPolicy>,
        verified: bool,
        cancel: &AtomicBool,
        observe: &dyn Fn(Progress),
    ) -> Result<SetupOutcome, PluginError> {
        let settings = self.settings();
        if let Some(why) = why_not(settings.setup, asked, verified) {
            return Ok(SetupOutcome::Skipped(why));
        }
        let folder = std::path::absolute(self.shelf()?.path(&plugin.name))
            .map_err(PluginError::local("find the folder of the plugin"))?;
        let (limits, network) = (&settings.setup_limits, settings.setup_network);
        let script = Script { folder: &folder, limits, network, cancel };
        Ok(match setup::run(&script, &mut |line| observe(Progress::Setup(line.text))) {
            Ok(outcome) if outcome.succeeded() => SetupOutcome::Succeeded(outcome.to_string()),
            Ok(outcome) => SetupOutcome::Failed(outcome.to_string()),
            Err(uncaged) => SetupOutcome::Skipped(uncaged.to_string()),
        })
    }

    fn now(&self) -> String {
        Timestamp::try_from(self.inner.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
    }
}

/// A version that has been swapped in.
struct Swapped {
    installed: molecule_plugin::Installed,
    replaced: bool,
    verified: bool,
    extracted: Extracted,
    warnings: Vec<String>,
}

/// Whether the same may come whole another time.
fn may_be_better(error: &PluginError) -> bool {
    match error {
        PluginError::CutShort { .. } => true,
        // Nobody said how long it is.
        PluginError::Refused { refusal, length: None, .. } => matches!(**refusal, Refusal::Truncated { .. }),
        _ => false,
    }
}

/// Why a `setup.sh` is not run, and what would run it; `None` where it is.
fn why_not(allowed: SetupPolicy, asked: Option<SetupPolicy>, verified: bool) -> Option<String> {
    let policy = allowed.min(asked.unwrap_or(allowed));
    let runs = match policy {
        SetupPolicy::Never => false,
        SetupPolicy::Verified => verified,
        SetupPolicy::Always => true,
    };
    if runs {
        return None;
    }
    // What the operator would have to say, and whether that is all.
    let flag = if verified { SetupPolicy::Verified } else { SetupPolicy::Always };
    let why = match (policy, allowed >= flag) {
        (_, true) => "whoever installed it asked for that".to_owned(),
        (SetupPolicy::Never, false) => format!("--setup is never; --setup {flag} runs it"),
        (_, false) => {
            format!("the plugin declares no hash of its files that they have; --setup {flag} runs it")
        }
    };
    Some(format!("setup.sh was not run: {why}"))
}

/// Says so when nobody waits any more.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_runs_where_both_let_it_and_says_otherwise_what_would_run_it() {
        use SetupPolicy::{Always, Never, Verified};
        for (allowed, asked, verified, expected) in [
            (Verified, None, true, None),
            (Verified, None, false, Some("--setup always")),
            (Verified, Some(Always), false, Some("--setup always")),
            (Verified, Some(Always), true, None),
            (Verified, Some(Never), true, Some("asked for that")),
            (Never, None, true, Some("--setup verified")),
            (Never, None, false, Some("--setup always")),
            (Never, Some(Always), true, Some("--setup verified")),
            (Always, None, false, None),
            (Always, Some(Verified), false, Some("asked for that")),
            (Always, Some(Verified), true, None),
            (Always, Some(Never), false, Some("asked for that")),
        ] {
            let why = why_not(allowed, asked, verified);
            let case = format!("{allowed} {asked:?} {verified}: {why:?}");
            match expected {
                None => assert!(why.is_none(), "{case}"),
                Some(words) => assert!(why.is_some_and(|why| why.contains(words)), "{case}"),
            }
        }
    }
}
