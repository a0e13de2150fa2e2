//! Plugins: folders of files from the platform, such as skills and rules.
//!
//! An installed plugin is read at `/plugins/<name>` as any folder is. Which plugins an agent may install, and from where,
//! the operator says: `--allow-plugin molecule-dev`.
//!
//! ```no_run
//! use molecule_guest::{Context, Result, plugins};
//!
//! async fn skill(name: &str) -> Result<String> {
//!     let installed = plugins::install("molecule-dev").source("github://acme/molecule-dev#v1.2").await?;
//!     let skill = installed.plugin.skill(name).context("there is no such skill")?;
//!     Ok(skill.read()?)
//! }
//! ```
//!
//! What a callback has opened below `/plugins` stays of one version until the callback ends, also when the plugin is
//! replaced meanwhile. A plugin that the callback itself installs is there at once.

use std::pin::Pin;

use crate::Error;
use crate::imports::plugins as host;

/// Where the plugins are, each in a folder of its name.
pub const PATH: &str = "/plugins";

/// When a plugin's `setup.sh` is run: in a cage, without network, secrets and files of others.
pub use crate::bindings::molecule::agent::plugins::Setup;

/// A plugin that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plugin {
    /// Its name, which is that of its folder.
    pub name: String,
    /// What its `plugin.yaml` says.
    pub version: Option<String>,
    /// What its `plugin.yaml` says.
    pub description: Option<String>,
    /// Where it was installed from, where that is known.
    pub source: Option<String>,
    /// When, as RFC 3339, where that is known.
    pub installed_at: Option<String>,
    /// Whether its files matched the hash that it declares.
    pub verified: bool,
    /// The hash of its files.
    pub sha256: Option<String>,
    /// Its skills.
    pub skills: Vec<Skill>,
    /// Where its rules are.
    pub rules: Vec<String>,
}

impl Plugin {
    /// A plugin without anything, for tests.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: None,
            description: None,
            source: None,
            installed_at: None,
            verified: false,
            sha256: None,
            skills: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Where its folder is.
    pub fn path(&self) -> String {
        format!("{PATH}/{}", self.name)
    }

    /// One of its skills, by name.
    pub fn skill(&self, name: &str) -> Option<&Skill> {
        self.skills.iter().find(|skill| skill.name == name)
    }
}

/// A skill that a plugin brings: a text that says how something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skill {
    /// Its name.
    pub name: String,
    /// What it is for, where it says so.
    pub description: Option<String>,
    /// Where its text is.
    pub path: String,
}

impl Skill {
    /// A skill whose text is in a file, for tests.
    pub fn new(name: impl Into<String>, path: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, path: path.into() }
    }

    /// Its text.
    ///
    /// # Errors
    ///
    /// The file is not there or is no text.
    pub fn read(&self) -> std::io::Result<String> {
        std::fs::read_to_string(&self.path)
    }
}

/// What became of a plugin's `setup.sh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupOutcome {
    /// It has none.
    Absent,
    /// It was not run; why, and what would run it.
    Skipped(String),
    /// It has ended well.
    Succeeded,
    /// It has not; how it ended. The plugin is installed all the same.
    Failed(String),
}

/// What came of an install.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// The plugin.
    pub plugin: Plugin,
    /// What became of its `setup.sh`.
    pub setup: SetupOutcome,
    /// What is worth knowing, such as links that were left out.
    pub warnings: Vec<String>,
}

impl From<Plugin> for Installed {
    /// Installed without a word, for tests.
    fn from(plugin: Plugin) -> Self {
        Self { plugin, setup: SetupOutcome::Absent, warnings: Vec::new() }
    }
}

/// Installs a plugin, or puts another version in the place of the one that is there, which stays if this fails.
///
/// It is installed when this is awaited; before that it can be given a [source](Install::source), and more.
pub fn install(name: impl Into<String>) -> Install {
    let options = host::InstallOptions { source: None, setup: None, sha256: None };
    Install { name: name.into(), options }
}

/// An [install](install()) that has not begun. Awaiting it does it.
///
/// # Errors
///
/// Awaiting fails with [`Error::Denied`] where the operator has not granted the plugin from this source,
/// [`Error::NotFound`] where the platform has none of that name, [`Error::Invalid`] where its archive is refused, and
/// [`Error::TooLarge`] where it holds too much. What was installed before is as it was, then.
#[derive(Debug)]
#[must_use = "a plugin is installed when this is awaited"]
pub struct Install {
    name: String,
    options: host::InstallOptions,
}

impl Install {
    /// Where it comes from, such as `github://owner/repo#tag`; `local://<name>`, the platform's own, where not said.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.options.source = Some(source.into());
        self
    }

    /// When to run its `setup.sh`; as the operator allows where not said, which is the most in any case.
    pub fn setup(mut self, setup: Setup) -> Self {
        self.options.setup = Some(setup);
        self
    }

    /// The SHA-256 that its archive must have, 64 hexadecimal digits.
    pub fn sha256(mut self, digest: impl Into<String>) -> Self {
        self.options.sha256 = Some(digest.into());
        self
    }
}

impl IntoFuture for Install {
    type Output = Result<Installed, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(host::install(self.name, self.options))
    }
}

/// The plugins that are installed, whoever installed them.
///
/// # Errors
///
/// The host cannot read its folder.
pub async fn list() -> Result<Vec<Plugin>, Error> {
    host::list().await
}

/// Removes a plugin.
///
/// # Errors
///
/// [`Error::Denied`] where the operator has granted no plugin of this name, [`Error::NotFound`] where there is none.
pub async fn remove(name: impl Into<String>) -> Result<(), Error> {
    host::remove(name.into()).await
}
