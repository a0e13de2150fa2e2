//! Which names an archive has used, and for what.

use std::collections::HashMap;

use super::path::EntryPath;
use super::{Folding, Limits, Refusal};

/// A folder in the [`Ledger`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FolderId(usize);

impl FolderId {
    /// The plugin's own folder.
    pub(super) const ROOT: Self = Self(0);
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Folder(FolderId),
    File,
    /// Nothing is there: a link was skipped.
    Link,
}

/// Which names an archive has used so far, and for what. Two programs that read an archive in which one name means two
/// things come to two results, so there is none of that; and a name below a skipped link would, elsewhere, be written
/// through it.
///
/// It is asked instead of the disk, where somebody else may have put something; and where the disk disagrees, creating
/// fails.
#[derive(Debug)]
pub(super) struct Ledger {
    names: HashMap<(FolderId, Box<str>), (Box<str>, Taken)>,
    folders: usize,
    implied: u64,
    limit: u64,
    folding: Folding,
}

/// A name that was looked up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This is the first time.
    New,
    Before(Taken),
}

impl Ledger {
    pub(super) fn new(limits: &Limits, folding: Folding) -> Self {
        Self { names: HashMap::new(), folders: 1, implied: 0, limit: limits.entries, folding }
    }

    /// What `name` in `parent` stands for. An error if it is another name that the file system takes for the same.
    pub(super) fn find(&self, parent: FolderId, name: &str, path: &EntryPath) -> Result<Found, Refusal> {
        match self.names.get(&self.key(parent, name)) {
            None => Ok(Found::New),
            Some((before, taken)) if **before == *name => Ok(Found::Before(*taken)),
            Some((before, _)) => Err(Refusal::conflict(
                path.as_str(),
                "has a name that the file system here takes for the same as",
                before,
            )),
        }
    }

    /// Notes a file or a skipped link.
    pub(super) fn note(&mut self, parent: FolderId, name: &str, taken: Taken) {
        self.names.insert(self.key(parent, name), (name.into(), taken));
    }

    /// Notes a folder.
    pub(super) fn note_folder(&mut self, parent: FolderId, name: &str) -> FolderId {
        let id = FolderId(self.folders);
        self.folders += 1;
        self.note(parent, name, Taken::Folder(id));
        id
    }

    /// Notes a folder that has no entry (yet), and is there because something lies in it.
    pub(super) fn note_implied(
        &mut self,
        parent: FolderId,
        name: &str,
        path: &EntryPath,
    ) -> Result<FolderId, Refusal> {
        self.implied += 1;
        if self.implied > self.limit {
            return Err(Refusal::over("folders without an entry of their own", self.limit, path.as_str()));
        }
        Ok(self.note_folder(parent, name))
    }

    fn key(&self, parent: FolderId, name: &str) -> (FolderId, Box<str>) {
        (parent, self.folding.fold(name).into())
    }
}
