//! The names of what lies in the work folder.

use std::fmt;

use crate::PluginName;

/// Something in the work folder that belongs to one plugin. Its name says all: `.<kind>-<plugin>`, and `-<hex>` after
/// those of which there may be several. None of them can be the name of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name: PluginName,
    /// Eight hex digits or more: an inode's number for a record, random for the others, nothing for those that are alone.
    pub(super) tag: Option<u64>,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A tree that is being put together. Whoever does so holds the lock of the plugin.
    Staging,
    /// A tree that is whole and waits for the second of two renames. There is at most one.
    Ready,
    /// The tree that the first of two renames took away. There is at most one.
    Previous,
    /// A tree that nobody will ever install again: to be deleted once nobody reads it.
    Old,
    /// What is known about a tree.
    Record,
    /// A record that is being written.
    Partial,
    /// Who holds this one's lock may install and remove.
    Lock,
}

const KINDS: [(Kind, &str, bool); 7] = [
    (Kind::Staging, ".staging-", true),
    (Kind::Ready, ".ready-", false),
    (Kind::Previous, ".previous-", false),
    (Kind::Old, ".old-", true),
    (Kind::Record, ".record-", true),
    (Kind::Partial, ".partial-", true),
    (Kind::Lock, ".lock-", false),
];

impl Entry {
    /// One of which there is only one.
    pub(super) fn only(kind: Kind, name: &PluginName) -> Self {
        Self { kind, name: name.clone(), tag: None }
    }

    /// One of several.
    pub(super) fn tagged(kind: Kind, name: &PluginName, tag: u64) -> Self {
        Self { kind, name: name.clone(), tag: Some(tag) }
    }

    /// One that is new, most likely: of 2^32.
    pub(super) fn fresh(kind: Kind, name: &PluginName) -> std::io::Result<Self> {
        Ok(Self::tagged(kind, name, getrandom::u32()?.into()))
    }

    /// What a name stands for; nothing if it is not one of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        KINDS.iter().find_map(|(kind, prefix, tagged)| {
            let rest = text.strip_prefix(prefix)?;
            let (name, tag) = if *tagged {
                let (name, tag) = rest.rsplit_once('-')?;
                (name, Some(u64::from_str_radix(tag, 16).ok()?))
            } else {
                (rest, None)
            };
            let entry = Self { kind: *kind, name: name.parse().ok()?, tag };
            (entry.to_string() == text).then_some(entry)
        })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = KINDS.iter().find(|(kind, ..)| *kind == self.kind).map_or("", |(_, prefix, _)| prefix);
        write!(f, "{prefix}{}", self.name)?;
        self.tag.map_or(Ok(()), |tag| write!(f, "-{tag:08x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nothing_else_is() {
        let name: PluginName = "a-b.c-0000000f".parse().unwrap();
        for (kind, _, tagged) in KINDS {
            let entry = Entry { kind, name: name.clone(), tag: tagged.then_some(0xF_0000_0001) };
            assert_eq!(Entry::parse(&entry.to_string()), Some(entry));
        }
        let bad = [
            "",
            "a",
            ".old-a",
            ".old-a-1",
            ".old-a-0000000F",
            ".old--00000001",
            ".lock-",
            ".lock-../a",
            ".other-a",
        ];
        for bad in bad {
            assert_eq!(Entry::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_entry_has_the_name_of_a_plugin() {
        for (_, prefix, _) in KINDS {
            assert!(prefix.parse::<PluginName>().is_err());
        }
    }
}
