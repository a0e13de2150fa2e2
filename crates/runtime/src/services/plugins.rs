//! Acts on plugins.

use molecule_gate::{Act, Effect};

use crate::wit::plugins::Setup;

/// Installs a plugin.
#[derive(Debug)]
pub struct InstallPlugin {
    /// Its name, as the agent wrote it.
    pub name: String,
    /// Where it comes from, `scheme://...`.
    pub source: String,
    /// When its `setup.sh` is to be run; as the operator allows where nothing is said.
    pub setup: Option<Setup>,
    /// The SHA-256 that its archive must have, as the agent wrote it.
    pub sha256: Option<String>,
}

impl Act for InstallPlugin {
    fn effect(&self) -> Effect<'_> {
        Effect::InstallPlugin { name: &self.name, source: &self.source }
    }
}

/// Removes a plugin.
#[derive(Debug)]
pub struct RemovePlugin {
    /// Its name, as the agent wrote it.
    pub name: String,
}

impl Act for RemovePlugin {
    fn effect(&self) -> Effect<'_> {
        Effect::RemovePlugin { name: &self.name }
    }
}
