//! Where archives are unpacked, and what lies around.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use molecule_plugin::Digest;
use molecule_plugin::archive::{
    ArchiveError, Extracted, Folding, Limits, Progress, extract, extract_folding,
};

/// A folder to unpack into, with neighbours that nobody may touch.
pub(crate) struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("w/dest")).expect("the target");
        fs::create_dir_all(root.path().join("w/dest-evil")).expect("a neighbour");
        fs::write(root.path().join("w/escape.txt"), "mine").expect("a neighbour");
        Self { root }
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.root.path().join("w/dest")
    }

    pub(crate) fn extract(&self, archive: &[u8]) -> Result<Extracted, ArchiveError> {
        self.extract_from(archive)
    }

    pub(crate) fn extract_from(&self, body: impl Read) -> Result<Extracted, ArchiveError> {
        self.extract_watched(body, &mut |_| {})
    }

    pub(crate) fn extract_watched(
        &self,
        body: impl Read,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<Extracted, ArchiveError> {
        extract(body, &self.into(), &Limits::default(), observe)
    }

    pub(crate) fn extract_within(&self, archive: &[u8], limits: &Limits) -> Result<Extracted, ArchiveError> {
        extract(archive, &self.into(), limits, &mut |_| {})
    }

    pub(crate) fn extract_folding(
        &self,
        archive: &[u8],
        folding: Folding,
    ) -> Result<Extracted, ArchiveError> {
        extract_folding(archive, &self.into(), &Limits::default(), folding, &mut |_| {})
    }

    fn into(&self) -> Dir {
        Dir::open_ambient_dir(self.target(), ambient_authority()).expect("it opens")
    }

    /// Everything outside the target.
    pub(crate) fn outside(&self) -> BTreeMap<PathBuf, String> {
        let mut all = listing(self.root.path());
        all.retain(|path, _| !path.starts_with("w/dest"));
        all
    }
}

/// Every file and folder below `root`, with mode and content.
pub(crate) fn listing(root: &Path) -> BTreeMap<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a listing") {
            let path = entry.expect("an entry").path();
            let metadata = path.symlink_metadata().expect("metadata");
            let mode = metadata.permissions().mode() & 0o7777;
            let what = if metadata.is_dir() {
                folders.push(path.clone());
                format!("folder {mode:o}")
            } else if metadata.is_file() {
                format!("file {mode:o} {}", Digest::of(&fs::read(&path).expect("content")))
            } else {
                "neither".to_owned()
            };
            all.insert(path.strip_prefix(root).expect("below it").to_owned(), what);
        }
    }
    all
}

/// What the umask of whoever runs the tests leaves of a mode.
pub(crate) fn less_the_umask(mode: u32) -> u32 {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(folder.path().join("a")).expect("a file");
    file.metadata().expect("metadata").permissions().mode() & 0o7777
}
