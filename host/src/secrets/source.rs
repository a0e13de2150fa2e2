//! Where the operator's own secrets come from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use molecule_gate::SecretName;
use molecule_protocol::SecretValue;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// More than any secret: a log file named by mistake is not read whole.
const LONGEST: u64 = 64 * 1024;

/// A secret of the operator's own: its name, and where its value is read.
///
/// | written | the value is |
/// | --- | --- |
/// | `NAME=file:PATH` | what the file holds, without the line break at its end |
/// | `NAME=env:VARIABLE` | that of the variable of the host's environment |
///
/// A value is never written out itself: everybody on the machine can read an argument list. Prints as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    name: SecretName,
    origin: SecretOrigin,
}

/// Where a value is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretOrigin {
    /// A file.
    File(PathBuf),
    /// A variable of the host's environment.
    Variable(String),
}

/// A text that names no source. It is not repeated: it may hold a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretSource {
    /// Not of this form.
    #[error("expected NAME=file:PATH or NAME=env:VARIABLE; the value itself is not written here")]
    Form,
    /// A name that no secret can have.
    #[error("{0}")]
    Name(String),
}

/// A secret that could not be read; its old value, if there was one, is still used.
#[derive(Debug, thiserror::Error)]
#[error("the secret {name} cannot be read from {origin}: {error}; {cure}")]
pub struct UnreadableSecret {
    name: SecretName,
    origin: String,
    error: io::Error,
    cure: &'static str,
}

impl SecretSource {
    /// A source.
    pub fn new(name: SecretName, origin: SecretOrigin) -> Self {
        Self { name, origin }
    }

    /// The name of the secret.
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// Reads the value.
    pub(super) fn read(&self) -> Result<SecretValue, UnreadableSecret> {
        let (read, cure) = match &self.origin {
            SecretOrigin::File(path) => (read_file(path), "correct the path or the file"),
            SecretOrigin::Variable(name) => (read_variable(name), "set it before the host starts"),
        };
        read.map(SecretValue::new).map_err(|error| self.unreadable(error, cure))
    }

    /// The same, but no longer than this: a file may be a pipe that nobody writes to, or on a machine that is gone. Then a
    /// thread is left behind, and there is no other one as long as that one waits: `turn` is this source's own.
    pub(super) async fn read_within(
        &self,
        patience: Duration,
        turn: &Arc<Mutex<()>>,
    ) -> Result<SecretValue, UnreadableSecret> {
        let reading = async {
            let turn = turn.clone().lock_owned().await;
            let (tell, told) = oneshot::channel();
            let source = self.clone();
            // Not one of the runtime's, which waits for its own when it ends.
            let thread = std::thread::Builder::new().name("secret".to_owned()).spawn(move || {
                let _turn = turn;
                let _ = tell.send(source.read());
            });
            thread.map_err(|error| self.unreadable(error, "it is tried again"))?;
            let broken = |_| self.unreadable(io::Error::other("it was broken off"), "it is tried again");
            told.await.map_err(broken)?
        };
        timeout(patience, reading).await.unwrap_or_else(|_| {
            let words = format!("it does not come within {patience:?}");
            let error = io::Error::new(io::ErrorKind::TimedOut, words);
            Err(self.unreadable(error, "is it a pipe that nobody writes to, or on another machine?"))
        })
    }

    fn unreadable(&self, error: io::Error, cure: &'static str) -> UnreadableSecret {
        UnreadableSecret { name: self.name.clone(), origin: self.origin.to_string(), error, cure }
    }
}

fn read_file(path: &PathBuf) -> io::Result<String> {
    // With room for all of it: a buffer that grows leaves copies behind.
    let file = File::open(path)?;
    let room = usize::try_from(file.metadata()?.len().min(LONGEST)).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(room + 1));
    if file.take(LONGEST + 1).read_to_string(&mut text)? as u64 > LONGEST {
        return Err(invalid("it holds more than 64 KiB"));
    }
    let value = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    not_empty(value)
}

fn read_variable(name: &str) -> io::Result<String> {
    match std::env::var(name) {
        Ok(value) => not_empty(&Zeroizing::new(value)),
        Err(std::env::VarError::NotPresent) => Err(io::Error::new(io::ErrorKind::NotFound, "it is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(invalid("it is not text in UTF-8")),
    }
}

fn not_empty(value: &str) -> io::Result<String> {
    if value.is_empty() { Err(invalid("it is empty")) } else { Ok(value.to_owned()) }
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

impl FromStr for SecretSource {
    type Err = InvalidSecretSource;

    fn from_str(text: &str) -> Result<Self, InvalidSecretSource> {
        let (name, origin) = text.split_once('=').ok_or(InvalidSecretSource::Form)?;
        let origin = match origin.split_once(':') {
            Some(("file", path)) if !path.is_empty() => SecretOrigin::File(path.into()),
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                SecretOrigin::Variable(name.to_owned())
            }
            _ => return Err(InvalidSecretSource::Form),
        };
        let name =
            name.parse::<SecretName>().map_err(|error| InvalidSecretSource::Name(error.to_string()))?;
        Ok(Self { name, origin })
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.origin)
    }
}

impl fmt::Display for SecretOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Variable(name) => write!(f, "env:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_prints_as_it_was_written_and_an_error_repeats_nothing() {
        for text in ["KEY=file:/run/secrets/key", "KEY=env:OPENAI_API_KEY", "_k9=file:a=b:c"] {
            assert_eq!(text.parse::<SecretSource>().unwrap().to_string(), text);
        }
        for wrong in
            ["KEY", "KEY=hunter2", "KEY=file:", "KEY=env:", "=file:x", "LD_PRELOAD=file:x", "KEY=env:a=b"]
        {
            let error = wrong.parse::<SecretSource>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_file_loses_the_line_break_at_its_end_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let source = SecretSource::new("KEY".parse().unwrap(), SecretOrigin::File(path.clone()));
        assert!(source.read().unwrap_err().to_string().contains("correct the path"));
        for (content, value) in [
            ("a b", Some("a b")),
            ("a\n", Some("a")),
            (" a\r\n", Some(" a")),
            ("a\n\n", Some("a\n")),
            ("\n", None),
            ("", None),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(source.read().ok().as_ref().map(SecretValue::expose), value, "{content:?}");
        }
        std::fs::write(&path, "x".repeat(64 * 1024 + 1)).unwrap();
        assert!(source.read().is_err());
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let source: SecretSource = "KEY=env:MOLECULE_TEST_NO_SUCH_VARIABLE".parse().unwrap();
        let error = source.read().unwrap_err().to_string();
        assert!(error.contains("env:MOLECULE_TEST_NO_SUCH_VARIABLE") && error.contains("not set"), "{error}");
    }
}
