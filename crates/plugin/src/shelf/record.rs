//! What is known about an installed tree beyond what lies in it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::ShelfError;
use super::entry::{Entry, Kind};
use super::folder::{Folder, Identity};
use crate::PluginName;

/// What an install knew and did, for whoever lists plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it was asked for, as the platform names it: `local://molecule-dev`, `github://owner/repo#v1`.
    pub source: String,
    /// When, RFC 3339.
    pub installed_at: String,
    /// Hash of its content (64 lower-case hex digits), if that was computed.
    pub manifest_sha256: Option<String>,
    /// Whether its plugin.yaml declares that hash.
    pub verified: bool,
    /// SHA-256 of the archive as it came, compressed (64 lower-case hex digits).
    pub archive_sha256: String,
    /// What came of its setup script, in one line. Nothing if that did not end, or not yet.
    pub setup: Option<String>,
}

/// A file of the work folder. It says of which tree it speaks, so that it says nothing false about another one, whenever
/// the process that writes it dies.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    inode: u64,
    born: Option<SystemTime>,
    record: Record,
}

/// More than one of these has, by far: what is longer was not written here.
const LONGEST: u64 = 64 * 1024;

/// The name of the file that speaks of a tree.
pub(super) fn entry(name: &PluginName, tree: Identity) -> Entry {
    Entry::tagged(Kind::Record, name, tree.inode)
}

/// Writes what is known about a tree, in one step. Only who has the plugin's lock may. Not durable by itself.
pub(super) fn write(
    work: &Folder,
    name: &PluginName,
    tree: Identity,
    record: &Record,
) -> Result<(), ShelfError> {
    let file = entry(name, tree).to_string();
    let failed = |source| work.failed("write", &file)(source);
    let note = Note { inode: tree.inode, born: tree.born, record: record.clone() };
    let text = serde_json::to_vec_pretty(&note).map_err(|error| failed(error.into()))?;
    let partial = Entry::fresh(Kind::Partial, name).map_err(failed)?.to_string();
    let written = (|| {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut beside = File::from(openat(&work.file, &partial, flags, Mode::RUSR | Mode::WUSR)?);
        beside.write_all(&text)?;
        // Without this it might be an empty file after a loss of power, that has replaced a good one.
        beside.sync_data()?;
        work.rename(&partial, work, &file)
    })();
    if written.is_err() {
        let _ = work.unlink(&partial);
    }
    written.map_err(failed)
}

/// What is known about a tree. Nothing if nobody noted anything, or nobody who can be understood.
pub(super) fn read(work: &Folder, name: &PluginName, tree: Identity) -> Result<Option<Record>, ShelfError> {
    let file = entry(name, tree).to_string();
    let opened =
        openat(&work.file, &file, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let opened = match opened {
        Ok(opened) => File::from(opened),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(work.failed("open", &file)(errno)),
    };
    let mut text = Vec::new();
    let read: io::Result<_> = opened.take(LONGEST).read_to_end(&mut text);
    read.map_err(work.failed("read", &file))?;
    let note = serde_json::from_slice::<Note>(&text).ok();
    Ok(note.filter(|note| tree.is(Identity { inode: note.inode, born: note.born })).map(|note| note.record))
}
