//! How the agent is run, whichever version of it.

use std::sync::Arc;
use std::time::Duration;

use molecule_host::gate::Grants;
use molecule_host::token::TokenInputs;
use molecule_host::{AgentSpec, Appeals, Events};
use molecule_protocol::{PlatformUrl, WorkspaceId};

use crate::cli::args::{BehaviourArgs, PluginSettingArgs};
use crate::cli::limits::{LimitArgs, limit};
use crate::cli::prompt::Prompt;
use crate::cli::{plugin, settings};

/// How long what is in hand may still take where nothing is said. An author waits for it, each time he saves a file.
const GRACE: Duration = Duration::from_secs(5);

/// What is the same for all versions of an agent.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) platform: PlatformUrl,
    pub(super) workspace: WorkspaceId,
    pub(super) name: Option<String>,
    pub(super) grants: Grants,
    /// Whoever is asked for more, and what he allowed the versions before.
    pub(super) prompt: Option<Arc<Prompt>>,
    pub(super) behaviour: BehaviourArgs,
    pub(super) plugins: PluginSettingArgs,
    pub(super) limits: LimitArgs,
    /// Where all of them tell what happens to them.
    pub(super) events: Events,
}

impl Recipe {
    /// How the next version is run.
    pub(super) fn spec(&self) -> AgentSpec {
        let mut spec = AgentSpec::new(self.platform.clone(), self.workspace);
        spec.token = TokenInputs::default();
        spec.name.clone_from(&self.name);
        spec.grants = self.grants.clone();
        if let Some(prompt) = &self.prompt {
            prompt.add_to(&mut spec.grants);
        }
        spec.appeals = self.prompt.clone().map(|prompt| prompt as Arc<dyn Appeals>);
        spec.intervals = settings::LOCAL;
        spec.shutdown_grace = GRACE;
        spec.events = self.events.clone();
        settings::behave(&mut spec, self.behaviour.clone());
        plugin::say(&mut spec.plugins, self.plugins.clone());
        limit(&mut spec, &self.limits);
        spec
    }
}
