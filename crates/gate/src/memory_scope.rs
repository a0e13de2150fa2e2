//! How far an agent's memory on the platform reaches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whose memory an agent may read and write (`--allow-memory`). Each scope has those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoryScope {
    /// That of its own workspace: values, memories, checkpoints.
    Local,
    /// That of its team, too.
    Team,
    /// That of the whole platform.
    Global,
}

impl MemoryScope {
    /// All, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Local, Self::Team, Self::Global];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Team => "team",
            Self::Global => "global",
        }
    }
}

/// Not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope of memory is local, team or global")]
pub struct InvalidMemoryScope;

impl FromStr for MemoryScope {
    type Err = InvalidMemoryScope;

    fn from_str(word: &str) -> Result<Self, InvalidMemoryScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or(InvalidMemoryScope)
    }
}

impl fmt::Display for MemoryScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MemoryScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MemoryScope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_read_as_it_is_written_and_a_wider_one_is_greater() {
        for scope in MemoryScope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!(MemoryScope::ALL.is_sorted());
        assert_eq!("TEAM".parse::<MemoryScope>(), Err(InvalidMemoryScope));
    }
}
