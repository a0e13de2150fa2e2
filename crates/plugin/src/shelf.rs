//! The folder of installed plugins.

mod delete;
mod durable;
mod entry;
mod error;
mod folder;
mod lock;
mod pin;
mod record;
mod rights;
mod settle;
mod staging;
mod swap;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use error::ShelfError;
pub use lock::PluginLock;
pub use pin::Pin;
pub use record::Record;
pub use settle::Swept;
pub use staging::Staging;

use crate::PluginName;
use entry::Kind;
use folder::{Folder, Identity, Node};

/// The installed plugins of one workspace. Any number of processes may have it open. Clones are the same shelf.
///
/// `plugins/<name>/` is the tree of a plugin, and only whole ones are there; the Python SDK uses the same place. All else
/// lies in `plugins.work/`, beside it:
///
/// | entry | what it is | until |
/// | --- | --- | --- |
/// | `.staging-<name>-<hex>` | a version that is being put together | it is swapped in, or its process dies |
/// | `.old-<name>-<hex>` | a version that was replaced or removed | nobody reads it |
/// | `.record-<name>-<inode>` | what is known about a tree | the tree goes |
/// | `.lock-<name>` | locked by who installs or removes; holds the number of its process | that ends |
/// | `.ready-<name>`, `.previous-<name>` | the two versions, where a file system cannot exchange them at once | the swap ends |
/// | `.partial-<name>-<hex>` | a record that is being written | it is written |
///
/// ```
/// use molecule_plugin::{PluginName, Record, Shelf};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let state = tempfile::tempdir()?;
/// let shelf = Shelf::open(&state.path().join("plugins"))?;
/// let name: PluginName = "molecule-dev".parse()?;
///
/// let lock = shelf.lock(&name, |holder| eprintln!("waiting for process {holder:?}"))?;
/// let staging = lock.stage()?;
/// staging.dir().write("plugin.yaml", "name: molecule-dev")?;
/// let installed = staging.commit(Record {
///     source: "local://molecule-dev".to_owned(),
///     installed_at: "2026-01-31T12:00:00Z".to_owned(),
///     manifest_sha256: None,
///     verified: false,
///     archive_sha256: "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945".to_owned(),
///     setup: None,
/// })?;
/// lock.setup_ended(&installed, "no setup.sh")?;
///
/// let pin = shelf.pin(&name)?.expect("it is installed");
/// lock.remove()?;
/// assert!(shelf.list()?.is_empty());
/// assert_eq!(pin.dir().read_to_string("plugin.yaml")?, "name: molecule-dev");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Shelf {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    plugins: Folder,
    work: Folder,
    /// Whether the file system can let two folders change places; that it cannot is found out by trying.
    exchanges: AtomicBool,
}

/// A plugin that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: PluginName,
    /// What is known about it. Nothing if it was put there by hand, or by other software.
    pub record: Option<Record>,
    tree: Identity,
}

impl Shelf {
    /// Opens the folder of plugins (`<state>/<workspace>/plugins`) and the one beside it that has `.work` after its name;
    /// makes what is missing, for this user alone; sweeps.
    ///
    /// # Errors
    /// [`ShelfError::Io`], and [`ShelfError::TwoFileSystems`] if one of the two is mounted, or a link.
    pub fn open(path: &Path) -> Result<Self, ShelfError> {
        let plugins = Folder::open(path)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".work");
        let beside = PathBuf::from(beside);
        let work = Folder::open(&beside)?;
        let device = |folder: &Folder| Node::of(&folder.file).map_err(folder.failed("look at", ""));
        if !device(&plugins)?.is_on_the_same_device(device(&work)?) {
            return Err(ShelfError::TwoFileSystems { plugins: path.to_owned(), work: beside });
        }
        let shelf = Self { inner: Arc::new(Inner { plugins, work, exchanges: AtomicBool::new(true) }) };
        shelf.sweep()?;
        Ok(shelf)
    }

    /// Where the tree of a plugin lies, or would.
    pub fn path(&self, name: &PluginName) -> PathBuf {
        self.inner.plugins.path(name.as_str())
    }

    /// What is installed, by name. Also what was put there by hand, or by other software, if it is a folder and its name can
    /// be that of a plugin.
    ///
    /// # Errors
    /// [`ShelfError::Io`].
    pub fn list(&self) -> Result<Vec<Installed>, ShelfError> {
        // One that is between two renames is there too.
        let ready = self.entries()?.into_iter().filter(|entry| entry.kind == Kind::Ready);
        let mut names: BTreeSet<PluginName> = ready.map(|entry| entry.name).collect();
        names.extend(self.inner.plugins.names()?.iter().filter_map(|name| name.parse().ok()));
        names.iter().filter_map(|name| self.get(name).transpose()).collect()
    }

    /// What is installed under a name.
    ///
    /// # Errors
    /// [`ShelfError::Io`].
    pub fn get(&self, name: &PluginName) -> Result<Option<Installed>, ShelfError> {
        let look = || self.between_renames_too(name, || self.inner.plugins.identify(name.as_str()));
        let mut current = look()?;
        while let Some(tree) = current {
            let record = record::read(&self.inner.work, name, tree)?;
            // A record goes after its tree: if the tree is still there, the record was not taken away just now.
            current = look()?;
            if current == Some(tree) {
                return Ok(Some(Installed { name: name.clone(), record, tree }));
            }
        }
        Ok(None)
    }
}
