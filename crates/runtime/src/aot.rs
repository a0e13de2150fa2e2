//! Compiled components on disk.
//!
//! What wasmtime compiles is native code, and nothing in it proves that it does what its component does. So an
//! artefact is only taken when it carries a tag that was made with this store's key: keyed BLAKE3 over its name and its
//! bytes. The tag is checked over the very bytes that are then loaded, never over a file that could change in between,
//! and an artefact never comes from outside. Whoever can read the key has the rights of this user already.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of the key and of a tag.
const KEY: usize = blake3::KEY_LEN;

/// Compiled components in a folder of their own, bounded: the least recently used go first.
#[derive(Debug)]
pub struct AotStore {
    dir: PathBuf,
    key: [u8; KEY],
    max_bytes: u64,
}

impl AotStore {
    /// Bytes that a store keeps where nothing else is said: some hundred Rust agents, or a dozen in Python.
    pub const MAX_BYTES: u64 = 512 * 1024 * 1024;

    /// Opens the store in `dir`, which is made if need be; nobody else may read it.
    ///
    /// # Errors
    /// When the folder or its key cannot be made or read.
    pub fn open(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let key = read_or_make_key(dir)?;
        Ok(Self { dir: dir.to_owned(), key, max_bytes })
    }

    /// The artefact of this name, if there is one and it is ours.
    pub(crate) fn load(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        let mut file = File::open(&path).ok()?;
        file.read_to_end(&mut bytes).ok()?;
        let (tag, artefact) = bytes.split_first_chunk::<KEY>()?;
        // Compared in constant time.
        if self.tag(name, artefact) != blake3::Hash::from_bytes(*tag) {
            tracing::warn!(path = %path.display(), "a compiled component was damaged or is not ours; compiling it again");
            return None;
        }
        // Its age decides what goes first; a store that cannot be written still works.
        let _ =
            File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        bytes.drain(..KEY);
        Some(bytes)
    }

    /// Keeps an artefact under a name, whole or not at all.
    pub(crate) fn save(&self, name: &str, artefact: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.dir)?;
        file.write_all(self.tag(name, artefact).as_bytes())?;
        file.write_all(artefact)?;
        file.as_file().sync_all()?;
        file.persist(self.path(name)).map_err(|error| error.error)?;
        self.trim(name)
    }

    fn tag(&self, name: &str, artefact: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // The length parts the name from the bytes: no other pair hashes the same input.
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(artefact);
        hasher.finalize()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.cwasm"))
    }

    /// Removes the oldest artefacts beyond the bound, but never the one just saved.
    fn trim(&self, keep: &str) -> io::Result<()> {
        let keep = self.path(keep);
        let mut artefacts = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let is_artefact = entry.path().extension().is_some_and(|extension| extension == "cwasm");
            if let Ok(meta) = entry.metadata()
                && is_artefact
            {
                artefacts.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len(), entry.path()));
            }
        }
        artefacts.sort();
        let mut total: u64 = artefacts.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in artefacts {
            if total <= self.max_bytes {
                break;
            }
            if path != keep && fs::remove_file(&path).is_ok() {
                total = total.saturating_sub(bytes);
            }
        }
        Ok(())
    }
}

/// The store's key; two processes that make it at once agree on one.
fn read_or_make_key(dir: &Path) -> io::Result<[u8; KEY]> {
    let path = dir.join("key");
    if let Some(key) = read_key(&path)? {
        return Ok(key);
    }
    let mut key = [0; KEY];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(key),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => match read_key(&path)? {
            Some(key) => Ok(key),
            // Not a key: what it once tagged is worth nothing, so another one may take its place.
            None => {
                write_private(&path, &key)?;
                Ok(key)
            }
        },
        Err(error) => Err(error.error),
    }
}

fn read_key(path: &Path) -> io::Result<Option<[u8; KEY]>> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes.try_into().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store(dir: &Path) -> AotStore {
        AotStore::open(dir, AotStore::MAX_BYTES).unwrap()
    }

    #[test]
    fn what_was_saved_is_loaded_also_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path()).save("a", b"native").unwrap();
        assert_eq!(store(dir.path()).load("a").as_deref(), Some(&b"native"[..]));
        assert_eq!(store(dir.path()).load("b"), None);
    }

    /// Take the comparison of the tag out of `load` and this fails.
    #[test]
    fn no_byte_can_be_changed_and_no_artefact_renamed() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        store.save("a", b"native").unwrap();
        let good = fs::read(store.path("a")).unwrap();
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 1;
            fs::write(store.path("a"), bad).unwrap();
            assert_eq!(store.load("a"), None, "byte {position}");
        }
        for length in 0..good.len() {
            fs::write(store.path("a"), &good[..length]).unwrap();
            assert_eq!(store.load("a"), None, "{length} bytes");
        }
        fs::write(store.path("b"), &good).unwrap();
        assert_eq!(store.load("b"), None, "renamed");
    }

    #[test]
    fn another_store_s_artefact_is_refused() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        store(theirs.path()).save("a", b"evil").unwrap();
        let ours = store(ours.path());
        fs::copy(theirs.path().join("a.cwasm"), ours.path("a")).unwrap();
        assert_eq!(ours.load("a"), None);
    }

    #[test]
    fn the_folder_and_the_key_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let aot = dir.path().join("aot");
        store(&aot).save("a", b"x").unwrap();
        for (path, mode) in [(aot.clone(), 0o700), (aot.join("key"), 0o600), (aot.join("a.cwasm"), 0o600)] {
            let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{}", path.display());
        }
    }

    #[test]
    fn a_damaged_key_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), b"short").unwrap();
        store(dir.path()).save("a", b"native").unwrap();
        assert!(store(dir.path()).load("a").is_some());
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = AotStore::open(dir.path(), 3 * (KEY as u64 + 100)).unwrap();
        for (age, name) in ["a", "b", "c"].iter().enumerate() {
            store.save(name, &[0; 100]).unwrap();
            let time = SystemTime::now() - std::time::Duration::from_secs(100 - age as u64);
            File::options().append(true).open(store.path(name)).unwrap().set_modified(time).unwrap();
        }
        store.load("a").unwrap();
        store.save("d", &[0; 100]).unwrap();
        let kept: Vec<_> =
            ["a", "b", "c", "d"].into_iter().filter(|name| store.path(name).exists()).collect();
        assert_eq!(kept, ["a", "c", "d"]);
        store.save("e", &[0; 1000]).unwrap();
        assert!(store.path("e").exists());
    }
}
