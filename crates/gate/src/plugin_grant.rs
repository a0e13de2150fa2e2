//! Which plugins an agent may install.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A plugin and where it may come from: `NAME[@SOURCE]`.
///
/// | written | grants |
/// | --- | --- |
/// | `molecule-dev` | that plugin, as the platform itself keeps it (`local://molecule-dev`) |
/// | `molecule-dev@github://acme/molecule-dev#v1` | that plugin from exactly this source |
/// | `molecule-dev@*` | a plugin of that name from anywhere |
/// | `*` | every plugin that the platform itself keeps |
/// | `*@*` | every plugin from anywhere |
///
/// A name alone grants no source but the platform's own: whoever may choose the repository chooses the code. A name is a
/// letter or digit, then at most 127 letters, digits, `.`, `_` or `-`; a source is `scheme://` and what the scheme takes,
/// without spaces and control characters, 2,048 bytes at most. Parses from a text and prints back to the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginGrant {
    text: String,
    /// Where the name ends.
    name: usize,
}

/// What stands for all names, or for all sources.
const ANY: &str = "*";
/// The scheme of what the platform itself keeps.
const LOCAL: &str = "local://";
/// Bytes of a source.
const LONGEST_SOURCE: usize = 2048;

impl PluginGrant {
    /// What grants one plugin from one source, if both are well-formed.
    pub(crate) fn exactly(name: &str, source: &str) -> Option<Self> {
        if !is_name(name) || !is_source(source) {
            return None;
        }
        let text = if is_own(name, source) { name.to_owned() } else { format!("{name}@{source}") };
        text.parse().ok()
    }

    /// Whether it grants the plugin of this name from this source.
    pub fn allows(&self, name: &str, source: &str) -> bool {
        self.is_for(name)
            && match self.source() {
                None => is_own(name, source),
                Some(ANY) => true,
                Some(granted) => granted == source,
            }
    }

    /// Whether it grants a plugin of this name from anywhere.
    pub fn is_for(&self, name: &str) -> bool {
        self.name() == ANY || self.name() == name
    }

    /// The plugin's name; `*` for any.
    pub fn name(&self) -> &str {
        self.text.get(..self.name).unwrap_or_default()
    }

    /// The source, where one is written; `*` for any.
    pub fn source(&self) -> Option<&str> {
        self.text.get(self.name + 1..)
    }
}

/// Whether the source is the platform itself, under the plugin's own name.
fn is_own(name: &str, source: &str) -> bool {
    source.strip_prefix(LOCAL) == Some(name)
}

fn is_name(text: &str) -> bool {
    text.len() <= 128
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_source(text: &str) -> bool {
    let well_formed = |(scheme, rest): (&str, &str)| {
        let letter =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'+' || byte == b'-';
        !scheme.is_empty() && scheme.bytes().all(letter) && !rest.is_empty()
    };
    text.len() <= LONGEST_SOURCE
        && !text.contains(|letter: char| letter.is_control() || letter.is_whitespace())
        && text.split_once("://").is_some_and(well_formed)
}

/// A grant of a plugin that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a plugin: write NAME, NAME@SOURCE with a source such as github://owner/repo#tag, or NAME@*"
)]
pub struct InvalidPluginGrant {
    /// What was written.
    pub text: String,
}

impl FromStr for PluginGrant {
    type Err = InvalidPluginGrant;

    fn from_str(text: &str) -> Result<Self, InvalidPluginGrant> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for PluginGrant {
    type Error = InvalidPluginGrant;

    fn try_from(text: String) -> Result<Self, InvalidPluginGrant> {
        let (name, source) =
            text.split_once('@').map_or((text.as_str(), None), |(name, rest)| (name, Some(rest)));
        let valid =
            (name == ANY || is_name(name)) && source.is_none_or(|source| source == ANY || is_source(source));
        let name = name.len();
        if valid { Ok(Self { text, name }) } else { Err(InvalidPluginGrant { text }) }
    }
}

impl From<PluginGrant> for String {
    fn from(grant: PluginGrant) -> Self {
        grant.text
    }
}

impl fmt::Display for PluginGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_alone_is_for_the_platforms_own_and_a_source_is_for_itself() {
        let github = "github://acme/dev#v1";
        for (grant, name, source, expected) in [
            ("dev", "dev", "local://dev", true),
            ("dev", "dev", "local://other", false),
            ("dev", "dev", github, false),
            ("dev", "Dev", "local://Dev", false),
            ("dev", "dev2", "local://dev2", false),
            ("*", "dev", "local://dev", true),
            ("*", "dev", "local://other", false),
            ("*", "dev", github, false),
            ("dev@*", "dev", github, true),
            ("dev@*", "other", github, false),
            ("*@*", "dev", github, true),
            ("dev@github://acme/dev#v1", "dev", github, true),
            ("dev@github://acme/dev#v1", "dev", "github://acme/dev#v2", false),
            ("dev@github://acme/dev#v1", "dev", "github://acme/dev", false),
            ("dev@github://acme/dev#v1", "dev", "local://dev", false),
            ("*@github://acme/dev#v1", "dev", github, true),
            ("dev@local://dev", "dev", "local://dev", true),
            ("dev@git+ssh://a@b/c", "dev", "git+ssh://a@b/c", true),
        ] {
            let granted: PluginGrant = grant.parse().unwrap();
            assert_eq!(granted.allows(name, source), expected, "{grant} on {name} from {source}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let long = format!("dev@local://{}", "x".repeat(LONGEST_SOURCE));
        for text in [
            "",
            "@",
            "@*",
            "dev@",
            "../x",
            "a/b",
            ".dev",
            "**",
            "*dev",
            "dev@github",
            "dev@://x",
            "dev@github://",
            "dev@github://a b",
            "dev@github://a\nb",
            "dev@GitHub://a",
            "dev@**",
            "d v",
            long.as_str(),
        ] {
            assert!(text.parse::<PluginGrant>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_no_grant_can_name_has_no_exact_grant() {
        let exactly = |name, source| PluginGrant::exactly(name, source).map(String::from);
        assert_eq!(exactly("dev", "local://dev").as_deref(), Some("dev"));
        assert_eq!(exactly("dev", "local://x").as_deref(), Some("dev@local://x"));
        for (name, source) in
            [("*", "local://*"), ("*", "github://a/b"), ("a@b", "local://x"), ("dev", "*"), ("dev", "x")]
        {
            assert_eq!(exactly(name, source), None, "{name} from {source}");
        }
    }

    proptest! {
        #[test]
        fn a_grant_prints_as_it_was_written_and_a_cure_allows_what_it_is_for(
            text in "\\PC{1,40}|[a-z*]{1,3}(@(\\*|[a-z]{1,6}://[a-z/#@*]{1,9}))?",
            name in "[a-z*@.]{1,4}", source in "[a-z]{1,5}://[a-z/#@*]{1,9}",
        ) {
            if let Ok(grant) = text.parse::<PluginGrant>() {
                prop_assert_eq!(grant.to_string(), text);
            }
            if let Some(cure) = PluginGrant::exactly(&name, &source) {
                prop_assert!(cure.allows(&name, &source));
                prop_assert!(!cure.allows(&name, &(source.clone() + "x")));
                prop_assert!(!cure.allows(&(name + "x"), &source));
            }
        }
    }
}
