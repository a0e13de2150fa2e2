//! Plugins in git repositories: `owner/repo` or `owner/repo.git` below a folder that stands in for GitHub.
//!
//! Two folders of a repository are read, its refs and its objects, by name. Nothing is searched for, no configuration is
//! read, nothing is run, and nothing points elsewhere: not a `.git` that is a file or a link, and no `alternates`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use gix_hash::{Kind as Hash, ObjectId};
use gix_object::tree::EntryKind;
use gix_object::{CommitRefIter, FindExt as _, Kind as Object, TagRefIter};
use gix_odb::HeaderExt as _;
use gix_ref::{FullName, Target};

use super::failure::Failure;
use super::staged::{Content, Entry, Kind, Listing, child};
use super::{real_base, within};

/// The most bytes to unpack one object in. One that is larger cannot be part of a plugin, unless a smaller one was made of it.
const MAX_OBJECT: usize = 256 * 1024 * 1024;

/// How often a ref may lead to a ref, or a tag to a tag.
const MAX_HOPS: usize = 10;

/// Lists the plugin in the repository `spec` at `reference`; gives its name back.
pub(super) fn list(
    base: &Path,
    spec: &str,
    reference: &str,
    listing: &mut Listing,
) -> Result<String, Failure> {
    let (owner, name) = parse(spec).ok_or_else(|| {
        Failure::unreadable(
            "a github source is github://owner/repo#ref, with names as GitHub allows them and without .git",
        )
    })?;
    let base = real_base(base)?;
    let no_repository =
        || Failure::NotFound(format!("there is no repository {owner}/{name} at this platform"));
    let git_dir = git_dir(&base, owner, name)?.ok_or_else(no_repository)?;
    let repository = Rc::new(Repository::open(git_dir)?);
    let no_ref = || {
        let word = "has no tag or branch of that name; a commit's id is none, here as on GitHub";
        Failure::NotFound(format!("the repository {owner}/{name} {word}"))
    };
    let commit = repository.commit(repository.find(reference)?.ok_or_else(no_ref)?)?;
    let tree = Tree { repository: &repository, root: commit.tree, modified: commit.time };
    tree.walk(commit.tree, "", listing)?;
    Ok(name.to_owned())
}

/// Owner and repository, with names as GitHub allows them; none of which can lead anywhere else.
fn parse(spec: &str) -> Option<(&str, &str)> {
    let (owner, name) = spec.split_once('/')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_owner = owner.len() <= 100
        && owner.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && owner.bytes().all(plain);
    let is_name = (1..=100).contains(&name.len())
        && name.bytes().all(|byte| plain(byte) || byte == b'.')
        && name != "."
        && name != ".."
        && !name.to_ascii_lowercase().ends_with(".git");
    (is_owner && is_name).then_some((owner, name))
}

/// Where the repository's refs and objects are.
fn git_dir(base: &Path, owner: &str, name: &str) -> Result<Option<PathBuf>, Failure> {
    for folder in [name.to_owned(), format!("{name}.git")] {
        let Some(folder) = within(base, &base.join(owner).join(folder))? else { continue };
        let inner = folder.join(".git");
        match inner.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => return Ok(Some(inner)),
            Ok(_) => {
                let why = "its .git is no folder but leads elsewhere; the platform does not follow it";
                return Err(Failure::unreadable(why));
            }
            Err(_) if folder.join("HEAD").is_file() => return Ok(Some(folder)),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// A repository, open for reading.
pub(super) struct Repository {
    path: PathBuf,
    refs: gix_ref::file::Store,
    objects: gix_odb::Handle,
}

struct Commit {
    tree: ObjectId,
    /// When it was made, in seconds since 1970.
    time: u64,
}

impl Repository {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        // A link where a folder belongs would make a repository outside of the base readable.
        let is_folder = |name: &str| path.join(name).symlink_metadata().is_ok_and(|it| it.is_dir());
        if !is_folder("objects") || !is_folder("refs") {
            return Err(Failure::repository(&path, "its objects or refs are no folder"));
        }
        if path.join("objects/info/alternates").symlink_metadata().is_ok() {
            return Err(Failure::repository(
                &path,
                "it borrows objects of another (alternates); clone it without --shared",
            ));
        }
        if path.join("reftable").symlink_metadata().is_ok() {
            return Err(Failure::repository(
                &path,
                "its refs are a reftable; git refs migrate --ref-format=files",
            ));
        }
        let options =
            gix_odb::store::init::Options { alloc_limit_bytes: Some(MAX_OBJECT), ..Default::default() };
        let objects = gix_odb::at_opts(path.join("objects"), Hash::Sha1, None, options)
            .map_err(|error| Failure::repository(&path, error))?;
        let refs = gix_ref::file::Store::at(path.clone(), Hash::Sha1);
        Ok(Self { path, refs, objects })
    }

    fn broken(&self, error: impl fmt::Display) -> Failure {
        Failure::repository(&self.path, error)
    }

    /// What a branch, or else a tag, of that name points at: in the order of `git clone --branch`.
    fn find(&self, reference: &str) -> Result<Option<ObjectId>, Failure> {
        for kind in ["heads", "tags"] {
            // What cannot be the name of a ref names none.
            let Ok(mut name) = FullName::try_from(format!("refs/{kind}/{reference}")) else {
                return Ok(None);
            };
            for _ in 0..MAX_HOPS {
                let found = self
                    .refs
                    .try_find(name.as_ref().as_partial_name())
                    .map_err(|error| self.broken(error))?;
                match found {
                    // It also looks elsewhere, as git does for short names.
                    Some(found) if found.name == name => match found.target {
                        Target::Object(id) => return Ok(Some(id)),
                        Target::Symbolic(next) => name = next,
                    },
                    _ => break,
                }
            }
        }
        Ok(None)
    }

    /// The commit that `id` is, or that is what it tags.
    fn commit(&self, mut id: ObjectId) -> Result<Commit, Failure> {
        let mut buffer = Vec::new();
        for _ in 0..MAX_HOPS {
            let object = self.objects.find(&id, &mut buffer).map_err(|error| self.broken(error))?;
            match object.kind {
                Object::Tag => {
                    id = TagRefIter::from_bytes(object.data, Hash::Sha1)
                        .target_id()
                        .map_err(|error| self.broken(error))?;
                }
                Object::Commit => {
                    let tree = CommitRefIter::from_bytes(object.data, Hash::Sha1).tree_id();
                    let committer = CommitRefIter::from_bytes(object.data, Hash::Sha1).committer();
                    let time = committer.map(|committer| committer.seconds()).unwrap_or_default();
                    return Ok(Commit {
                        tree: tree.map_err(|error| self.broken(error))?,
                        time: u64::try_from(time).unwrap_or_default(),
                    });
                }
                Object::Tree | Object::Blob => break,
            }
        }
        Err(Failure::unreadable("the ref does not lead to a commit"))
    }

    /// What is in a folder, by the bytes of its names. Git has another order, in which `a.b` comes before the folder `a`.
    fn siblings(&self, tree: ObjectId) -> Result<Vec<Sibling>, Failure> {
        let mut buffer = Vec::new();
        let tree = self.objects.find_tree(&tree, &mut buffer).map_err(|error| self.broken(error))?;
        let mut siblings = Vec::with_capacity(tree.entries.len());
        for entry in tree.entries {
            let name = std::str::from_utf8(entry.filename).map_err(|_| {
                Failure::unreadable(format!(
                    "the name {} is not UTF-8; hosts refuse such plugins",
                    entry.filename
                ))
            })?;
            // Git makes no such names, but a repository may have been written by anything.
            if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
                return Err(Failure::unreadable(format!("{name:?} is no name of a file")));
            }
            siblings.push(Sibling {
                name: name.to_owned(),
                kind: entry.mode.kind(),
                id: entry.oid.to_owned(),
            });
        }
        siblings.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(siblings)
    }

    /// Bytes of a file, without reading it.
    fn size(&self, id: &ObjectId) -> Result<u64, Failure> {
        Ok(self.objects.header(id).map_err(|error| self.broken(error))?.size())
    }

    /// The content of a file. It is in memory as a whole: that is how git packs it.
    pub(super) fn blob(&self, id: &ObjectId) -> Result<Vec<u8>, Failure> {
        let mut buffer = Vec::new();
        let read = self.objects.find_blob(id, &mut buffer).map(|blob| blob.data.len());
        let length = read.map_err(|error| self.broken(error))?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("path", &self.path).finish_non_exhaustive()
    }
}

struct Sibling {
    name: String,
    kind: EntryKind,
    id: ObjectId,
}

/// The files of a commit.
struct Tree<'a> {
    repository: &'a Rc<Repository>,
    root: ObjectId,
    modified: u64,
}

impl Tree<'_> {
    fn walk(&self, folder: ObjectId, at: &str, listing: &mut Listing) -> Result<(), Failure> {
        let siblings = self.repository.siblings(folder)?;
        listing.room_for(siblings.len())?;
        for Sibling { name, kind, id } in siblings {
            // What a clone has of its own there is left out; a tree should have none.
            if name.eq_ignore_ascii_case(".git") {
                continue;
            }
            let path = child(at, &name);
            match kind {
                EntryKind::Tree => {
                    listing.add(self.folder(path.clone()))?;
                    self.walk(id, &path, listing)?;
                }
                // A clone makes an empty folder of a submodule.
                EntryKind::Commit => listing.add(self.folder(path))?,
                EntryKind::Blob => listing.add(self.file(path, id, 0o644)?)?,
                EntryKind::BlobExecutable => listing.add(self.file(path, id, 0o755)?)?,
                EntryKind::Link => match self.linked(at, &id)? {
                    Some((id, mode)) => listing.add(self.file(path, id, mode)?)?,
                    None => tracing::warn!(
                        link = path,
                        "left out of the plugin: leads to no file of its repository"
                    ),
                },
            }
        }
        Ok(())
    }

    fn folder(&self, path: String) -> Entry {
        Entry { path, kind: Kind::Folder, mode: 0o755, modified: self.modified }
    }

    fn file(&self, path: String, id: ObjectId, mode: u32) -> Result<Entry, Failure> {
        let size = self.repository.size(&id)?;
        let content = Content::Git(Rc::clone(self.repository), id);
        Ok(Entry { path, kind: Kind::File { size, content }, mode, modified: self.modified })
    }

    /// The file that a link in the folder `at` leads to, within the repository.
    fn linked(&self, at: &str, link: &ObjectId) -> Result<Option<(ObjectId, u32)>, Failure> {
        /// As Linux has it.
        const MAX_LINKS: usize = 40;
        const MAX_TARGET: u64 = 4096;

        // The folders from the root to where we are, and the names still to follow, the next one last.
        let mut here: Vec<String> =
            at.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mut ahead = Vec::new();
        let mut next = Some(*link);
        for _ in 0..MAX_LINKS {
            let Some(link) = next.take() else { return Ok(None) };
            if self.repository.size(&link)? > MAX_TARGET {
                return Ok(None);
            }
            let Ok(target) = String::from_utf8(self.repository.blob(&link)?) else { return Ok(None) };
            if target.starts_with('/') {
                return Ok(None);
            }
            ahead.extend(
                target.rsplit('/').filter(|name| !name.is_empty() && *name != ".").map(str::to_owned),
            );
            while let Some(name) = ahead.pop() {
                if name == ".." {
                    // Above the root there is nothing of this repository.
                    if here.pop().is_none() {
                        return Ok(None);
                    }
                    continue;
                }
                let Some(found) = self.find_in(&here, &name)? else { return Ok(None) };
                match (found.kind, ahead.is_empty()) {
                    (EntryKind::Tree, false) => here.push(name),
                    (EntryKind::Link, _) => {
                        next = Some(found.id);
                        break;
                    }
                    (EntryKind::Blob, true) => return Ok(Some((found.id, 0o644))),
                    (EntryKind::BlobExecutable, true) => return Ok(Some((found.id, 0o755))),
                    _ => return Ok(None),
                }
            }
        }
        Ok(None)
    }

    fn find_in(&self, folders: &[String], name: &str) -> Result<Option<Sibling>, Failure> {
        let mut tree = self.root;
        for folder in folders {
            let found = self.repository.siblings(tree)?.into_iter().find(|it| it.name == *folder);
            match found {
                Some(Sibling { kind: EntryKind::Tree, id, .. }) => tree = id,
                _ => return Ok(None),
            }
        }
        Ok(self.repository.siblings(tree)?.into_iter().find(|it| it.name == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_repository_cannot_leave_its_folder() {
        for good in ["o/r", "Molecule-AI/molecule-dev", "o/.github", "o/a.b_c", "o/a..b"] {
            assert!(parse(good).is_some(), "{good:?}");
        }
        for bad in [
            "",
            "/",
            "o",
            "o/",
            "/r",
            "o/r/s",
            "../r",
            "o/..",
            "o/.",
            "./r",
            "..",
            "../..",
            "o/../..",
            "o\\r",
            "o/r\\s",
            "o/.git",
            "o/r.git",
            "o/r.GIT",
            ".git/r",
            "o.git/r",
            "/etc/passwd",
            "o/r\0",
            "o/é",
            "-o/r",
            "o/r s",
            "C:/r",
        ] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }
}
