//! What happens, told to whoever listens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::broadcast;

use molecule_protocol::ActivityRow;

/// Tokens were revoked. A stream that one of them opened ends.
pub(crate) const TOKENS_REVOKED: &str = "TOKENS_REVOKED";
/// A workspace was removed, and its tokens with it.
pub(crate) const WORKSPACE_REMOVED: &str = "WORKSPACE_REMOVED";

/// One thing that happened.
#[derive(Debug, Serialize)]
pub(crate) struct Event {
    /// Whom it concerns.
    #[serde(skip)]
    pub(crate) workspace: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Milliseconds since the Unix epoch.
    pub(crate) timestamp: i64,
    pub(crate) data: Value,
}

/// Tells listeners what happens. A listener that does not keep up loses the oldest, never the newest.
///
/// Who listens to one workspace is not woken by what happens to others, and cannot fall behind because of it: of a thousand
/// agents each has a stream open.
#[derive(Debug)]
pub(crate) struct Events {
    all: Channel,
    of: Mutex<HashMap<String, Channel>>,
}

type Channel = broadcast::Sender<Arc<Event>>;

/// What listens to events.
pub(crate) type Listener = broadcast::Receiver<Arc<Event>>;

impl Events {
    /// Events that a listener to everybody may be behind.
    const OF_ALL: usize = 1024;
    /// Events that a listener to one workspace may be behind. Room for them is made beforehand.
    const OF_ONE: usize = 256;

    pub(crate) fn new() -> Self {
        Self { all: Channel::new(Self::OF_ALL), of: Mutex::default() }
    }

    /// Listens to everybody.
    pub(crate) fn listen(&self) -> Listener {
        self.all.subscribe()
    }

    /// Listens to one workspace.
    pub(crate) fn listen_to(&self, workspace: &str) -> Listener {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = of.entry(workspace.to_owned()).or_insert_with(|| Channel::new(Self::OF_ONE));
        channel.subscribe()
    }

    /// Drops what was kept for listeners that are gone.
    pub(crate) fn tidy(&self) {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.retain(|_, channel| channel.receiver_count() > 0);
    }

    /// Tells of something; `micros` is when it happened.
    pub(crate) fn tell(&self, workspace: &str, kind: &'static str, micros: i64, data: Value) {
        let event = Event { workspace: workspace.to_owned(), kind, timestamp: micros / 1000, data };
        let event = Arc::new(event);
        // Nobody listening is no error.
        let _ = self.all.send(Arc::clone(&event));
        let of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = of.get(workspace) {
            let _ = channel.send(event);
        }
    }

    /// Tells of a new row. Never its content: listeners fetch that, with their credentials.
    pub(crate) fn tell_of_row(&self, row: &ActivityRow) {
        let Some(workspace) = &row.workspace_id else { return };
        let data = serde_json::json!({
            "id": row.id,
            "activity_type": row.activity_type,
            "method": row.method,
            "source_id": row.source_id,
            "target_id": row.target_id,
            "status": row.status,
        });
        self.tell(workspace, "ACTIVITY_LOGGED", row.created_at.map_or(0, |at| at.as_microsecond()), data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_to_one_workspace_hears_of_no_other_and_is_not_outrun_by_them() {
        let events = Events::new();
        let mut listener = events.listen_to("a");
        for _ in 0..10_000 {
            events.tell("b", "WORKSPACE_HEARTBEAT", 0, Value::Null);
        }
        events.tell("a", "ACTIVITY_LOGGED", 0, Value::Null);
        let heard = listener.try_recv().unwrap();
        assert_eq!((heard.workspace.as_str(), heard.kind), ("a", "ACTIVITY_LOGGED"));
        assert!(listener.is_empty());
    }

    #[test]
    fn nothing_is_kept_for_listeners_that_are_gone() {
        let events = Events::new();
        let kept = || events.of.lock().unwrap().len();
        let listener = events.listen_to("a");
        drop(events.listen_to("b"));
        assert_eq!(kept(), 2);
        events.tidy();
        assert_eq!(kept(), 1);
        drop(listener);
        events.tidy();
        assert_eq!(kept(), 0);
    }
}
