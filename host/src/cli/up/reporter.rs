//! Logs what happens to all agents of a process, who tell it through one channel: one for each would cost more than the
//! agents themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use molecule_host::{Event, Events, Happened};
use molecule_protocol::WorkspaceId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::cli::board::{Recent, WeakRecent};
use crate::cli::report::{self, Who};

/// Events that may wait to be logged, of all agents together.
const CAPACITY: usize = 8192;
/// How long the last lines of an agent are waited for. Only where too much was said are they never seen.
const DRAIN: Duration = Duration::from_secs(2);

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
    open: Arc<watch::Sender<i64>>,
}

/// An agent that is followed until this is dropped.
#[derive(Debug)]
pub(super) struct Following {
    reporter: Reporter,
    workspace: WorkspaceId,
    /// Its versions that were begun, without those whose end has been seen, which may be seen first.
    open: Arc<watch::Sender<i64>>,
}

impl Reporter {
    /// Starts to listen. Must be called within a tokio runtime.
    pub(super) fn start() -> Self {
        let (events, agents) = (Events::new(CAPACITY), Agents::default());
        tokio::spawn(listen(events.subscribe(), agents.clone()));
        Self { events, agents }
    }

    /// Follows the agent that is about to run as this workspace.
    pub(super) fn follow(&self, workspace: WorkspaceId, label: &str, recent: &Recent) -> Following {
        let open = Arc::new(watch::Sender::new(0));
        let followed = Followed { label: label.into(), recent: recent.downgrade(), open: open.clone() };
        lock(&self.agents).insert(workspace, followed);
        Following { reporter: self.clone(), workspace, open }
    }
}

impl Following {
    /// Where the agent shall tell what happens.
    pub(super) fn events(&self) -> Events {
        self.reporter.events.clone()
    }

    /// A version of it has begun, which will tell of its end.
    pub(super) fn begun(&self) {
        self.open.send_modify(|open| *open += 1);
    }

    /// Waits until all that its versions have told is logged: they have ended.
    pub(super) async fn drained(&self) {
        let mut open = self.open.subscribe();
        let _ = tokio::time::timeout(DRAIN, open.wait_for(|open| *open <= 0)).await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut agents = lock(&self.reporter.agents);
        // Another one may have the workspace by now.
        if agents.get(&self.workspace).is_some_and(|it| Arc::ptr_eq(&it.open, &self.open)) {
            agents.remove(&self.workspace);
        }
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
        let Some(Followed { label, recent, open }) = lock(&agents).get(&happened.workspace).cloned() else {
            continue;
        };
        match happened.event {
            // Its life says how it ended.
            Event::Ended(_) => open.send_modify(|open| *open -= 1),
            event => report::report(&Who::labelled(&label), &event, recent.upgrade().as_ref()),
        }
    }
}

fn lock(agents: &Agents) -> MutexGuard<'_, HashMap<WorkspaceId, Followed>> {
    agents.lock().unwrap_or_else(PoisonError::into_inner)
}
