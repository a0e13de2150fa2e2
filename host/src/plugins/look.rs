//! What is installed, and what it says of itself.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use molecule_plugin::facts::{Facts, FactsError, Verified, VerifyError};
use molecule_plugin::manifest::{HashFolderError, hash_folder};
use molecule_plugin::{Digest, Pin, PluginName, Shelf, skills};
use serde::Serialize;

use super::PluginError;

/// A plugin that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plugin {
    /// Its name, which is that of its folder.
    pub name: PluginName,
    /// What its `plugin.yaml` says.
    pub version: Option<String>,
    /// What its `plugin.yaml` says.
    pub description: Option<String>,
    /// Where it was installed from; none where something else put it there.
    pub source: Option<String>,
    /// When, as RFC 3339.
    pub installed_at: Option<String>,
    /// Whether its files had the hash that it declares when it was installed.
    pub verified: bool,
    /// The hash of its files, as it was then.
    pub sha256: Option<String>,
    /// What came of its `setup.sh`, in a few words; none where that has not ended, or is not known.
    pub setup: Option<String>,
    /// Its skills.
    pub skills: Vec<Skill>,
    /// Its rules, as paths within it.
    pub rules: Vec<String>,
    /// Why nothing is known of what it says of itself.
    pub unreadable: Option<String>,
}

/// A skill of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skill {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its text, as a path within the plugin: `skills/<skill>/SKILL.md`.
    pub path: String,
}

/// All that is installed.
pub(super) fn all(shelf: &Shelf) -> Result<Vec<Plugin>, PluginError> {
    let mut plugins = Vec::new();
    for installed in shelf.list()? {
        // One that is removed just now is not there.
        plugins.extend(one(shelf, &installed.name)?);
    }
    Ok(plugins)
}

/// What is installed under a name.
pub(super) fn one(shelf: &Shelf, name: &PluginName) -> Result<Option<Plugin>, PluginError> {
    shelf.pin(name)?.map(|pin| read(&pin)).transpose()
}

fn read(pin: &Pin) -> Result<Plugin, PluginError> {
    let (facts, unreadable) = match Facts::read(pin.dir()) {
        Ok(facts) => (facts.unwrap_or_default(), None),
        Err(error) => (Facts::default(), Some(error.to_string())),
    };
    let skills = skills::skills(pin.dir()).map_err(PluginError::local("read the skills of the plugin"))?;
    let record = pin.record().cloned();
    let rule = |rule: String| {
        let plain = !rule.starts_with('/') && !rule.split('/').any(|part| part == "..");
        plain.then(|| if rule.starts_with("rules/") { rule } else { format!("rules/{rule}") })
    };
    Ok(Plugin {
        name: pin.name().clone(),
        version: facts.version,
        description: facts.description,
        verified: record.as_ref().is_some_and(|record| record.verified),
        source: record.as_ref().map(|record| record.source.clone()),
        installed_at: record.as_ref().map(|record| record.installed_at.clone()),
        sha256: record.as_ref().and_then(|record| record.manifest_sha256.clone()),
        setup: record.and_then(|record| record.setup),
        skills: skills
            .into_iter()
            .map(|skill| Skill {
                name: skill.name.unwrap_or(skill.folder),
                description: skill.description,
                path: skill.path,
            })
            .collect(),
        rules: facts.rules.into_iter().filter_map(rule).collect(),
        unreadable,
    })
}

/// A folder that is no plugin as it says it is.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// It has another hash than it declares.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Its `plugin.yaml`.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// Its files.
    #[error(transparent)]
    Hash(#[from] HashFolderError),
    /// The folder.
    #[error("cannot read {}: {source}; give the folder of a plugin", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Whether a folder has the hash that its `plugin.yaml` declares: the hash, and whether one is declared at all.
///
/// # Errors
/// [`Rejected`].
pub fn verify_folder(path: &Path) -> Result<(Digest, bool), Rejected> {
    let folder = Dir::open_ambient_dir(path, ambient_authority())
        .map_err(|source| Rejected::Folder { path: path.to_owned(), source })?;
    let facts = Facts::read(&folder)?.unwrap_or_default();
    Ok(match facts.verify(hash_folder(path)?)? {
        Verified::Matches(digest) => (digest, true),
        Verified::NothingDeclared(digest) => (digest, false),
    })
}
