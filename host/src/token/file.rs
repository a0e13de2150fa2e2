use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use molecule_protocol::{BearerToken, InvalidToken};
use zeroize::Zeroizing;

use super::TokenError;

/// More than any token: a log file named by mistake is not read whole.
const LONGEST: u64 = 64 * 1024;

/// A file that holds one token as plain text, in the place and form of the Python SDK's, so that both can share it.
///
/// Only its owner may read it. It is replaced whole: a reader, or a crash, meets the old token or the new one.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    loose: LooseFile,
    /// The file as it was when it was last read or written.
    seen: Mutex<Option<Stamp>>,
}

/// What happens to a token file that other users may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LooseFile {
    /// Its permissions are taken back, with a warning: the token may have been read already.
    #[default]
    Tighten,
    /// It is not used.
    Refuse,
}

/// What tells one state of a file from the next. A rename within the clock's grain still changes the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    inode: u64,
    length: u64,
}

impl TokenFile {
    /// A token file at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), loose: LooseFile::default(), seen: Mutex::new(None) }
    }

    /// The same, with another answer to loose permissions.
    #[must_use]
    pub fn when_loose(mut self, loose: LooseFile) -> Self {
        self.loose = loose;
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token, without the blanks around it; `None` where the file is absent or holds nothing else.
    ///
    /// # Errors
    /// [`Read`](TokenError::Read), [`Invalid`](TokenError::Invalid), and [`Loose`](TokenError::Loose) under
    /// [`LooseFile::Refuse`].
    pub fn read(&self) -> Result<Option<BearerToken>, TokenError> {
        let failed = |source| TokenError::Read { path: self.path.clone(), source };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.saw(None);
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        self.judge_mode(&file)?;
        let stamp = file.metadata().map(|it| Stamp::of(&it)).map_err(failed)?;
        let mut text = Zeroizing::new(String::new());
        file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
        self.saw(Some(stamp));
        match text.parse() {
            Ok(token) => Ok(Some(token)),
            Err(InvalidToken::Empty) => Ok(None),
            Err(source) => Err(TokenError::Invalid { from: self.path.display().to_string(), source }),
        }
    }

    /// Replaces the token. When this returns, the new one survives a power failure; on an error the old one is still
    /// there. A missing folder is created, for its owner only.
    ///
    /// # Errors
    /// [`Write`](TokenError::Write).
    pub fn write(&self, token: &BearerToken) -> Result<(), TokenError> {
        let stamp =
            self.replace(token).map_err(|source| TokenError::Write { path: self.path.clone(), source })?;
        self.saw(Some(stamp));
        Ok(())
    }

    /// True if the file is not as it was when this last read or wrote it. Costs one `stat`.
    pub fn changed(&self) -> bool {
        let now = fs::metadata(&self.path).ok().map(|it| Stamp::of(&it));
        now != *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, token: &BearerToken) -> io::Result<Stamp> {
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;

        // In the same folder, because a rename does not cross file systems. One fixed name, so that deaths in between
        // leave one file behind and not many; the lock of the workspace keeps a second writer out.
        let mut draft = self.path.clone().into_os_string();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = (|| {
            // The mode is there from the first instant on: a `chmod` afterwards would come too late for a reader in
            // between.
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(token.expose().as_bytes())?;
            file.sync_all()?;
            let stamp = Stamp::of(&file.metadata()?);
            fs::rename(&draft, &self.path)?;
            Ok(stamp)
        })();
        if written.is_err() {
            // Half a token is of no use to anybody; if it cannot be removed, the next write does.
            let _ = fs::remove_file(&draft);
        }
        // The rename is an entry of the folder, which has to reach the disk as well.
        File::open(folder)?.sync_all()?;
        written
    }

    fn judge_mode(&self, file: &File) -> Result<(), TokenError> {
        let failed = |source| TokenError::Read { path: self.path.clone(), source };
        let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
        if mode & 0o077 == 0 {
            return Ok(());
        }
        if self.loose == LooseFile::Refuse {
            return Err(TokenError::Loose { path: self.path.clone(), mode });
        }
        let path = self.path.display();
        match file.set_permissions(fs::Permissions::from_mode(mode & 0o700)) {
            Ok(()) => tracing::warn!(
                "the token file {path} could be read by other users (mode {mode:04o}); it is now {:04o}. If somebody may have read it, have a new token issued",
                mode & 0o700
            ),
            // A mounted secret, say: it can be used, but not mended from here.
            Err(error) => tracing::warn!(
                "the token file {path} can be read by other users (mode {mode:04o}), and this cannot be changed ({error}); run: chmod 600 {path}"
            ),
        }
        Ok(())
    }

    fn saw(&self, stamp: Option<Stamp>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
    }
}

impl Stamp {
    fn of(file: &fs::Metadata) -> Self {
        Self { modified: file.modified().ok(), inode: file.ino(), length: file.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> BearerToken {
        text.parse().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_token_is_written_for_its_owner_only_in_a_folder_of_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("workspace/.auth_token");
        let file = TokenFile::new(&path);
        assert_eq!(file.read().unwrap(), None);

        file.write(&token("first")).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "first",
            "exactly the token, as the Python SDK writes it"
        );
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(file.read().unwrap(), Some(token("first")));
    }

    #[test]
    fn a_token_is_replaced_by_a_rename_so_that_no_reader_meets_half_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".auth_token");
        let file = TokenFile::new(&path);
        file.write(&token("a-rather-long-first-token")).unwrap();
        let mut before = File::open(&path).unwrap();

        // What a death between the two steps of a write leaves behind does not stop the next one.
        fs::write(folder.path().join(".auth_token.new"), "ha").unwrap();
        file.write(&token("second")).unwrap();

        let mut still = String::new();
        before.read_to_string(&mut still).unwrap();
        assert_eq!(still, "a-rather-long-first-token", "the file that a reader holds open is not touched");
        assert_eq!(file.read().unwrap(), Some(token("second")));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, [".auth_token"]);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::new(folder.path().join(".auth_token"));
        file.write(&token("old")).unwrap();
        // Works as root too, whom permission bits do not stop: a folder stands where the draft would.
        fs::create_dir(folder.path().join(".auth_token.new")).unwrap();
        let error = file.write(&token("hunter2-new")).unwrap_err();
        assert!(matches!(error, TokenError::Write { .. }), "{error}");
        assert!(!error.to_string().contains("hunter2"));
        assert_eq!(file.read().unwrap(), Some(token("old")));
    }

    #[test]
    fn blanks_around_a_token_do_not_count_and_blanks_alone_are_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::new(folder.path().join("t"));
        let write = |text: &str| {
            fs::write(file.path(), text).unwrap();
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        };
        for (text, read) in [(" abc \r\n", Some("abc")), ("abc", Some("abc")), ("", None), (" \n", None)] {
            write(text);
            assert_eq!(file.read().unwrap().as_ref().map(BearerToken::expose), read, "{text:?}");
        }
        write("TOKEN=abc and more");
        let error = file.read().unwrap_err().to_string();
        assert!(error.contains("more than the token") && !error.contains("abc"), "{error}");
    }

    #[test]
    fn a_file_that_others_can_read_is_tightened_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        for loose in [0o644, 0o640, 0o604] {
            fs::write(&path, "abc").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
            let refused = TokenFile::new(&path).when_loose(LooseFile::Refuse).read().unwrap_err();
            assert!(matches!(refused, TokenError::Loose { mode, .. } if mode == loose), "{refused}");
            assert_eq!(mode(&path), loose, "a refused file is left alone");

            assert_eq!(TokenFile::new(&path).read().unwrap(), Some(token("abc")));
            assert_eq!(mode(&path), 0o600, "{loose:o}");
        }
    }

    #[test]
    fn a_token_written_by_hand_is_noticed_and_our_own_writing_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::new(folder.path().join("t"));
        assert!(!file.changed(), "absent, and never seen otherwise");
        file.write(&token("one")).unwrap();
        assert!(!file.changed());
        // Same length, within the same instant: the inode tells.
        TokenFile::new(file.path()).write(&token("two")).unwrap();
        assert!(file.changed());
        assert_eq!(file.read().unwrap(), Some(token("two")));
        assert!(!file.changed());
        fs::remove_file(file.path()).unwrap();
        assert!(file.changed());
    }
}
