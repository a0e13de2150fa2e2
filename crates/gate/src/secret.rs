//! Secrets: their names, where they are used, and who lets them.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a secret: a letter or an underscore, then letters, digits and underscores, at most 128.
///
/// Names that a program loader or an interpreter acts upon (`PATH`, `LD_PRELOAD`, `NODE_OPTIONS`, ...) are refused in
/// capital and in small letters: a platform that holds one of those wants to change how programs run, and no agent needs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A text that is no name of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretName {
    /// Other characters, or too many.
    #[error(
        "a secret's name has at most 128 letters, digits and underscores and does not begin with a digit"
    )]
    Form,
    /// A variable that changes how programs run.
    #[error("{name} changes how programs run and is never offered to an agent; rename the secret")]
    Loader {
        /// The name.
        name: String,
    },
}

const MAX_NAME: usize = 128;
const OPEN: &str = "{{secret:";
const CLOSE: &str = "}}";

/// Variables of loaders, shells and interpreters; those that end in `_` are beginnings.
const LOADER: [&str; 38] = [
    "PATH",
    "LD_",
    "DYLD_",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "MALLOC_",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "CDPATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PERL5DB",
    "PERLLIB",
    "RUBYOPT",
    "RUBYLIB",
    "CLASSPATH",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_EXEC_PATH",
    "GIT_CONFIG_",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "LUA_INIT",
    "PHPRC",
];

impl SecretName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What an agent writes where the secret's value is to stand: `{{secret:NAME}}`.
    pub fn reference(&self) -> String {
        format!("{OPEN}{}{CLOSE}", self.0)
    }
}

impl FromStr for SecretName {
    type Err = InvalidSecretName;

    fn from_str(text: &str) -> Result<Self, InvalidSecretName> {
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let first = text.chars().next().is_some_and(|c| !c.is_ascii_digit());
        if !first || text.len() > MAX_NAME || !text.chars().all(inside) {
            return Err(InvalidSecretName::Form);
        }
        let upper = text.to_ascii_uppercase();
        let acts = |name: &str| match name.ends_with('_') {
            true => upper.starts_with(name),
            false => upper == name,
        };
        match LOADER.iter().any(|name| acts(name)) {
            true => Err(InvalidSecretName::Loader { name: text.to_owned() }),
            false => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for SecretName {
    type Error = InvalidSecretName;

    fn try_from(text: String) -> Result<Self, InvalidSecretName> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The references in a text, in their order: where each stands, in bytes, and whose it is.
///
/// What is not exactly `{{secret:NAME}}` with a [`SecretName`] is text like any other.
///
/// ```
/// let found: Vec<_> = molecule_gate::references("Bearer {{secret:KEY}}, {{secret:}}").collect();
/// assert_eq!(found, [(7..21, "KEY".parse()?)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn references(text: &str) -> impl Iterator<Item = (Range<usize>, SecretName)> {
    text.match_indices(OPEN).filter_map(move |(start, open)| {
        let rest = text.get(start + open.len()..)?;
        // No further than a name can be, so that many beginnings cost no more than one look each.
        let near = rest.get(..rest.floor_char_boundary(MAX_NAME + CLOSE.len()))?;
        let name = near.get(..near.find(CLOSE)?)?;
        let end = start + open.len() + name.len() + CLOSE.len();
        Some((start..end, name.parse().ok()?))
    })
}

/// A place within a JSON text, in the syntax of RFC 6901: `/messages/0/key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JsonPointer(String);

/// A text that is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no JSON pointer; write the names on the way to the field, each behind a slash, such as /auth/key"
)]
pub struct InvalidPointer {
    /// What was written.
    pub text: String,
}

impl JsonPointer {
    /// The pointer.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JsonPointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        let escaped = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        // A blank at the end would be lost where the pointer stands at the end of a line.
        let plain = !text.contains(char::is_control) && text.trim_end() == text;
        match text.starts_with('/') && escaped && plain && text.len() <= 1024 {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidPointer { text: crate::invalid_target::excerpt(text) }),
        }
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// That a request has a secret's value in it, once its references are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretUse {
    /// Whose.
    pub name: SecretName,
    /// Where.
    pub place: SecretPlace,
}

/// Where in a request a secret stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretPlace {
    /// In the value of a header.
    Header,
    /// In a field of a JSON body.
    Body(JsonPointer),
}
