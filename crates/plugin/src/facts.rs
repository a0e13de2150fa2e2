//! What a plugin says of itself in plugin.yaml, and whether it holds.

use std::io;

use cap_std::fs::Dir;
use serde::Deserialize;

use crate::read::read_start;
use crate::{Digest, yaml};

/// How long plugin.yaml may be, in bytes.
const LONGEST: u64 = 256 * 1024;

/// What a plugin says of itself in plugin.yaml. A field that is missing or null is `None`, or empty; a number or a boolean
/// where text belongs is the text as it is written (`1.10` stays that); fields that are unknown do not matter.
///
/// None of it has been checked: who prints it escapes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Its name: the name of its folder, if it keeps to that.
    pub name: Option<String>,
    /// Its version, in whatever scheme.
    pub version: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Names of folders under `skills/`; [`skills`](crate::skills::skills) says which are there.
    pub skills: Vec<String>,
    /// Files under `rules/`.
    pub rules: Vec<String>,
    /// Pieces of text for the prompt.
    pub prompt_fragments: Vec<String>,
    /// Runtimes that it is for, as written; none: unspecified.
    pub runtimes: Vec<String>,
    /// The [manifest hash](crate::manifest) that it declares, as written. See [`Facts::verify`].
    pub sha256: Option<String>,
}

/// Why nothing is known of a plugin.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A plugin.yaml of more than 256 KiB.
    #[error("plugin.yaml is longer than {LONGEST} bytes")]
    TooLong,
    /// Not YAML, or not a mapping with text and lists of text; also a bomb of aliases.
    #[error("plugin.yaml cannot be read: {0}")]
    Malformed(String),
    /// The disk.
    #[error("cannot read plugin.yaml: {0}")]
    Io(#[from] io::Error),
}

/// A plugin that is as it says, or that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// It is what it declares.
    Matches(Digest),
    /// It declares nothing; this is what it is.
    NothingDeclared(Digest),
}

/// A plugin that is not as it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// What it declares can be no hash at all.
    #[error(
        "plugin.yaml declares the sha256 {declared:?}, which is not 64 hex digits; the plugin's is {actual}"
    )]
    NotAHash {
        /// As it is written, cut to 80 characters.
        declared: String,
        /// What the files give.
        actual: Digest,
    },
    /// Something is different from what its author hashed. A hash in upper case matches nothing, here as on the platform.
    #[error(
        "plugin.yaml declares the sha256 {declared}, and the plugin's is {actual}: its files were changed since"
    )]
    Mismatch {
        /// As it is written.
        declared: String,
        /// What the files give.
        actual: Digest,
    },
}

impl Facts {
    /// Reads plugin.yaml of a plugin's folder; nothing if there is none, which is allowed.
    ///
    /// # Errors
    ///
    /// [`FactsError`]: it cannot be read or understood.
    pub fn read(plugin: &Dir) -> Result<Option<Self>, FactsError> {
        let Some((bytes, whole)) = read_start(plugin, "plugin.yaml", LONGEST)? else { return Ok(None) };
        if !whole {
            return Err(FactsError::TooLong);
        }
        Self::parse(&bytes).map(Some)
    }

    /// Parses what stands in a plugin.yaml; an empty one says nothing.
    ///
    /// # Errors
    ///
    /// [`FactsError::TooLong`] or [`FactsError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FactsError> {
        if bytes.len() as u64 > LONGEST {
            return Err(FactsError::TooLong);
        }
        let written: Option<Written> = yaml::parse(bytes).map_err(FactsError::Malformed)?;
        Ok(written.unwrap_or_default().into())
    }

    /// Compares the [manifest hash](crate::manifest::manifest_hash) of the files with the one that is declared. For a plugin
    /// without plugin.yaml ask `Facts::default()`.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]: the declared one is no hash, or another.
    pub fn verify(&self, actual: Digest) -> Result<Verified, VerifyError> {
        let Some(declared) = &self.sha256 else { return Ok(Verified::NothingDeclared(actual)) };
        if declared.parse::<Digest>().is_err() {
            return Err(VerifyError::NotAHash { declared: declared.chars().take(80).collect(), actual });
        }
        if *declared == actual.to_string() {
            return Ok(Verified::Matches(actual));
        }
        Err(VerifyError::Mismatch { declared: declared.clone(), actual })
    }
}

/// plugin.yaml, with all the nulls that people write.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Written {
    name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    author: Option<String>,
    tags: Option<Vec<Option<String>>>,
    skills: Option<Vec<Option<String>>>,
    rules: Option<Vec<Option<String>>>,
    prompt_fragments: Option<Vec<Option<String>>>,
    runtimes: Option<Vec<Option<String>>>,
    sha256: Option<String>,
}

impl From<Written> for Facts {
    fn from(written: Written) -> Self {
        let list = |list: Option<Vec<Option<String>>>| list.into_iter().flatten().flatten().collect();
        Self {
            name: written.name,
            version: written.version,
            description: written.description,
            author: written.author,
            tags: list(written.tags),
            skills: list(written.skills),
            rules: list(written.rules),
            prompt_fragments: list(written.prompt_fragments),
            runtimes: list(written.runtimes),
            sha256: written.sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Facts {
        Facts::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn all_fields_are_read_and_others_do_not_matter() {
        let text = "name: p\nversion: '1.0'\ndescription: |\n  two\n  lines\nauthor: me\ntags: [a, b]\nskills:\n- s\n\
                    rules:\n  - r.md\nprompt_fragments: [f]\nruntimes: [claude_code]\nsha256: abc\n\
                    other: {a: [1, {b: 2}]}\n";
        let one = |text: &str| vec![text.to_owned()];
        let want = Facts {
            name: Some("p".to_owned()),
            version: Some("1.0".to_owned()),
            description: Some("two\nlines\n".to_owned()),
            author: Some("me".to_owned()),
            tags: vec!["a".to_owned(), "b".to_owned()],
            skills: one("s"),
            rules: one("r.md"),
            prompt_fragments: one("f"),
            runtimes: one("claude_code"),
            sha256: Some("abc".to_owned()),
        };
        assert_eq!(parse(text), want);
    }

    #[test]
    fn a_number_or_a_boolean_is_the_text_that_it_is_written_as() {
        let facts = parse("name: yes\nversion: 1.10\nauthor: 0x10\ntags: [1, true, 2.50]\nsha256: 0012\n");
        assert_eq!(facts.name.as_deref(), Some("yes"));
        assert_eq!(facts.version.as_deref(), Some("1.10"));
        assert_eq!(facts.author.as_deref(), Some("0x10"));
        assert_eq!(facts.tags, ["1", "true", "2.50"]);
        assert_eq!(facts.sha256.as_deref(), Some("0012"));
    }

    #[test]
    fn null_is_what_is_not_there() {
        let nothing = Facts::default();
        for text in [
            "",
            "\n",
            "---\n",
            "# a comment\n",
            "~\n",
            "{}",
            "name:\ntags:\nsha256: null\nskills: [~, null]\n",
        ] {
            assert_eq!(parse(text), nothing, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_mapping_of_text_is_an_error() {
        let malformed = [
            "just text",
            "[a, b]",
            "name: [a]",
            "name: {a: b}",
            "sha256: [a]",
            "tags: {a: b}",
            "name: a\nname: b",
            "sha256: a\nsha256: b",
            "name: \"unclosed",
            "a: b: c",
            "name: *nowhere",
            "--- \nname: a\n---\nname: b\n",
            "name: \"\u{1}\"\n\u{0}",
        ];
        for text in malformed {
            let error = Facts::parse(text.as_bytes()).expect_err(text);
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
        }
        assert!(Facts::parse(b"name: caf\xe9\n").is_err());
    }

    #[test]
    fn a_bomb_of_aliases_is_refused_before_it_grows() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(Facts::parse(bomb.as_bytes()).is_err());
        let in_a_field = format!("t: &t [{}]\ntags: [{}]\n", "x, ".repeat(1_000), "*t, ".repeat(900));
        assert!(Facts::parse(in_a_field.as_bytes()).is_err());
        let deep = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(Facts::parse(deep.as_bytes()).is_err());
        assert_eq!(parse("a: &a text\nname: *a\n").name.as_deref(), Some("text"));
    }

    #[test]
    fn a_long_plugin_yaml_is_refused() {
        let mut text = format!("name: a\n#{}", "x".repeat(LONGEST as usize - 9));
        assert_eq!(text.len() as u64, LONGEST);
        assert_eq!(parse(&text).name.as_deref(), Some("a"));
        text.push('x');
        assert!(matches!(Facts::parse(text.as_bytes()), Err(FactsError::TooLong)));
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let root = tempfile::tempdir().expect("a folder");
        let dir = Dir::open_ambient_dir(root.path(), cap_std::ambient_authority()).expect("it opens");
        assert_eq!(Facts::read(&dir).expect("no file is no error"), None);

        std::fs::write(root.path().join("other"), "name: a").expect("a file");
        std::os::unix::fs::symlink("other", root.path().join("plugin.yaml")).expect("a link");
        assert_eq!(Facts::read(&dir).expect("a link is no file"), None);

        std::fs::remove_file(root.path().join("plugin.yaml")).expect("it goes");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, root.path().join("plugin.yaml"), mode).expect("a FIFO");
        assert_eq!(Facts::read(&dir).expect("a FIFO is no file"), None);

        std::fs::remove_file(root.path().join("plugin.yaml")).expect("it goes");
        std::fs::rename(root.path().join("other"), root.path().join("plugin.yaml")).expect("it moves");
        let facts = Facts::read(&dir).expect("it is read").expect("it is there");
        assert_eq!(facts.name.as_deref(), Some("a"));
    }
}
