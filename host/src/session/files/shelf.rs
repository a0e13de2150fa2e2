//! The folder of files that came with messages.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use molecule_runtime::FetchBody;
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

/// Files that are kept. The oldest go first.
const MOST: usize = 1024;
/// Bytes of all of them.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// A folder of files, each under the hash of its address: `<32 hex>-<name>`, with what else is known of it in
/// `<32 hex>.json`.
#[derive(Debug)]
pub(crate) struct Shelf(PathBuf);

/// A file that is there.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    pub(super) name: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) size: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Facts {
    file: String,
    name: Option<String>,
    media_type: Option<String>,
}

impl Shelf {
    /// The folder is made when it is needed.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// The file of an address, if it is there.
    pub(super) fn find(&self, uri: &str) -> Option<Kept> {
        let facts = std::fs::read(self.0.join(format!("{}.json", key(uri)))).ok()?;
        let Facts { file, name, media_type } = serde_json::from_slice(&facts).ok()?;
        let path = self.0.join(file);
        let size = std::fs::metadata(&path).ok()?.len();
        Some(Kept { path, name, media_type, size })
    }

    /// Begins to write the file of an address.
    pub(super) fn begin(&self, uri: &str, name: Option<&str>, media_type: Option<&str>) -> io::Result<Slot> {
        std::fs::create_dir_all(&self.0)?;
        self.make_room()?;
        let key = key(uri);
        let facts = Facts {
            file: format!("{key}-{}", plain(name.unwrap_or("unnamed"))),
            name: name.map(str::to_owned),
            media_type: media_type.map(str::to_owned),
        };
        // Another's, of a host that died: it is written anew.
        let part = self.0.join(format!("{key}.part"));
        let file = File::from_std(std::fs::File::create(&part)?);
        Ok(Slot { folder: self.0.clone(), key, part, file, facts })
    }

    fn make_room(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if entry.path().extension().is_none_or(|it| it != "json") {
                files.push((about.modified()?, about.len(), entry.path()));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        let mut count = files.len();
        for (_, size, path) in files {
            if count < MOST && bytes < MOST_BYTES {
                break;
            }
            std::fs::remove_file(&path)?;
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.get(..KEY));
            if let Some(key) = name {
                // Without its file it says nothing any more.
                let _ = std::fs::remove_file(self.0.join(format!("{key}.json")));
            }
            (count, bytes) = (count - 1, bytes.saturating_sub(size));
        }
        Ok(())
    }
}

/// A file that is being written. Dropped, it is not there.
pub(super) struct Slot {
    folder: PathBuf,
    key: String,
    part: PathBuf,
    file: File,
    facts: Facts,
}

impl Slot {
    pub(super) async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece).await
    }

    /// Makes it durable, and found.
    pub(super) async fn finish(mut self) -> io::Result<Kept> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let path = self.folder.join(&self.facts.file);
        fs::rename(&self.part, &path).await?;
        let facts = self.folder.join(format!("{}.json", self.key));
        let written = self.folder.join(format!("{}.json.part", self.key));
        fs::write(&written, serde_json::to_vec(&self.facts)?).await?;
        File::open(&written).await?.sync_all().await?;
        fs::rename(&written, &facts).await?;
        File::open(&self.folder).await?.sync_all().await?;
        let size = fs::metadata(&path).await?.len();
        let Facts { name, media_type, .. } = std::mem::take(&mut self.facts);
        Ok(Kept { path, name, media_type, size })
    }
}

impl Kept {
    /// Its bytes, read as they are wanted.
    pub(super) async fn read(&self) -> io::Result<FetchBody> {
        let pieces = ReaderStream::new(File::open(&self.path).await?);
        let frames = pieces.map_ok(Frame::<Bytes>::data).map_err(|error| super::broken(&error));
        Ok(StreamBody::new(frames).boxed_unsync())
    }
}

/// Hexadecimal digits of a key.
const KEY: usize = 32;

fn key(uri: &str) -> String {
    blake3::hash(uri.as_bytes()).to_hex().chars().take(KEY).collect()
}

/// A name that stays in its folder and harms no terminal, of at most 100 bytes.
fn plain(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() || "._-".contains(it) { it } else { '_' })
        .take(100)
        .collect();
    if plain.is_empty() { "unnamed".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn keep(shelf: &Shelf, uri: &str, name: &str, content: &[u8]) -> Kept {
        let mut slot = shelf.begin(uri, Some(name), Some("text/plain")).unwrap();
        slot.write(content).await.unwrap();
        slot.finish().await.unwrap()
    }

    #[tokio::test]
    async fn a_file_is_found_by_its_address_with_all_that_is_known_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("uploads"));
        assert!(shelf.find("platform-pending:w/f").is_none());
        keep(&shelf, "platform-pending:w/f", "../../etc/passwd\n", b"content").await;
        let kept = shelf.find("platform-pending:w/f").unwrap();
        assert_eq!((kept.size, kept.media_type.as_deref()), (7, Some("text/plain")));
        assert_eq!(kept.name.as_deref(), Some("../../etc/passwd\n"), "what the user called it");
        assert!(kept.path.starts_with(shelf.folder()), "{:?}", kept.path);
        let body = kept.read().await.unwrap().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"content");
        assert!(shelf.find("platform-pending:w/g").is_none());
    }

    #[tokio::test]
    async fn a_file_that_was_half_written_is_not_there_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().to_owned());
        let mut slot = shelf.begin("u", Some("a"), None).unwrap();
        slot.write(b"half").await.unwrap();
        drop(slot);
        assert!(shelf.find("u").is_none());
        assert_eq!(keep(&shelf, "u", "a", b"whole").await.size, 5);
    }

    #[tokio::test]
    async fn there_is_an_end_to_how_many_are_kept_and_the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().to_owned());
        for index in 0..MOST {
            std::fs::write(folder.path().join(format!("{index:032}-old")), "x").unwrap();
        }
        let oldest = std::fs::File::open(folder.path().join(format!("{:032}-old", 7))).unwrap();
        oldest.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        keep(&shelf, "u", "new", b"new").await;
        assert!(!folder.path().join(format!("{:032}-old", 7)).exists());
        assert!(folder.path().join(format!("{:032}-old", 8)).exists());
        assert!(shelf.find("u").is_some());
    }
}
