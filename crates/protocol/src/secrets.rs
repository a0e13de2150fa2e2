//! `GET /workspaces/:id/secrets/values`: what the operator entrusts to a workspace.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::json::Json;

/// A secret's value. Cannot be printed or serialised; its memory is overwritten on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Takes a value in.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself, for the request that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// Secrets by name: those of the whole platform, overlaid by those of the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, SecretValue>);

impl Secrets {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&SecretValue> {
        self.0.get(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, SecretValue)> for Secrets {
    fn from_iter<T: IntoIterator<Item = (String, SecretValue)>>(secrets: T) -> Self {
        Self(secrets.into_iter().collect())
    }
}

/// Values that are no texts are left out.
impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = BTreeMap::<String, Json>::deserialize(deserializer)?;
        Ok(members
            .into_iter()
            .filter_map(|(name, value)| Some((name, SecretValue::new(value.as_text()?))))
            .collect())
    }
}

/// A secret to be stored: `POST /workspaces/:id/secrets`, `/settings/secrets`.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoreSecretRequest {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_and_never_shown() {
        let secrets: Secrets = serde_json::from_str(r#"{"K":"hunter2","N":5}"#).unwrap();
        assert_eq!(secrets.get("K").unwrap().expose(), "hunter2");
        assert_eq!(secrets.names().collect::<Vec<_>>(), ["K"]);
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
