//! The archive of a plugin.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::failure::Failure;
use super::staged::{Kind, Staged};

/// Writes the archive, a gzip'd tar, to a file without a name in the system's temporary folder, which is gone once nobody
/// has it open, also after a `kill -9`. It is whole when this returns, and stands at its beginning.
///
/// Paths are relative to the plugin, without a leading `./`; a folder has an entry of its own, without a trailing slash; there
/// are files and folders and nothing else. The same files give the same bytes.
///
/// It must not run where waiting for a disk is not allowed.
pub(crate) fn pack(staged: &Staged) -> Result<File, Failure> {
    let file = tempfile::tempfile().map_err(Failure::CannotPack)?;
    // Fast: it goes to this machine or its neighbour.
    let gzip = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let mut archive = Builder::new(gzip);
    for entry in &staged.entries {
        let mut header = Header::new_ustar();
        header.set_mode(entry.mode);
        header.set_mtime(entry.modified);
        header.set_uid(0);
        header.set_gid(0);
        match &entry.kind {
            Kind::Folder => {
                header.set_entry_type(EntryType::Directory);
                header.set_size(0);
                archive.append_data(&mut header, &entry.path, std::io::empty())
            }
            Kind::File { size, content } => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(*size);
                archive.append_data(&mut header, &entry.path, staged.open(content, *size)?)
            }
        }
        .map_err(Failure::of_archive)?;
    }
    let written = archive.into_inner().and_then(GzEncoder::finish).map_err(Failure::of_archive)?;
    let mut file = written.into_inner().map_err(|error| Failure::CannotPack(error.into_error()))?;
    file.flush().and_then(|()| file.rewind()).map_err(Failure::CannotPack)?;
    Ok(file)
}
