//! The name of a plugin, which is the name of its folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A plugin's name: a letter or digit, then up to 127 letters, digits, `.`, `_` or `-` (ASCII). It is the name of a folder,
/// and nothing else can be one: no separator, no `..`, nothing hidden.
///
/// ```
/// use molecule_plugin::PluginName;
///
/// assert!("molecule-dev".parse::<PluginName>().is_ok());
/// assert!("../etc".parse::<PluginName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(String);

/// Not the name of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no plugin's name: a letter or digit, then at most 127 letters, digits, `.`, `_` or `-`")]
pub struct InvalidName(pub String);

impl PluginName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let valid = text.len() <= 128
            && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
            && text.bytes().all(rest);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidName(text.chars().take(160).collect())) }
    }
}

impl TryFrom<String> for PluginName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_name_of_a_folder_and_of_nothing_else() {
        let longest = "a".repeat(128);
        for good in ["a", "7", "molecule-dev", "A.b_c-9", "a..b", longest.as_str()] {
            assert_eq!(good.parse::<PluginName>().map(String::from).as_deref(), Ok(good));
        }
        let too_long = "a".repeat(129);
        let bad = [
            "",
            ".",
            "..",
            ".staging-a-1",
            "-a",
            "_a",
            "a/b",
            "a\\b",
            "a b",
            "a\0",
            "é",
            "a:b",
            too_long.as_str(),
        ];
        for bad in bad {
            assert!(bad.parse::<PluginName>().is_err(), "{bad:?}");
        }
    }
}
