//! What would be decided, and why.

use crate::denial::Denial;
use crate::effect::Effect;
use crate::grants::{Grant, Grants};
use crate::secret_grant::SecretGrant;
use crate::terms::Terms;

/// What the gate would decide about an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The terms on which it would be allowed, or the denial with the grant that would change it.
    pub outcome: Result<Terms, Denial>,
    /// The grants that allow it; none where it is denied, or needs no grant.
    pub by: Vec<Grant>,
}

impl Explanation {
    /// Whether it would be allowed.
    pub fn is_allowed(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// The grants that an effect rests on which was allowed on these terms.
pub(crate) fn resting_on(effect: &Effect<'_>, grants: &Grants, terms: &Terms) -> Vec<Grant> {
    let peer = |id: &str, name: Option<&str>| grants.peers.iter().find(|grant| grant.matches(id, name));
    match *effect {
        Effect::Answer { .. }
        | Effect::Notify { .. }
        | Effect::SetTask { .. }
        | Effect::Register { .. }
        | Effect::Heartbeat
        | Effect::State
        | Effect::Attach { .. }
        | Effect::OpenFile { .. }
        | Effect::History
        | Effect::Progress { .. }
        | Effect::Delegations
        | Effect::AskApproval { .. }
        | Effect::ReadApprovals
        | Effect::Socket { .. } => Vec::new(),
        Effect::ReadMemory { .. } | Effect::WriteMemory { .. } => {
            grants.memory.map(Grant::Memory).into_iter().collect()
        }
        Effect::ListPeers => grants.peers.iter().cloned().map(Grant::Peer).collect(),
        Effect::CallPeer { id, name, .. }
        | Effect::Discover { id, name }
        | Effect::Delegate { id, name, .. } => peer(id, name).cloned().map(Grant::Peer).into_iter().collect(),
        Effect::Fetch { target, secrets, .. } => {
            let rule = terms.rule.and_then(|index| grants.net.get(index)).cloned().map(Grant::Net);
            let of = |wanted| SecretGrant::find(&grants.secrets, wanted, target).cloned().map(Grant::Secret);
            rule.into_iter().chain(secrets.iter().filter_map(of)).collect()
        }
        Effect::Connect { target, reach, .. } => {
            let rule = grants.net.iter().find(|rule| rule.reach() == *reach && rule.matches(target));
            rule.cloned().map(Grant::Net).into_iter().collect()
        }
        Effect::RevealSecret { name } => {
            let granted = grants.reveal.iter().find(|granted| granted.as_str() == name);
            granted.cloned().map(Grant::Reveal).into_iter().collect()
        }
        Effect::InstallPlugin { name, source } => {
            let granted = grants.plugins.iter().find(|grant| grant.allows(name, source));
            granted.cloned().map(Grant::Plugin).into_iter().collect()
        }
        Effect::RemovePlugin { name } => {
            let granted = grants.plugins.iter().find(|grant| grant.is_for(name));
            granted.cloned().map(Grant::Plugin).into_iter().collect()
        }
        Effect::Store { .. } => grants.storage_bytes.map(Grant::Storage).into_iter().collect(),
    }
}
