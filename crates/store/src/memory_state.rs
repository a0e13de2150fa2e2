//! [`MemoryState`]: the state in memory.

mod delegations;
mod outbox;
mod workspace;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::workspace::Workspace;
use crate::state::{
    Accepted, Backlog, Claimed, DeadLetter, Delegation, DelegationStep, Dropped, Fence, MessageKey,
    NewDelegation, NewSend, Page, Position, Retention, Runs, Settlement, State, StateError, UnixMillis,
    Unsettled,
};

/// A [`State`] that ends with the process, for tests and for embedders who need no durability.
///
/// Keeps every promise of the trait but that one. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryState {
    all: Arc<Mutex<All>>,
}

#[derive(Debug, Default)]
struct All {
    workspaces: HashMap<String, Workspace>,
    /// The newest message key given out.
    last_key: MessageKey,
}

impl MemoryState {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(
        &self,
        fence: &Fence,
        verb: impl FnOnce(&mut Workspace, &mut MessageKey) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        // No verb panics halfway; a lock that is poisoned all the same holds a state as good as any.
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let All { workspaces, last_key } = &mut *all;
        match workspaces.get_mut(&fence.workspace) {
            Some(workspace) if workspace.token == fence.token => verb(workspace, last_key),
            _ => Err(StateError::Fenced { workspace: fence.workspace.clone() }),
        }
    }
}

#[async_trait]
impl State for MemoryState {
    async fn lease(&self, workspace: &str) -> Result<Fence, StateError> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let token = all.workspaces.entry(workspace.to_owned()).or_default().lease();
        Ok(Fence { workspace: workspace.to_owned(), token })
    }

    async fn position(&self, fence: &Fence) -> Result<Position, StateError> {
        self.with(fence, |workspace, _| Ok(workspace.position.clone()))
    }

    async fn accept(&self, fence: &Fence, page: Page) -> Result<Accepted, StateError> {
        self.with(fence, |workspace, last_key| Ok(workspace.accept(page, last_key)))
    }

    async fn claim(&self, fence: &Fence, max: usize) -> Result<Vec<Claimed>, StateError> {
        self.with(fence, |workspace, _| Ok(workspace.claim(max)))
    }

    async fn finish(
        &self,
        fence: &Fence,
        key: MessageKey,
        answer: Option<NewSend>,
    ) -> Result<(), StateError> {
        self.with(fence, |workspace, _| workspace.finish(key, answer))
    }

    async fn fault(&self, fence: &Fence, key: MessageKey, _reason: &str) -> Result<Runs, StateError> {
        self.with(fence, |workspace, _| workspace.fault(key))
    }

    async fn release(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError> {
        self.with(fence, |workspace, _| workspace.release(key))
    }

    async fn bury(
        &self,
        fence: &Fence,
        key: MessageKey,
        reason: &str,
        notice: Option<NewSend>,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        self.with(fence, |workspace, _| workspace.bury(key, reason, notice, at))
    }

    async fn intend(&self, fence: &Fence, send: NewSend, until: UnixMillis) -> Result<(), StateError> {
        self.with(fence, |workspace, _| {
            workspace.outbox.intend(send, until);
            Ok(())
        })
    }

    async fn unsettled(&self, fence: &Fence, max: usize) -> Result<Vec<Unsettled>, StateError> {
        self.with(fence, |workspace, _| Ok(workspace.outbox.unsettled(max)))
    }

    async fn begin(&self, fence: &Fence, id: &str, until: UnixMillis) -> Result<(), StateError> {
        self.with(fence, |workspace, _| workspace.outbox.begin(id, until))
    }

    async fn settle(
        &self,
        fence: &Fence,
        id: &str,
        settlement: Settlement,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        self.with(fence, |workspace, _| workspace.outbox.settle(id, &settlement, at))
    }

    async fn backlog(&self, fence: &Fence) -> Result<Backlog, StateError> {
        self.with(fence, |workspace, _| Ok(workspace.backlog()))
    }

    async fn dead_letters(&self, fence: &Fence, max: usize) -> Result<Vec<DeadLetter>, StateError> {
        self.with(fence, |workspace, _| Ok(workspace.dead.iter().rev().take(max).cloned().collect()))
    }

    async fn revive(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError> {
        self.with(fence, |workspace, _| workspace.revive(key))
    }

    async fn discard(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError> {
        self.with(fence, |workspace, _| workspace.discard(key))
    }

    async fn open_delegation(&self, fence: &Fence, new: NewDelegation) -> Result<Delegation, StateError> {
        self.with(fence, |workspace, _| Ok(workspace.delegations.open(new)))
    }

    async fn delegation_step(
        &self,
        fence: &Fence,
        slot: &str,
        step: DelegationStep,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        self.with(fence, |workspace, _| workspace.delegations.step(slot, step, at))
    }

    async fn delegation(&self, fence: &Fence, id: &str) -> Result<Option<Delegation>, StateError> {
        self.with(fence, |workspace, _| {
            Ok(workspace.delegations.all().find(|it| it.id.as_deref() == Some(id)).cloned())
        })
    }

    async fn delegations(&self, fence: &Fence, max: usize) -> Result<Vec<Delegation>, StateError> {
        self.with(fence, |workspace, _| Ok(workspace.delegations.all().rev().take(max).cloned().collect()))
    }

    async fn open_delegations(&self, fence: &Fence) -> Result<Vec<Delegation>, StateError> {
        self.with(fence, |workspace, _| {
            Ok(workspace.delegations.all().filter(|it| !it.progress.is_ended()).cloned().collect())
        })
    }

    async fn retain(
        &self,
        fence: &Fence,
        retention: Retention,
        now: UnixMillis,
    ) -> Result<Dropped, StateError> {
        self.with(fence, |workspace, _| Ok(workspace.retain(retention, now)))
    }
}
