//! A workspace that runs, as its operator looks at it and steps in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use molecule_gate::{Grants, Kind};
use molecule_protocol::WorkspaceId;
use molecule_store::state::{DeadLetter as KeptLetter, MessageKey, StateError};

use super::context::{Context, Mode};
use super::inbox::Received;
use super::letter::Letter;
use crate::dead_letters::DeadLetter;
use crate::events::Ended;
use crate::plugins::Plugins;
use crate::status::{Messages, Phase, Status};

/// A workspace that runs. Holding one holds nothing up.
#[derive(Clone)]
pub(crate) struct Handle(pub(super) Arc<Context>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.0.spec.workspace_id).finish()
    }
}

impl Handle {
    pub(crate) fn workspace(&self) -> WorkspaceId {
        self.0.spec.workspace_id
    }

    /// How long what is in hand may still take when it stops.
    pub(crate) fn grace(&self) -> Duration {
        self.0.spec.shutdown_grace
    }

    /// Changes what is granted; false where it is the same.
    pub(crate) fn set_grants(&self, grants: Grants) -> bool {
        let before = self.0.gate.revision();
        self.0.gate.set_grants(grants);
        // A secret may be granted that nobody has asked for yet.
        self.0.pull_secrets.notify_one();
        self.0.gate.revision() != before
    }

    /// Looks for other secrets.
    pub(crate) fn pull_secrets(&self) {
        self.0.pull_secrets.notify_one();
    }

    pub(crate) fn plugins(&self) -> Plugins {
        self.0.plugins.clone()
    }

    /// How it is, if it has not ended.
    pub(crate) fn status(&self, ended: Option<Ended>) -> Status {
        let context = &self.0;
        let counted = context.tally.look();
        let phase = match (ended, *context.mode.borrow()) {
            (Some(ended), _) => Phase::Ended(ended),
            (None, Mode::Paused | Mode::Resuming) => Phase::Paused,
            (None, Mode::Revoked) => Phase::Revoked,
            (None, Mode::Working) if counted.wedged => Phase::Wedged,
            (None, Mode::Working) => Phase::Working,
        };
        let receipts = context.gate.receipts();
        Status {
            phase,
            uptime: context.tally.started.elapsed(),
            heartbeat_age: counted.heartbeat.map(|at| at.elapsed()),
            messages: Messages { in_hand: context.vitals.in_hand(), ..counted.messages },
            deaths: counted.deaths,
            denials: Kind::ALL.into_iter().map(|kind| receipts.counts(kind).denied).sum(),
            memory_bytes: u64::try_from(context.tally.memory()).unwrap_or(u64::MAX),
            cpu_time: context.tally.cpu_time(),
            last_error: counted.last_error,
        }
    }

    /// Lets a dead letter wait again, and has it handed out.
    pub(crate) async fn retry(&self, key: MessageKey) -> Result<(), StateError> {
        self.0.state.revive(self.0.fence(), key).await?;
        self.0.inbox.notify_one();
        Ok(())
    }

    pub(crate) async fn discard(&self, key: MessageKey) -> Result<(), StateError> {
        self.0.state.discard(self.0.fence(), key).await
    }
}

/// A dead letter in words. `None` where its workspace is none of the platform's, which no host ever keeps.
pub(crate) fn dead_letter((workspace, kept): (String, KeptLetter)) -> Option<DeadLetter> {
    let received = Received::read(&kept.body);
    let told = kept.notice.as_deref().map(|notice| match Letter::parse(notice) {
        Some(letter) => letter.text().to_owned(),
        None => notice.to_owned(),
    });
    Some(DeadLetter {
        key: kept.key,
        workspace: workspace.parse().ok()?,
        id: received.as_ref().map(|it| it.id().to_owned()).unwrap_or_default(),
        text: received.map(|it| it.message.text()).unwrap_or_default(),
        from: kept.sender,
        reason: kept.reason,
        told,
        runs: kept.runs,
        at: kept.at,
    })
}
