//! Which files an agent is made of.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Files of a workspace's own folder that change what is built.
const OF_WORKSPACE: [&str; 4] = ["Cargo.toml", LOCK, "rust-toolchain.toml", "rust-toolchain"];

/// What cargo writes itself.
const LOCK: &str = "Cargo.lock";

/// Where the sources of an agent are. All paths are as cargo says them, absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Sources {
    /// Its package, and those that it depends on by path.
    pub(super) folders: Vec<PathBuf>,
    /// Packages of the workspace that it has nothing to do with, which may lie within those folders.
    pub(super) others: Vec<PathBuf>,
    /// The folder of the workspace.
    pub(super) root: Option<PathBuf>,
    /// Where nothing is a source.
    pub(super) outputs: Vec<PathBuf>,
}

impl Sources {
    /// Those of one package that is a workspace of its own.
    #[cfg(test)]
    pub(in crate::cli) fn of(folder: &Path) -> Self {
        Self { folders: vec![folder.to_owned()], root: Some(folder.to_owned()), ..Self::default() }
    }

    /// The same, without what lies in this folder.
    pub(in crate::cli) fn without(mut self, folder: &Path) -> Self {
        self.outputs.push(resolved(folder));
        self
    }

    /// Folders whose files may count.
    pub(in crate::cli) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The folder of the workspace, of which a few files count.
    pub(in crate::cli) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Whether a change of this file may change the agent: it lies in one of the folders, and neither in another
    /// package nor among what is built; it is not hidden, and no editor's draft.
    pub(in crate::cli) fn counts(&self, path: &Path) -> bool {
        let of_workspace = self.root.as_deref().is_some_and(|root| path.parent() == Some(root))
            && path.file_name().is_some_and(|name| OF_WORKSPACE.iter().any(|it| name == *it));
        of_workspace || self.within_package(path)
    }

    fn within_package(&self, path: &Path) -> bool {
        let all = self.folders.iter().map(|it| (it, true)).chain(self.others.iter().map(|it| (it, false)));
        let nearest = all.filter(|(folder, _)| path.starts_with(folder));
        // Packages may lie in each other: a file is the innermost one's.
        let Some((folder, true)) = nearest.max_by_key(|(folder, _)| folder.components().count()) else {
            return false;
        };
        let Ok(within) = path.strip_prefix(folder) else { return false };
        !self.outputs.iter().any(|output| path.starts_with(output))
            && !within.starts_with("target")
            && within.components().all(|it| !is_hidden(it.as_os_str()))
            && !path.file_name().is_some_and(is_draft)
    }

    /// A path as it is short and still clear.
    pub(in crate::cli) fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        // The agent's own folder is the first one.
        let bases = self.folders.first().into_iter().chain(self.root.as_ref());
        bases.filter_map(|base| path.strip_prefix(base).ok()).next().unwrap_or(path)
    }
}

/// The path without links, as cargo says paths. It may not be there yet.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let in_its_folder = || Some(absolute.parent()?.canonicalize().ok()?.join(absolute.file_name()?));
    absolute.canonicalize().ok().or_else(in_its_folder).unwrap_or(absolute)
}

/// Whether cargo writes this file while it builds.
pub(in crate::cli) fn is_cargo_s_own(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == LOCK)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// What editors write beside a file: backups, swap files, and the file that becomes the new one.
fn is_draft(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let ends = ["~", ".swp", ".swo", ".swx", ".tmp", ".bak", ".orig", ".rej", "___jb_tmp___", "___jb_old___"];
    ends.iter().any(|end| name.ends_with(end))
        || (name.starts_with('#') && name.ends_with('#'))
        // Vim tries with it whether it may write here.
        || name == "4913"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_count_and_what_is_built_or_hidden_or_a_draft_does_not() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let sources = Sources {
            folders: paths(&["/w/agent", "/w/shared", "/w/shared/inner"]),
            others: paths(&["/w/agent/other", "/w/else"]),
            root: Some("/w".into()),
            outputs: paths(&["/w/out", "/w/agent/out"]),
        }
        .without(Path::new("/w/agent/dev-state"));
        for (path, expected) in [
            ("/w/agent/src/lib.rs", true),
            ("/w/agent/Cargo.toml", true),
            ("/w/agent/prompt.txt", true),
            ("/w/agent/src/target/mod.rs", true),
            ("/w/shared/src/lib.rs", true),
            ("/w/shared/inner/src/lib.rs", true),
            ("/w/Cargo.toml", true),
            ("/w/Cargo.lock", true),
            ("/w/rust-toolchain.toml", true),
            // Other packages, and what is none.
            ("/w/agent/other/src/lib.rs", false),
            ("/w/else/src/lib.rs", false),
            ("/w/README.md", false),
            ("/w/agents/src/lib.rs", false),
            ("/elsewhere/Cargo.toml", false),
            // What is built, and what is kept.
            ("/w/agent/target/release/agent.wasm", false),
            ("/w/agent/out/agent.wasm", false),
            ("/w/agent/dev-state/host.db-wal", false),
            // Hidden files and folders.
            ("/w/agent/.git/index", false),
            ("/w/agent/src/.lib.rs.swp", false),
            ("/w/agent/src/.#lib.rs", false),
            // Drafts.
            ("/w/agent/src/lib.rs~", false),
            ("/w/agent/src/#lib.rs#", false),
            ("/w/agent/src/4913", false),
            ("/w/agent/src/lib.rs___jb_tmp___", false),
            ("/w/agent/src/lib.rs.tmp", false),
        ] {
            assert_eq!(sources.counts(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_source_is_shown_from_where_the_author_is() {
        let sources =
            Sources { folders: vec!["/w/agent".into()], root: Some("/w".into()), ..Sources::default() };
        for (path, expected) in [
            ("/w/agent/src/lib.rs", "src/lib.rs"),
            ("/w/Cargo.lock", "Cargo.lock"),
            ("/x/lib.rs", "/x/lib.rs"),
        ] {
            assert_eq!(sources.shown(Path::new(path)), Path::new(expected));
        }
        assert!(is_cargo_s_own(Path::new("/w/Cargo.lock")) && !is_cargo_s_own(Path::new("/w/Cargo.toml")));
    }
}
