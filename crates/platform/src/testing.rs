//! For tests of whatever fetches plugins: git repositories, without a `git` program.
//!
//! ```
//! use molecule_platform::testing::{Ref, publish};
//! use molecule_platform::{Config, Platform};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folders = tempfile::tempdir()?;
//! # let (github, plugin) = (folders.path().join("github"), folders.path().join("plugin"));
//! # std::fs::create_dir(&plugin)?;
//! # std::fs::write(plugin.join("plugin.yaml"), "name: words")?;
//! publish(&github, "acme/words", &plugin, &[Ref::Branch("main"), Ref::Tag("v1")])?;
//! let platform = Platform::start(Config { github_base: Some(github), ..Config::default() }).await?;
//! // The platform now has github://acme/words#v1 and github://acme/words#main.
//! # platform.shutdown().await;
//! # Ok(())
//! # }
//! ```

use std::fs;
use std::io;
use std::path::Path;

use gix_hash::{Kind as Hash, ObjectId};
use gix_object::tree::{Entry, EntryKind};
use gix_object::{Kind as Object, Tree, Write as _};

/// The name of a ref to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ref<'a> {
    /// `refs/heads/…`
    Branch(&'a str),
    /// `refs/tags/…`, which points at the commit.
    Tag(&'a str),
    /// `refs/tags/…`, which points at an object of its own, as `git tag --annotate` makes it.
    AnnotatedTag(&'a str),
}

/// Commits what is in `folder` to the bare repository `github_base/spec.git`, which is made if it is not there, and lets
/// `refs` point at that commit, wherever they pointed before. `spec` is `owner/repo`. Gives the commit's id back, 40 hex
/// digits.
///
/// Links are committed as links, execute bits are kept, empty folders are left out. The commit has no parent and is of
/// 1970-01-01T00:00:01Z, so that the same folder gives the same commit.
///
/// # Errors
/// What the disk says; and where a name in the folder is not UTF-8, or a file is neither file, folder nor link.
pub fn publish(github_base: &Path, spec: &str, folder: &Path, refs: &[Ref<'_>]) -> io::Result<String> {
    let path = github_base.join(format!("{spec}.git"));
    for folder in ["objects", "refs/heads", "refs/tags"] {
        fs::create_dir_all(path.join(folder))?;
    }
    fs::write(path.join("HEAD"), "ref: refs/heads/main\n")?;
    fs::write(path.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    let objects = gix_odb::loose::Store::at(path.join("objects"), Hash::Sha1);
    let write = |kind, text: String| objects.write_buf(kind, text.as_bytes()).map_err(io::Error::other);
    let who = "molecule <molecule@localhost> 1 +0000";
    let tree = write_tree(&objects, folder)?;
    let commit = write(Object::Commit, format!("tree {tree}\nauthor {who}\ncommitter {who}\n\npublished\n"))?;
    for reference in refs {
        let (file, id) = match reference {
            Ref::Branch(name) => (format!("refs/heads/{name}"), commit),
            Ref::Tag(name) => (format!("refs/tags/{name}"), commit),
            Ref::AnnotatedTag(name) => {
                let tag = format!("object {commit}\ntype commit\ntag {name}\ntagger {who}\n\npublished\n");
                (format!("refs/tags/{name}"), write(Object::Tag, tag)?)
            }
        };
        let file = path.join(file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, format!("{id}\n"))?;
    }
    Ok(commit.to_string())
}

fn write_tree(objects: &gix_odb::loose::Store, folder: &Path) -> io::Result<ObjectId> {
    let mut entries = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let not_text = || io::Error::other(format!("the name of {} is not UTF-8", path.display()));
        let blob = |content: &[u8]| objects.write_buf(Object::Blob, content).map_err(io::Error::other);
        let (mode, oid) = if kind.is_dir() {
            // Git knows no empty folders.
            match write_tree(objects, &path)? {
                empty if empty == ObjectId::empty_tree(Hash::Sha1) => continue,
                tree => (EntryKind::Tree, tree),
            }
        } else if kind.is_symlink() {
            let target = path.read_link()?;
            (EntryKind::Link, blob(target.to_str().ok_or_else(not_text)?.as_bytes())?)
        } else if kind.is_file() {
            let mode =
                if is_executable(&entry.metadata()?) { EntryKind::BlobExecutable } else { EntryKind::Blob };
            (mode, blob(&fs::read(&path)?)?)
        } else {
            return Err(io::Error::other(format!("{} is neither file, folder nor link", path.display())));
        };
        let name = entry.file_name().into_string().map_err(|_| not_text())?;
        entries.push(Entry { mode: mode.into(), filename: name.into(), oid });
    }
    entries.sort();
    objects.write(&Tree { entries }).map_err(io::Error::other)
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
