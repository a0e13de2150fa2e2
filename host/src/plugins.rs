//! The plugins of a workspace: downloaded from the platform, judged, swapped in, and told about.
//!
//! An install runs downhill. `download` reads the archive from the platform, as often as it takes; `molecule_plugin` unpacks
//! and judges it while it comes, in a staging folder; what it says of itself is verified there; it is swapped in at one
//! instant; and its `setup.sh` is run in a cage, if the operator lets it. Whatever fails before the swap leaves what was
//! installed as it was.
//!
//! ```no_run
//! use molecule_host::plugins::{InstallRequest, Plugins};
//! use molecule_host::{AgentSpec, Host};
//!
//! # async fn example(host: Host, spec: AgentSpec) -> Result<(), Box<dyn std::error::Error>> {
//! let plugins = Plugins::open(&host, spec).await?;
//! let request = InstallRequest::new("molecule-dev@github://acme/molecule-dev#v1".parse()?);
//! let installed = plugins.install(request, |_| {}).await?;
//! println!("{installed}");
//! # Ok(())
//! # }
//! ```

mod download;
mod error;
mod install;
mod look;
mod reference;
mod settings;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use molecule_plugin::{Pin, PluginLock, Shelf};

use crate::clock::{Clock, SystemClock};
use crate::host::{Host, StartError};
use crate::platform::Client;
use crate::session;
use crate::spec::AgentSpec;

pub use molecule_plugin::archive::{Limits as ArchiveLimits, Refusal};
pub use molecule_plugin::facts::{FactsError, VerifyError};
pub use molecule_plugin::manifest::{HashFolderError, hash_folder};
pub use molecule_plugin::setup::SetupLimits;
pub use molecule_plugin::{Digest, InvalidDigest, InvalidName, PluginName, ShelfError};
pub use molecule_protocol::plugins::PluginInfo;

pub use self::error::PluginError;
pub use self::install::{InstallRequest, Installed, Progress, SetupOutcome};
pub use self::look::{Plugin, Rejected, Skill, verify_folder};
pub use self::reference::{InvalidPlugin, PluginRef, PluginSource};
pub use self::settings::{PluginSettings, SetupPolicy};

/// The plugins of one workspace. Cheap to clone; a host that runs and a command of the operator may use them at once.
#[derive(Debug, Clone)]
pub struct Plugins {
    inner: Arc<Inner>,
}

struct Inner {
    /// None where there is only the folder.
    client: Option<Client>,
    settings: PluginSettings,
    clock: Arc<dyn Clock>,
    /// The folder of plugins; none where nothing is kept.
    folder: Option<PathBuf>,
    /// Opened when it is needed: an agent without plugins costs no descriptor.
    shelf: OnceLock<Shelf>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Plugins {
    /// The plugins of a workspace, whether a host runs it or not. Takes no lock and tells the platform nothing.
    ///
    /// # Errors
    /// [`StartError`], about the token and the state folder.
    pub async fn open(host: &Host, spec: AgentSpec) -> Result<Self, StartError> {
        let settings = spec.plugins.clone();
        let folder = match &host.state_dir {
            Some(state_dir) => Some(state_dir.workspace(spec.workspace_id)?.plugins()),
            None => None,
        };
        let client = session::visitor(host, spec).await?;
        Ok(Self::new(Some(client), settings, host.network.clock.clone(), folder))
    }

    /// Those that are in a folder, to list and to remove them.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self::new(None, PluginSettings::default(), Arc::new(SystemClock), Some(folder.into()))
    }

    pub(crate) fn new(
        client: Option<Client>,
        settings: PluginSettings,
        clock: Arc<dyn Clock>,
        folder: Option<PathBuf>,
    ) -> Self {
        Self { inner: Arc::new(Inner { client, settings, clock, folder, shelf: OnceLock::new() }) }
    }

    /// What the operator says about installs.
    pub fn settings(&self) -> &PluginSettings {
        &self.inner.settings
    }

    /// Where the plugins are, a folder each; none where nothing is kept.
    pub fn folder(&self) -> Option<&Path> {
        self.inner.folder.as_deref()
    }

    /// What the platform itself keeps, and the schemes of the other sources that it can fetch from.
    ///
    /// # Errors
    /// [`PluginError::Unlisted`] where the platform does not say, [`PluginError::NoPlatform`] where there is none.
    pub async fn available(&self) -> Result<(Vec<PluginInfo>, Vec<String>), PluginError> {
        let client = self.inner.client.as_ref().ok_or(PluginError::NoPlatform)?;
        let unlisted = |error| PluginError::Unlisted(Box::new(error));
        Ok((
            client.available_plugins().await.map_err(unlisted)?,
            client.plugin_sources().await.map_err(unlisted)?,
        ))
    }

    /// What is installed, by name.
    ///
    /// # Errors
    /// [`PluginError::Shelf`], when the folder cannot be read.
    pub async fn list(&self) -> Result<Vec<Plugin>, PluginError> {
        if !self.exists() {
            return Ok(Vec::new());
        }
        let plugins = self.clone();
        blocking(move || look::all(plugins.shelf()?)).await
    }

    /// What is installed under a name.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn get(&self, name: &PluginName) -> Result<Option<Plugin>, PluginError> {
        if !self.exists() {
            return Ok(None);
        }
        let (plugins, name) = (self.clone(), name.clone());
        blocking(move || look::one(plugins.shelf()?, &name)).await
    }

    /// Removes a plugin. Whoever reads it goes on doing so.
    ///
    /// # Errors
    /// [`PluginError::Absent`] where there is none, and what the folder says.
    pub async fn remove(&self, name: &PluginName) -> Result<(), PluginError> {
        let absent = || PluginError::Absent { name: name.clone() };
        if !self.exists() {
            return Err(absent());
        }
        let lock = self.lock(name, |_| {}).await?;
        match blocking(move || Ok(lock.remove()?)).await? {
            true => Ok(()),
            false => Err(absent()),
        }
    }

    /// Holds the version of a plugin that is installed now.
    pub(crate) fn pin(&self, name: &PluginName) -> io::Result<Option<Pin>> {
        if !self.exists() {
            return Ok(None);
        }
        let shelf = self.shelf().map_err(io::Error::other)?;
        shelf.pin(name).map_err(io::Error::other)
    }

    /// The folder of all plugins, made if it is `wanted`; none where there is none.
    pub(crate) fn root(&self, wanted: bool) -> Result<Option<PathBuf>, PluginError> {
        if !wanted && !self.exists() {
            return Ok(None);
        }
        let Some(folder) = &self.inner.folder else { return Ok(None) };
        self.shelf()?;
        Ok(Some(folder.clone()))
    }

    /// Whether there ever was a plugin.
    fn exists(&self) -> bool {
        self.inner.folder.as_ref().is_some_and(|folder| folder.is_dir())
    }

    fn client(&self) -> Result<&Client, PluginError> {
        self.inner.client.as_ref().ok_or(PluginError::NoPlatform)
    }

    fn shelf(&self) -> Result<&Shelf, PluginError> {
        if let Some(shelf) = self.inner.shelf.get() {
            return Ok(shelf);
        }
        let folder = self.inner.folder.as_ref().ok_or(PluginError::NoFolder)?;
        let shelf = Shelf::open(folder)?;
        Ok(self.inner.shelf.get_or_init(|| shelf))
    }

    /// Takes the lock of a plugin, and waits as long as somebody has it; `waiting` hears for whom, once.
    async fn lock(
        &self,
        name: &PluginName,
        waiting: impl FnOnce(Option<u32>),
    ) -> Result<PluginLock, PluginError> {
        let mut waiting = Some(waiting);
        loop {
            let (plugins, wanted) = (self.clone(), name.clone());
            // Tried again and again, rather than waited for: whoever gives up must not leave a thread behind that waits.
            match blocking(move || Ok(plugins.shelf()?.try_lock(&wanted))).await? {
                Ok(lock) => return Ok(lock),
                Err(ShelfError::Busy { holder, .. }) => {
                    if let Some(waiting) = waiting.take() {
                        waiting(holder);
                    }
                }
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}

/// Between two looks at a lock that somebody has.
const BETWEEN_TRIES: std::time::Duration = std::time::Duration::from_millis(100);

/// Does something that waits for the disk, where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PluginError> + Send + 'static,
) -> Result<T, PluginError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(PluginError::Broken(error.to_string())),
    }
}
