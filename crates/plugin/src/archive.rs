//! An archive of a stranger becomes a folder, or does not.
//!
//! A plugin is a gzip'd tar. It streams through here once: unpacked, judged entry by entry, written, and hashed while it is
//! written; nothing of it is held in memory but the list of its names. The crates `flate2` and `tar` know the formats. What
//! is taken is decided here, and the rule is: whatever two programs could read differently, and whatever is not the same
//! on every system, is refused. Links are skipped and named.
//!
//! What is written lies in the folder that was given, whatever the archive says and whoever else writes there meanwhile.

mod entries;
mod error;
mod folding;
mod gunzip;
mod header;
mod ledger;
mod limits;
mod path;
mod pax;
mod tree;

use std::fmt;
use std::io::{Read, Write as _};

use cap_std::fs::Dir;
use sha2::{Digest as _, Sha256};

use crate::Digest;
use entries::{Entries, Entry, What};
use gunzip::Gunzip;
use ledger::{FolderId, Found, Ledger, Taken};
use path::EntryPath;
use tree::{Tree, local};

pub use error::{ArchiveError, Refusal};
pub use folding::Folding;
pub use limits::Limits;

/// What came out of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// The files, in the order of the archive.
    pub files: Vec<ExtractedFile>,
    /// Links that were left out, in the order of the archive: who unpacks says so.
    pub skipped: Vec<SkippedLink>,
    /// Entries of the archive, with the skipped ones.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of the archive itself.
    pub compressed_bytes: u64,
    /// The SHA-256 of the archive itself, gzip'd as it came.
    pub digest: Digest,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractedFile {
    /// Where, relative to the folder, with `/` between plain names.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// The SHA-256 of what was written.
    pub digest: Digest,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// A link that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedLink {
    /// Where it would have been.
    pub path: String,
    /// Symbolic or hard.
    pub kind: LinkKind,
    /// Where it would have led: to be shown, and nothing else. Cut to 200 characters, without control characters.
    pub target: String,
}

impl fmt::Display for SkippedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            LinkKind::Symbolic => "symbolic",
            LinkKind::Hard => "hard",
        };
        write!(f, "the {kind} link {:?} to {:?} is left out: plugins hold no links", self.path, self.target)
    }
}

/// The two kinds of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// A name that stands for another name.
    Symbolic,
    /// A second name of a file.
    Hard,
}

/// How far an extraction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of the body that were read.
    pub received: u64,
    /// Bytes of files that were written.
    pub bytes: u64,
    /// Entries that were begun.
    pub entries: u64,
}

/// Unpacks a plugin's archive, read from `body` to its end, into the empty folder `into`.
///
/// `observe` hears of the progress at each entry and at least every 128 KiB of a file. Files have the mode 0644 or 0755,
/// folders 0755, less the umask; owners and times are those of any new file. Nothing is flushed to the disk: who needs it
/// to survive a crash does that before it puts the folder in its place.
///
/// Whoever wants to stop an extraction lets `body` fail.
///
/// # Errors
///
/// [`ArchiveError`], which tells a body that broke from an archive that is refused and from trouble of our own. What was
/// written until then is still there.
pub fn extract(
    body: impl Read,
    into: &Dir,
    limits: &Limits,
    observe: &mut dyn FnMut(Progress),
) -> Result<Extracted, ArchiveError> {
    let empty = into.entries().map(|mut entries| entries.next().is_none());
    if !empty.map_err(local("read the folder", ""))? {
        let source = std::io::ErrorKind::DirectoryNotEmpty.into();
        return Err(ArchiveError::Local { doing: "begin with", path: String::new(), source });
    }
    let folding = Folding::of(into).map_err(local("try names in the folder", ""))?;
    extract_folding(body, into, limits, folding, observe)
}

/// [`extract`], judging names as for a file system that folds them in this way, whatever the one of `into` does.
///
/// # Errors
///
/// As [`extract`].
pub fn extract_folding(
    body: impl Read,
    into: &Dir,
    limits: &Limits,
    folding: Folding,
    observe: &mut dyn FnMut(Progress),
) -> Result<Extracted, ArchiveError> {
    let entries = Entries::new(Gunzip::new(body, limits), limits);
    let ledger = Ledger::new(limits, folding);
    Extraction { entries, ledger, tree: Tree::new(into), observe, files: Vec::new(), skipped: Vec::new() }
        .run()
}

struct Extraction<'a, R: Read> {
    entries: Entries<'a, R>,
    ledger: Ledger,
    tree: Tree<'a>,
    observe: &'a mut dyn FnMut(Progress),
    files: Vec<ExtractedFile>,
    skipped: Vec<SkippedLink>,
}

impl<R: Read> Extraction<'_, R> {
    fn run(mut self) -> Result<Extracted, ArchiveError> {
        while let Some(Entry { path, what }) = self.entries.next()? {
            self.report();
            // The plugin's own folder is there, and its mode is not the archive's business.
            let Some((folders, name)) = path.split() else { continue };
            let parent = self.descend(folders, &path)?;
            let found = self.ledger.find(parent, name, &path)?;
            match (what, found) {
                (What::Folder, Found::Before(Taken::Folder(_))) => {}
                (What::Folder, Found::New) => {
                    self.tree.create_folder(name, path.as_str())?;
                    self.ledger.note_folder(parent, name);
                }
                (What::File { executable, .. }, Found::New) => {
                    self.ledger.note(parent, name, Taken::File);
                    self.file(name, executable, &path)?;
                }
                (What::Link { kind, target }, Found::New | Found::Before(Taken::Link)) => {
                    self.ledger.note(parent, name, Taken::Link);
                    self.skipped.push(SkippedLink { path: path.as_str().to_owned(), kind, target });
                }
                (_, Found::Before(taken)) => {
                    let problem = match taken {
                        Taken::Folder(_) => "takes the name of the folder",
                        Taken::File => "takes the name of the file",
                        Taken::Link => "takes the name of the link",
                    };
                    return Err(Refusal::conflict(path.as_str(), problem, path.as_str()).into());
                }
            }
        }
        self.report();
        let stream = self.entries.stream();
        Ok(Extracted {
            files: self.files,
            skipped: self.skipped,
            entries: self.entries.count(),
            bytes: self.entries.unpacked(),
            compressed_bytes: stream.received(),
            digest: stream.digest(),
        })
    }

    /// Opens the folder that an entry lies in, and creates what is missing of the way there.
    fn descend<'p>(
        &mut self,
        folders: impl Iterator<Item = &'p str>,
        path: &EntryPath,
    ) -> Result<FolderId, ArchiveError> {
        let (mut parent, mut depth, mut end) = (FolderId::ROOT, 0, 0);
        for name in folders {
            end += name.len() + usize::from(depth > 0);
            depth += 1;
            let way = path.as_str().get(..end).unwrap_or_default();
            let folder = match self.ledger.find(parent, name, path)? {
                Found::Before(Taken::Folder(folder)) if self.tree.is_open(depth, folder) => {
                    parent = folder;
                    continue;
                }
                Found::Before(Taken::Folder(folder)) => {
                    self.tree.back_to(depth - 1);
                    folder
                }
                Found::New => {
                    self.tree.back_to(depth - 1);
                    let folder = self.ledger.note_implied(parent, name, path)?;
                    self.tree.create_folder(name, way)?;
                    folder
                }
                Found::Before(Taken::File) => {
                    return Err(Refusal::conflict(path.as_str(), "lies below the file", way).into());
                }
                Found::Before(Taken::Link) => {
                    return Err(Refusal::conflict(path.as_str(), "lies below the link", way).into());
                }
            };
            self.tree.enter(name, folder, way)?;
            parent = folder;
        }
        self.tree.back_to(depth);
        Ok(parent)
    }

    fn file(&mut self, name: &str, executable: bool, path: &EntryPath) -> Result<(), ArchiveError> {
        let mut file = self.tree.create_file(name, executable, path.as_str())?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        loop {
            let data = self.entries.data()?;
            let length = data.len();
            if length == 0 {
                break;
            }
            file.write_all(data).map_err(local("write to the file", path.as_str()))?;
            hash.update(data);
            size += length as u64;
            self.entries.consume(length);
            self.report();
        }
        self.files.push(ExtractedFile {
            path: path.as_str().to_owned(),
            size,
            digest: Digest::from(hash),
            executable,
        });
        Ok(())
    }

    fn report(&mut self) {
        (self.observe)(Progress {
            received: self.entries.stream().received(),
            bytes: self.entries.unpacked(),
            entries: self.entries.count(),
        });
    }
}
