//! A callback in flight.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Delivery;
use crate::death::{Cause, Death};
use crate::guest::Call;

/// A callback in flight.
pub(super) struct Flight {
    pub(super) number: u64,
    pub(super) call: Arc<Call>,
    pub(super) what: What,
    /// How long it may take.
    pub(super) time: Duration,
    /// When its time is up, or, once it was canceled, when its grace is.
    pub(super) deadline: Instant,
    /// Set once it was canceled: answers when the instance still takes turns.
    pub(super) pong: Option<oneshot::Receiver<()>>,
}

/// On whose behalf a callback flies.
pub(super) enum What {
    Start,
    Message { alone: bool, reply: oneshot::Sender<Delivery> },
    Tick,
    Order(oneshot::Sender<()>),
}

impl Flight {
    /// Whether nothing else may fly beside it.
    pub(super) fn is_alone(&self) -> bool {
        match self.what {
            What::Message { alone, .. } => alone,
            What::Start | What::Order(_) => true,
            What::Tick => false,
        }
    }

    /// Whether it was told that its time is up.
    pub(super) fn is_canceled(&self) -> bool {
        self.pong.is_some()
    }

    /// The death of a callback that did not return in time. `throttled` where it waited for CPU time meanwhile.
    pub(super) fn timed_out(&self, throttled: bool) -> Death {
        Death::of(Cause::TimedOut { callback: self.call.callback, limit: self.time, throttled })
    }

    /// Tells whoever waits for its message what became of it. Whoever waits for an order learns that it is over.
    pub(super) fn end(self, delivery: Delivery) {
        if let What::Message { reply, .. } = self.what {
            let _ = reply.send(delivery);
        }
    }
}
