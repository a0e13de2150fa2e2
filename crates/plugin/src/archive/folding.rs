//! Which names a file system takes for the same.

use std::borrow::Cow;
use std::io;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};
use unicode_normalization::UnicodeNormalization as _;

/// Which names a file system takes for the same: a property of the folder and not of the system (ext4 and NTFS have it by
/// folder, APFS by volume).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folding {
    /// `README` is `readme`.
    pub case: bool,
    /// A letter with its accent in one code point is the letter and its accent in two.
    pub unicode: bool,
}

impl Folding {
    /// Every name is its own, as on ext4, XFS and tmpfs.
    pub const NONE: Self = Self { case: false, unicode: false };

    /// Finds out what a folder does by creating a file and asking for it under another name. The file is gone afterwards.
    ///
    /// # Errors
    ///
    /// The folder cannot be written to.
    pub fn of(folder: &Dir) -> io::Result<Self> {
        let case = same(folder, ".folding-a", ".FOLDING-A")?;
        let unicode = same(folder, ".folding-\u{e9}", ".folding-e\u{301}")?;
        Ok(Self { case, unicode })
    }

    /// The form that all names have in common that are one for the file system. Where it folds at all, more is folded here
    /// than any of them does: which letters count as equal differs between them and their versions, and refusing one name
    /// too many is the better error.
    pub(super) fn fold<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if *self == Self::NONE || (name.is_ascii() && !self.case) {
            return Cow::Borrowed(name);
        }
        if name.is_ascii() {
            return Cow::Owned(name.to_ascii_lowercase());
        }
        // NFKD first, so that a letter and its accent are two; ext4 and APFS leave invisible characters out.
        let decomposed: String = name.nfkd().filter(|c| !is_ignorable(*c)).collect();
        if self.case {
            // By way of the upper case: `ß` and `ss`, and both forms of the small sigma, meet only there.
            let lower = decomposed.to_lowercase().to_uppercase().to_lowercase();
            return Cow::Owned(lower.replace('ς', "σ").nfkd().collect());
        }
        Cow::Owned(decomposed)
    }
}

/// Whether what was created under one name is found under another.
fn same(folder: &Dir, created: &str, asked: &str) -> io::Result<bool> {
    folder.open_with(created, OpenOptions::new().write(true).create_new(true).follow(FollowSymlinks::No))?;
    let found = folder.symlink_metadata(asked);
    folder.remove_file(created)?;
    match found {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The characters without an own form that matter here (Unicode: Default_Ignorable_Code_Point).
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Folding = Folding { case: true, unicode: true };

    #[test]
    fn names_that_some_file_system_takes_for_one_fold_to_one() {
        let pairs = [
            ("README.md", "readme.MD"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("CAF\u{c9}", "cafe\u{301}"),
            ("straße", "STRASSE"),
            ("ΣΑΣ", "σας"),
            ("\u{212b}", "\u{e5}"),
            ("\u{1e9e}", "ss"),
            ("a\u{200d}b", "AB"),
            ("ﬁ", "FI"),
        ];
        for (one, other) in pairs {
            assert_eq!(BOTH.fold(one), BOTH.fold(other), "{one:?} {other:?}");
        }
        assert_ne!(BOTH.fold("a"), BOTH.fold("b"));
    }

    #[test]
    fn what_is_not_folded_stays_as_it_is() {
        assert_eq!(Folding::NONE.fold("CAF\u{c9}"), "CAF\u{c9}");
        let unicode = Folding { case: false, unicode: true };
        assert_ne!(unicode.fold("A"), unicode.fold("a"));
        assert_eq!(unicode.fold("\u{e9}"), unicode.fold("e\u{301}"));
    }

    #[test]
    fn asking_a_folder_leaves_nothing_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).expect("it opens");
        Folding::of(&dir).expect("an answer");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a listing").count(), 0);
    }
}
