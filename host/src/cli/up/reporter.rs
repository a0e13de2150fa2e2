//! Logs what happens to all agents of a process, who tell it through one channel: one for each would cost more than the
//! agents themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use molecule_host::{Event, Events, Happened};
use molecule_protocol::WorkspaceId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::cli::board::{Recent, WeakRecent};
use crate::cli::report::{self, Who};

/// Events that may wait to be logged, of all agents together.
const CAPACITY: usize = 8192;

/// Logs what happens to agents. Clones share it; the task ends with the last of them and of the agents.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    events: Events,
    agents: Agents,
}

type Agents = Arc<Mutex<HashMap<WorkspaceId, Followed>>>;

#[derive(Debug, Clone)]
struct Followed {
    label: Arc<str>,
    recent: WeakRecent,
}

impl Reporter {
    /// Starts to listen. Must be called within a tokio runtime.
    pub(super) fn start() -> Self {
        let (events, agents) = (Events::new(CAPACITY), Agents::default());
        tokio::spawn(listen(events.subscribe(), agents.clone()));
        Self { events, agents }
    }

    /// Follows the agent that is about to run as this workspace; it shall tell what happens there.
    pub(super) fn follow(&self, workspace: WorkspaceId, label: &str, recent: &Recent) -> Events {
        let followed = Followed { label: label.into(), recent: recent.downgrade() };
        lock(&self.agents).insert(workspace, followed);
        self.events.clone()
    }
}

async fn listen(mut events: Receiver<Happened>, agents: Agents) {
    loop {
        let happened = match events.recv().await {
            Ok(happened) => happened,
            Err(RecvError::Closed) => return,
            Err(RecvError::Lagged(count)) => {
                report::missed(None, count);
                continue;
            }
        };
        let Some(Followed { label, recent }) = lock(&agents).get(&happened.workspace).cloned() else {
            continue;
        };
        let recent = recent.upgrade();
        if matches!(happened.event, Event::Ended(_)) {
            // Its life says how it ended. Nobody asks any more about one that the file no longer has.
            if recent.is_none() {
                lock(&agents).remove(&happened.workspace);
            }
            continue;
        }
        report::report(&Who::labelled(&label), &happened.event, recent.as_ref());
    }
}

fn lock(agents: &Agents) -> MutexGuard<'_, HashMap<WorkspaceId, Followed>> {
    agents.lock().unwrap_or_else(PoisonError::into_inner)
}
