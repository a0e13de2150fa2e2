//! What happens, told to whoever listens.

use std::sync::Arc;

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
#[derive(Debug, Clone)]
pub(crate) struct Events(broadcast::Sender<Arc<Event>>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(1024))
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.subscribe()
    }

    /// Tells of something; `micros` is when it happened.
    pub(crate) fn tell(&self, workspace: &str, kind: &'static str, micros: i64, data: Value) {
        let event = Event { workspace: workspace.to_owned(), kind, timestamp: micros / 1000, data };
        // Nobody listening is no error.
        let _ = self.0.send(Arc::new(event));
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
