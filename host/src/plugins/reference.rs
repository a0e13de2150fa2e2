//! A plugin and its source, as people write them.

use std::fmt;
use std::str::FromStr;

use molecule_plugin::PluginName;
use serde::{Deserialize, Serialize};

/// Where a plugin comes from: a scheme that the platform knows, and what that takes.
///
/// | written | is |
/// | --- | --- |
/// | `local://molecule-dev` | what the platform itself keeps |
/// | `github://acme/molecule-dev#v1` | a repository, at a tag or branch; the plugin has the repository's name |
///
/// A scheme is small letters, digits, `+` and `-`; what follows has no spaces and no control characters, and 2,048 bytes at
/// most. Parses from a text and prints back to the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginSource(String);

/// Bytes of a source.
const LONGEST: usize = 2048;

impl PluginSource {
    /// The platform itself.
    pub fn local(name: &PluginName) -> Self {
        Self(format!("local://{name}"))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a repository at no particular tag or branch.
    pub(super) fn is_unpinned(&self) -> bool {
        self.0.starts_with("github://") && !self.0.contains('#')
    }

    /// Whether it is a repository at what looks like a commit, which the platform cannot fetch.
    pub(super) fn is_at_a_commit(&self) -> bool {
        self.0.split_once('#').is_some_and(|(_, reference)| {
            reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }
}

/// A plugin, and where it comes from: `NAME[@SOURCE]`. Without a source it is the platform's own.
///
/// ```
/// use molecule_host::plugins::PluginRef;
///
/// let plugin: PluginRef = "molecule-dev".parse()?;
/// assert_eq!(plugin.source.as_str(), "local://molecule-dev");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PluginRef {
    /// Its name.
    pub name: PluginName,
    /// Where it comes from.
    pub source: PluginSource,
}

/// Not a plugin, or not a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlugin {
    /// The name.
    #[error(transparent)]
    Name(#[from] molecule_plugin::InvalidName),
    /// The source.
    #[error("{0:?} is not a source; write local://NAME, or github://OWNER/REPO#TAG")]
    Source(String),
}

impl FromStr for PluginSource {
    type Err = InvalidPlugin;

    fn from_str(text: &str) -> Result<Self, InvalidPlugin> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-".contains(&byte);
        let well_formed = |(scheme, rest): (&str, &str)| {
            !scheme.is_empty() && scheme.bytes().all(letter) && !rest.is_empty()
        };
        let valid = text.len() <= LONGEST
            && !text.contains(|letter: char| letter.is_control() || letter.is_whitespace())
            && text.split_once("://").is_some_and(well_formed);
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidPlugin::Source(text.chars().take(200).collect())),
        }
    }
}

impl TryFrom<String> for PluginSource {
    type Error = InvalidPlugin;

    fn try_from(text: String) -> Result<Self, InvalidPlugin> {
        text.parse()
    }
}

impl From<PluginSource> for String {
    fn from(source: PluginSource) -> Self {
        source.0
    }
}

impl fmt::Display for PluginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PluginRef {
    type Err = InvalidPlugin;

    fn from_str(text: &str) -> Result<Self, InvalidPlugin> {
        match text.split_once('@') {
            Some((name, source)) => Ok(Self { name: name.parse()?, source: source.parse()? }),
            None => Ok(Self::from(text.parse::<PluginName>()?)),
        }
    }
}

impl From<PluginName> for PluginRef {
    fn from(name: PluginName) -> Self {
        let source = PluginSource::local(&name);
        Self { name, source }
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source == PluginSource::local(&self.name) {
            true => self.name.fmt(f),
            false => write!(f, "{}@{}", self.name, self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_a_name_and_a_source() {
        for (text, printed, source) in [
            ("dev", "dev", "local://dev"),
            ("dev@local://dev", "dev", "local://dev"),
            ("dev@local://other", "dev@local://other", "local://other"),
            ("dev@github://acme/dev#v1", "dev@github://acme/dev#v1", "github://acme/dev#v1"),
            ("dev@git+ssh://a@b/c", "dev@git+ssh://a@b/c", "git+ssh://a@b/c"),
        ] {
            let plugin: PluginRef = text.parse().unwrap();
            assert_eq!((plugin.to_string().as_str(), plugin.source.as_str()), (printed, source));
            assert_eq!(plugin.to_string().parse(), Ok(plugin));
        }
        let long = format!("dev@local://{}", "x".repeat(LONGEST));
        for text in [
            "",
            "@local://x",
            "../dev",
            "dev@",
            "dev@x",
            "dev@://x",
            "dev@GitHub://x",
            "dev@local://",
            "dev@a://b c",
            &long,
        ] {
            assert!(text.parse::<PluginRef>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_the_platform_will_not_fetch_is_known() {
        let commit = format!("github://a/b#{}", "0a".repeat(20));
        for (source, unpinned, commit) in [
            ("github://a/b", true, false),
            ("github://a/b#v1", false, false),
            (commit.as_str(), false, true),
            ("local://a", false, false),
        ] {
            let source: PluginSource = source.parse().unwrap();
            assert_eq!((source.is_unpinned(), source.is_at_a_commit()), (unpinned, commit), "{source}");
        }
    }
}
