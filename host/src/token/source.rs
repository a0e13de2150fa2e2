use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use molecule_protocol::BearerToken;
use zeroize::Zeroizing;

use super::{LooseFile, TokenError, TokenFile};

/// The variable that holds a token itself.
pub const TOKEN_VARIABLE: &str = "MOLECULE_WORKSPACE_TOKEN";
/// The variable that names a file with a token.
pub const TOKEN_FILE_VARIABLE: &str = "MOLECULE_WORKSPACE_TOKEN_FILE";

/// What an operator gave, before it is decided what counts.
#[derive(Default)]
pub struct TokenInputs {
    /// `--token-file`; `-` means standard input.
    pub flag: Option<PathBuf>,
    /// The value of [`TOKEN_VARIABLE`].
    pub variable: Option<String>,
    /// The value of [`TOKEN_FILE_VARIABLE`].
    pub file_variable: Option<PathBuf>,
    /// What happens to files that other users may read.
    pub loose: LooseFile,
}

/// Where a workspace's token comes from.
///
/// | first that is given | on a reload |
/// | --- | --- |
/// | `--token-file FILE` | read again |
/// | `--token-file -` | as it was: standard input is read once |
/// | `MOLECULE_WORKSPACE_TOKEN` | as it was |
/// | `MOLECULE_WORKSPACE_TOKEN_FILE` | read again |
/// | the cached file of the workspace | read again |
///
/// Empty variables count as not given. What came from outside is not copied into the cached file; only a token that
/// the platform issues to us goes there.
pub struct TokenSource {
    given: Option<Given>,
    cached: TokenFile,
}

enum Given {
    File { file: TokenFile, by: &'static str },
    Value { token: BearerToken, by: &'static str },
}

impl TokenSource {
    /// The cached file alone.
    pub fn cached(cached: TokenFile) -> Self {
        Self { given: None, cached }
    }

    /// A token that the embedding program has, ahead of the cached file.
    pub fn value(token: BearerToken, cached: TokenFile) -> Self {
        Self { given: Some(Given::Value { token, by: "the embedding program" }), cached }
    }

    /// Decides what counts. Reads `stdin` to its end if, and only if, the flag says so.
    ///
    /// # Errors
    /// [`Stdin`](TokenError::Stdin), and [`Missing`](TokenError::Missing) or [`Invalid`](TokenError::Invalid) for a
    /// value that was given. Files are looked at by [`load`](Self::load).
    pub fn choose(inputs: TokenInputs, stdin: impl Read, cached: TokenFile) -> Result<Self, TokenError> {
        let cached = cached.when_loose(inputs.loose);
        let file =
            |path: PathBuf, by| Given::File { file: TokenFile::new(path).when_loose(inputs.loose), by };
        let variable = inputs.variable.map(Zeroizing::new).filter(|it| !it.trim().is_empty());
        let file_variable = inputs.file_variable.filter(|it| !it.as_os_str().is_empty());
        let given = match (inputs.flag, variable, file_variable) {
            (Some(flag), _, _) if flag.as_os_str() == "-" => {
                let mut text = Zeroizing::new(String::new());
                stdin.take(64 * 1024).read_to_string(&mut text).map_err(TokenError::Stdin)?;
                Some(given_value(&text, "standard input")?)
            }
            (Some(flag), _, _) => Some(file(flag, "--token-file")),
            (None, Some(text), _) => Some(given_value(&text, TOKEN_VARIABLE)?),
            (None, None, Some(path)) => Some(file(path, TOKEN_FILE_VARIABLE)),
            (None, None, None) => None,
        };
        Ok(Self { given, cached })
    }

    /// The token to begin with; `None` where nothing was given and nothing is cached, as before the first
    /// registration.
    ///
    /// # Errors
    /// As [`TokenFile::read`]; [`Missing`](TokenError::Missing) where a file was named and holds none.
    pub fn load(&self) -> Result<Option<BearerToken>, TokenError> {
        match &self.given {
            None => self.cached.read(),
            Some(given) => given.read().map(Some),
        }
    }

    /// The first token, in the order of the table, that is not the one that the platform has just refused.
    ///
    /// So a token that was issued to us is found behind an older one that the operator still gives.
    ///
    /// # Errors
    /// As [`load`](Self::load), if no source has another token and one could not be read.
    pub fn reload(&self, refused: Option<&BearerToken>) -> Result<Option<BearerToken>, TokenError> {
        let given = self.given.as_ref().map(|given| given.read().map(Some));
        let mut failure = None;
        for read in given.into_iter().chain(std::iter::once_with(|| self.cached.read())) {
            match read {
                Ok(Some(token)) if refused != Some(&token) => return Ok(Some(token)),
                Ok(_) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// True if a file among the sources is not as it was when it was last read: time for a reload.
    pub fn changed(&self) -> bool {
        matches!(&self.given, Some(Given::File { file, .. }) if file.changed()) || self.cached.changed()
    }

    /// Puts a token in the place of the one that counts: into the file that was given, and into the cached one where the
    /// operator gave the token itself.
    ///
    /// # Errors
    /// As [`TokenFile::write`].
    pub fn store(&self, token: &BearerToken) -> Result<(), TokenError> {
        match &self.given {
            Some(Given::File { file, .. }) => file.write(token),
            Some(Given::Value { .. }) | None => self.cached.write(token),
        }
    }

    /// Where that is, and what goes before it all the same.
    pub fn stored(&self) -> (PathBuf, Option<&'static str>) {
        match &self.given {
            Some(Given::File { file, .. }) => (file.path().to_owned(), None),
            Some(Given::Value { by, .. }) => (self.cached.path().to_owned(), Some(by)),
            None => (self.cached.path().to_owned(), None),
        }
    }

    /// Keeps a token that the platform issued.
    ///
    /// # Errors
    /// As [`TokenFile::write`].
    pub fn keep(&self, token: &BearerToken) -> Result<(), TokenError> {
        self.cached.write(token)
    }
}

impl Given {
    fn read(&self) -> Result<BearerToken, TokenError> {
        match self {
            Self::Value { token, .. } => Ok(token.clone()),
            Self::File { file, .. } => {
                file.read()?.ok_or_else(|| TokenError::Missing { from: self.to_string() })
            }
        }
    }
}

fn given_value(text: &str, by: &'static str) -> Result<Given, TokenError> {
    match text.parse() {
        Ok(token) => Ok(Given::Value { token, by }),
        Err(molecule_protocol::InvalidToken::Empty) => Err(TokenError::Missing { from: by.to_owned() }),
        Err(source) => Err(TokenError::Invalid { from: by.to_owned(), source }),
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { by, .. } => f.write_str(by),
            Self::File { file, by } => write!(f, "{} ({by})", file.path().display()),
        }
    }
}

/// Where the token comes from, for people: `/run/token (--token-file)`.
impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given {
            Some(given) => given.fmt(f),
            None => self.cached.path().display().fmt(f),
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSource({self})")
    }
}

impl fmt::Debug for TokenInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = self.variable.as_ref().map(|_| "…");
        f.debug_struct("TokenInputs")
            .field("flag", &self.flag)
            .field("variable", &variable)
            .field("file_variable", &self.file_variable)
            .field("loose", &self.loose)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn token(text: &str) -> BearerToken {
        text.parse().unwrap()
    }

    fn write(path: &Path, text: &str) -> PathBuf {
        TokenFile::new(path).write(&token(text)).unwrap();
        path.to_owned()
    }

    #[test]
    fn the_first_source_that_is_given_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (flag, named, cached) =
            (write(&at("flag"), "by-flag"), write(&at("named"), "by-file"), write(&at("cached"), "cached"));
        let variable = || Some("by-variable".to_owned());
        for (case, inputs, expected) in [
            ("all", (Some(&flag), variable(), Some(&named)), "by-flag"),
            ("stdin", (Some(&PathBuf::from("-")), variable(), Some(&named)), "by-stdin"),
            ("no flag", (None, variable(), Some(&named)), "by-variable"),
            ("an empty variable", (None, Some(" ".into()), Some(&named)), "by-file"),
            ("an empty file variable", (None, None, Some(&PathBuf::new())), "cached"),
            ("nothing", (None, None, None), "cached"),
        ] {
            let (flag, variable, file_variable) = inputs;
            let inputs = TokenInputs {
                flag: flag.cloned(),
                variable,
                file_variable: file_variable.cloned(),
                loose: LooseFile::Tighten,
            };
            assert!(!format!("{inputs:?}").contains("by-variable"), "the variable is not printed");
            let source = TokenSource::choose(inputs, &b"by-stdin\n"[..], TokenFile::new(&cached)).unwrap();
            assert_eq!(source.load().unwrap(), Some(token(expected)), "{case}");
            assert!(!format!("{source:?}").contains(expected) || expected == "cached", "{case}: {source:?}");
        }
        assert_eq!(fs::read_to_string(&cached).unwrap(), "cached", "what came from outside is not copied");
    }

    #[test]
    fn a_source_that_was_given_and_holds_nothing_is_an_error_and_not_a_way_to_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let cached = || TokenFile::new(folder.path().join("cached"));
        write(cached().path(), "cached");
        let absent = TokenInputs { flag: Some(folder.path().join("absent")), ..TokenInputs::default() };
        let source = TokenSource::choose(absent, &b""[..], cached()).unwrap();
        let error = source.load().unwrap_err();
        assert!(error.to_string().contains("absent (--token-file) holds no token"), "{error}");

        let stdin = || TokenInputs { flag: Some("-".into()), ..TokenInputs::default() };
        assert!(matches!(
            TokenSource::choose(stdin(), &b"\n"[..], cached()),
            Err(TokenError::Missing { .. })
        ));
        let garbled = TokenSource::choose(stdin(), &b"hunter2 hunter2"[..], cached()).unwrap_err();
        assert!(matches!(garbled, TokenError::Invalid { .. }) && !garbled.to_string().contains("hunter2"));
    }

    #[test]
    fn a_reload_looks_past_the_token_that_was_refused() {
        let folder = tempfile::tempdir().unwrap();
        let named = write(&folder.path().join("named"), "old");
        let cached = write(&folder.path().join("cached"), "old");
        let inputs = TokenInputs { flag: Some(named.clone()), ..TokenInputs::default() };
        let source = TokenSource::choose(inputs, &b""[..], TokenFile::new(&cached)).unwrap();
        assert_eq!(source.load().unwrap(), Some(token("old")));
        assert_eq!(source.reload(Some(&token("old"))).unwrap(), None, "nobody has another");

        source.keep(&token("issued")).unwrap();
        assert_eq!(source.reload(Some(&token("old"))).unwrap(), Some(token("issued")));
        write(&named, "by-hand");
        assert!(source.changed());
        assert_eq!(source.reload(Some(&token("issued"))).unwrap(), Some(token("by-hand")));

        fs::remove_file(&named).unwrap();
        assert_eq!(
            source.reload(Some(&token("old"))).unwrap(),
            Some(token("issued")),
            "the other still works"
        );
        assert!(matches!(source.reload(Some(&token("issued"))), Err(TokenError::Missing { .. })));
    }
}
