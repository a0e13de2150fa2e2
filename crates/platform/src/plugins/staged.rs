//! The files of a plugin, known by name and size, not yet read.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use gix_hash::ObjectId;

use super::failure::Failure;
use super::git::Repository;

/// The most bytes that the files of a plugin may have together: what the real platform takes.
const MAX_BYTES: u64 = 100 * 1024 * 1024;

/// The most files and folders of a plugin. The real platform has no such limit; without one a small repository could name
/// its trees so often that listing it fills the memory. Hosts take 9,999.
const MAX_ENTRIES: usize = 50_000;

/// How deep folders may lie in one another. Hosts take 64.
const MAX_DEPTH: usize = 128;

/// A plugin that was found.
#[derive(Debug)]
pub(crate) struct Staged {
    /// As its source calls it.
    pub(crate) name: String,
    /// In the order of the archive: a folder before what is in it, siblings by their bytes.
    pub(super) entries: Vec<Entry>,
    deadline: Deadline,
}

impl Staged {
    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path && matches!(entry.kind, Kind::File { .. }))
    }

    /// The bytes of a file: as many as were announced, or an error that is a [`Failure`].
    pub(super) fn open(&self, content: &Content, size: u64) -> Result<impl Read, Failure> {
        Ok(Exactly { content: content.open()?, left: size, deadline: self.deadline })
    }

    /// A file of at most `limit` bytes.
    pub(crate) fn small_file(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        let Some(Entry { kind: Kind::File { size, content }, .. }) = self.file(path) else { return Ok(None) };
        if *size > limit {
            return Err(Failure::NotIntact(format!("{path} has more than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        self.open(content, *size)?.read_to_end(&mut bytes).map_err(Failure::of_archive)?;
        Ok(Some(bytes))
    }
}

/// A file or folder of a plugin.
#[derive(Debug)]
pub(super) struct Entry {
    /// Relative to the plugin, with `/`.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// The permission bits.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: u64,
}

#[derive(Debug)]
pub(super) enum Kind {
    Folder,
    File {
        /// Bytes.
        size: u64,
        content: Content,
    },
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub(super) enum Content {
    Disk(PathBuf),
    Git(Rc<Repository>, ObjectId),
}

impl Content {
    fn open(&self) -> Result<Box<dyn Read>, Failure> {
        match self {
            Self::Disk(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) => Err(Failure::disk(path, &error)),
            },
            Self::Git(repository, id) => Ok(Box::new(io::Cursor::new(repository.blob(id)?))),
        }
    }
}

/// Collects the files of a plugin, and stops where it is too much.
#[derive(Debug)]
pub(super) struct Listing {
    entries: Vec<Entry>,
    bytes: u64,
    deadline: Deadline,
}

impl Listing {
    pub(super) fn new(deadline: Deadline) -> Self {
        Self { entries: Vec::new(), bytes: 0, deadline }
    }

    pub(super) fn add(&mut self, entry: Entry) -> Result<(), Failure> {
        self.deadline.check()?;
        if let Kind::File { size, .. } = entry.kind {
            self.bytes = self.bytes.saturating_add(size);
        }
        if self.bytes > MAX_BYTES {
            return Err(Failure::TooLarge("its files have more than 100 MiB together"));
        }
        if entry.path.split('/').count() > MAX_DEPTH {
            return Err(Failure::TooLarge("its folders lie more than 128 deep"));
        }
        self.entries.push(entry);
        self.room_for(0)
    }

    /// Fails if so many siblings are too many.
    pub(super) fn room_for(&self, more: usize) -> Result<(), Failure> {
        match self.entries.len().saturating_add(more) > MAX_ENTRIES {
            true => Err(Failure::TooLarge("it has more than 50,000 files and folders")),
            false => Ok(()),
        }
    }

    pub(super) fn into_staged(self, name: String) -> Staged {
        Staged { name, entries: self.entries, deadline: self.deadline }
    }
}

/// The path of what is called `name` in the folder `parent`, which is empty for the plugin itself.
pub(super) fn child(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}

/// When to give up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn at(time: Instant) -> Self {
        Self(time)
    }

    fn check(self) -> Result<(), Failure> {
        if Instant::now() < self.0 { Ok(()) } else { Err(Failure::TimedOut) }
    }
}

/// Reads as many bytes as the archive has announced: a file that is written to meanwhile must not shift what follows it.
struct Exactly {
    content: Box<dyn Read>,
    left: u64,
    deadline: Deadline,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.deadline.check().map_err(io::Error::other)?;
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = match buffer.get_mut(..most) {
            Some(room) => self.content.read(room),
            None => Ok(0),
        };
        match read {
            Ok(0) => Err(io::Error::other(Failure::unreadable("a file became shorter while it was read"))),
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                Err(io::Error::other(Failure::unreadable(format!("a file cannot be read: {error}"))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn file(path: &str, size: u64) -> Entry {
        let kind = Kind::File { size, content: Content::Disk(PathBuf::new()) };
        Entry { path: path.to_owned(), kind, mode: 0o644, modified: 0 }
    }

    fn listing() -> Listing {
        Listing::new(Deadline::at(Instant::now() + Duration::from_secs(60)))
    }

    fn exactly(content: &'static [u8], left: u64) -> io::Result<Vec<u8>> {
        let deadline = Deadline::at(Instant::now() + Duration::from_secs(60));
        let mut bytes = Vec::new();
        Exactly { content: Box::new(content), left, deadline }.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn the_bytes_of_all_files_together_are_limited_to_the_byte() {
        let mut listing = listing();
        listing.add(file("a", MAX_BYTES - 1)).unwrap();
        listing.add(file("b", 1)).unwrap();
        assert!(matches!(listing.add(file("c", 1)), Err(Failure::TooLarge(_))));
        assert!(matches!(listing.add(file("d", u64::MAX)), Err(Failure::TooLarge(_))));
    }

    #[test]
    fn so_are_entries_and_depth() {
        let mut entries = listing();
        for number in 0..MAX_ENTRIES {
            entries.add(file(&number.to_string(), 0)).unwrap();
        }
        assert!(matches!(entries.room_for(1), Err(Failure::TooLarge(_))));
        assert!(matches!(entries.add(file("more", 0)), Err(Failure::TooLarge(_))));
        let mut depth = listing();
        depth.add(file(&vec!["a"; MAX_DEPTH].join("/"), 0)).unwrap();
        assert!(matches!(depth.add(file(&vec!["a"; MAX_DEPTH + 1].join("/"), 0)), Err(Failure::TooLarge(_))));
    }

    #[test]
    fn a_file_that_grew_is_cut_and_one_that_shrank_is_an_error() {
        assert_eq!(exactly(b"abc", 3).unwrap(), b"abc");
        assert_eq!(exactly(b"abcd", 3).unwrap(), b"abc");
        let error = exactly(b"ab", 3).unwrap_err();
        assert!(matches!(Failure::of_archive(error), Failure::Unreadable(_)));
    }

    /// Nobody waits for the answer then, but the thread would still be at it.
    #[test]
    fn past_the_deadline_nothing_more_is_listed_or_read() {
        let deadline = Deadline::at(Instant::now());
        assert!(matches!(Listing::new(deadline).add(file("a", 0)), Err(Failure::TimedOut)));
        let mut late = Exactly { content: Box::new(b"abc".as_slice()), left: 3, deadline };
        let error = late.read(&mut [0; 3]).unwrap_err();
        assert!(matches!(Failure::of_archive(error), Failure::TimedOut));
    }
}
