//! `/plugins`: read as any folder is, but each plugin in the one version that the callback has opened.
//!
//! A path that begins at the folder of all plugins is followed here into the folder of one, which its [`Call`] keeps; from
//! there wasmtime goes on, and leaves that folder no more. Descriptors that were opened below need no care.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, FsPerms, OpenMode, WasiFilesystemView};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{ErrorCode, HostDescriptor, PathFlags};

use super::wasi;
use crate::guest::{Guest, caller};
use crate::plugins::OpenPlugin;

type Fd = Resource<Descriptor>;

/// Links what looks at a path over what wasmtime linked; what opens one is in [`super::files`].
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut types = linker.instance(wasi!("filesystem/types"))?;
    types.func_wrap_async(
        "[method]descriptor.stat-at",
        |mut store, (fd, flags, path): (Fd, PathFlags, String)| {
            Box::new(async move {
                let looked = async {
                    let path = Path::enter(&mut store, fd, path)?;
                    let found = store.data_mut().filesystem().stat_at(path.fd(), flags, path.rest()).await;
                    path.leave(&mut store)?;
                    found
                };
                super::returned(looked.await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.metadata-hash-at",
        |mut store, (fd, flags, path): (Fd, PathFlags, String)| {
            Box::new(async move {
                let looked = async {
                    let path = Path::enter(&mut store, fd, path)?;
                    let found =
                        store.data_mut().filesystem().metadata_hash_at(path.fd(), flags, path.rest()).await;
                    path.leave(&mut store)?;
                    found
                };
                super::returned(looked.await)
            })
        },
    )?;
    types.func_wrap_async("[method]descriptor.readlink-at", |mut store, (fd, path): (Fd, String)| {
        Box::new(async move {
            let looked = async {
                let path = Path::enter(&mut store, fd, path)?;
                let found = store.data_mut().filesystem().readlink_at(path.fd(), path.rest()).await;
                path.leave(&mut store)?;
                found
            };
            super::returned(looked.await)
        })
    })
}

/// A path, and the descriptor that it begins at.
pub(super) struct Path {
    fd: Fd,
    rest: String,
    /// What the descriptor was made for.
    plugin: Option<Arc<OpenPlugin>>,
}

impl Path {
    /// Goes into the plugin that the path leads into, if it begins at the folder of all of them.
    pub(super) fn enter(store: &mut StoreContextMut<'_, Guest>, fd: Fd, path: String) -> FsResult<Self> {
        let outside = |fd, rest| Self { fd, rest, plugin: None };
        if !is_root(store, &fd)? {
            return Ok(outside(fd, path));
        }
        let Some((name, rest)) = split(&path) else { return Ok(outside(fd, path)) };
        let (agent, call) = caller(&mut *store).map_err(super::trap)?;
        let open = || agent.services.open_plugin(&name);
        let opened = match &call {
            Some(call) => call.plugins.get(&name, open),
            None => open().map(|plugin| plugin.map(Arc::new)),
        };
        let plugin = opened.map_err(|error| ErrorCode::from(&error))?.ok_or(ErrorCode::NoEntry)?;
        let folder = plugin.folder.try_clone().map_err(|error| ErrorCode::from(&error))?;
        let folder = Dir::new(folder, FsPerms::ReadOnly, OpenMode::READ, false);
        let fd = store.data_mut().filesystem().table.push(Descriptor::Dir(folder))?;
        Ok(Self { fd, rest, plugin: Some(plugin) })
    }

    /// Where it begins now.
    pub(super) fn fd(&self) -> Fd {
        Resource::new_borrow(self.fd.rep())
    }

    /// What follows from there.
    pub(super) fn rest(&self) -> String {
        self.rest.clone()
    }

    /// Gives back what was made for it.
    pub(super) fn leave(self, store: &mut StoreContextMut<'_, Guest>) -> FsResult<()> {
        if self.plugin.is_some() {
            store.data_mut().filesystem().table.delete(self.fd)?;
        }
        Ok(())
    }
}

/// Whether this is the folder of all plugins.
fn is_root(store: &mut StoreContextMut<'_, Guest>, fd: &Fd) -> FsResult<bool> {
    let Some(root) = store.data().plugins_root else { return Ok(false) };
    Ok(match store.data_mut().filesystem().table.get(fd)? {
        Descriptor::Dir(folder) if folder.perms == FsPerms::ReadOnly => identity(&folder.dir) == Some(root),
        Descriptor::Dir(_) | Descriptor::File(_) => false,
    })
}

/// What tells a folder from all others.
pub(crate) fn identity(folder: &File) -> Option<(u64, u64)> {
    folder.metadata().ok().map(|it| (it.dev(), it.ino()))
}

/// The first name of a path, and what follows; none for one that leads nowhere below. There are no links in the folder of
/// all plugins, so that `..` takes back the name before it.
fn split(path: &str) -> Option<(String, String)> {
    if path.starts_with('/') {
        return None;
    }
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    let (first, rest) = names.split_first()?;
    let rest = if rest.is_empty() { ".".to_owned() } else { rest.join("/") };
    Some(((*first).to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_after_its_first_name() {
        for (path, expected) in [
            ("dev", Some(("dev", "."))),
            ("dev/", Some(("dev", "."))),
            ("./dev/skills/x/SKILL.md", Some(("dev", "skills/x/SKILL.md"))),
            ("dev/a/../b", Some(("dev", "b"))),
            ("dev/../other/x", Some(("other", "x"))),
            (".", None),
            ("", None),
            ("dev/..", None),
            ("..", None),
            ("dev/../../x", None),
            ("/dev", None),
        ] {
            let split = split(path);
            let split = split.as_ref().map(|(name, rest)| (name.as_str(), rest.as_str()));
            assert_eq!(split, expected, "{path:?}");
        }
    }
}
