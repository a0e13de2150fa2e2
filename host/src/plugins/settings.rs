//! What the operator says about installs.

use std::fmt;
use std::str::FromStr;

use molecule_plugin::archive::Limits;
use molecule_plugin::setup::SetupLimits;
use molecule_runtime::wit::plugins::Setup;

use super::PluginRef;

/// What the operator says about the plugins of a workspace. Which ones its agent may install is in its grants.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PluginSettings {
    /// Those that are installed when the agent starts, before its `on-start`. One that cannot be is said, and the agent
    /// starts without it, or with the version that is there.
    pub at_start: Vec<PluginRef>,
    /// When a `setup.sh` may be run. Whoever installs may ask for less.
    pub setup: SetupPolicy,
    /// Whether it may use the network.
    pub setup_network: bool,
    /// How much it may take.
    pub setup_limits: SetupLimits,
    /// Whether to install what declares another hash than it has, or a `plugin.yaml` that cannot be read. Nothing then
    /// says that its files are those of its author.
    pub allow_unverified: bool,
    /// How much of an archive is taken.
    pub limits: Limits,
    /// Whether the platform is told of an install of the host's own. No platform that we know of keeps it.
    pub report: bool,
}

/// When the `setup.sh` of a plugin is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SetupPolicy {
    /// Never.
    Never,
    /// If the files of the plugin have the hash that it declares.
    #[default]
    Verified,
    /// In any case.
    Always,
}

impl From<Setup> for SetupPolicy {
    fn from(setup: Setup) -> Self {
        match setup {
            Setup::Never => Self::Never,
            Setup::Verified => Self::Verified,
            Setup::Always => Self::Always,
        }
    }
}

/// Not a [`SetupPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write never, verified or always")]
pub struct InvalidSetupPolicy;

impl FromStr for SetupPolicy {
    type Err = InvalidSetupPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidSetupPolicy> {
        match text {
            "never" => Ok(Self::Never),
            "verified" => Ok(Self::Verified),
            "always" => Ok(Self::Always),
            _ => Err(InvalidSetupPolicy),
        }
    }
}

impl fmt::Display for SetupPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Verified => "verified",
            Self::Always => "always",
        })
    }
}
