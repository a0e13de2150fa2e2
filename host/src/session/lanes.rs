//! Which texts to the user are under way.
//!
//! The platform does not recognise copies; it only echoes what has arrived. So of two equal texts the second one waits
//! until it is known what became of the first: otherwise an echo could be taken for the one or the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A lane for every text, by digest. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    taken: Mutex<HashMap<String, Taken>>,
    freed: Notify,
    outbox: Arc<Notify>,
}

/// What a lane is taken by. One that is not taken is free.
#[derive(Debug)]
enum Taken {
    /// Somebody has the [`Lane`].
    Held,
    /// A send in doubt, of this id, which nobody takes care of yet.
    Left(String),
}

impl Lanes {
    /// Lanes that are all free. The outbox is told of those that are left to a send.
    pub(super) fn new(outbox: Arc<Notify>) -> Self {
        Self(Arc::new(Inner { taken: Mutex::default(), freed: Notify::new(), outbox }))
    }

    /// Takes the lane of a digest for a send in doubt that somebody will take care of.
    pub(super) fn leave_to(&self, id: &str, digest: &str) {
        self.taken().insert(digest.to_owned(), Taken::Left(id.to_owned()));
    }

    /// The lane of a digest for a send, if it is free or left to that one.
    pub(super) fn try_hold(&self, digest: &str, id: &str) -> Option<Lane> {
        let mut taken = self.taken();
        match taken.get(digest) {
            Some(Taken::Held) => return None,
            Some(Taken::Left(to)) if to != id => return None,
            Some(Taken::Left(_)) | None => {}
        }
        taken.insert(digest.to_owned(), Taken::Held);
        Some(Lane { lanes: self.clone(), digest: digest.to_owned(), left_to: None })
    }

    /// The same, as soon as it is to be had.
    pub(super) async fn hold(&self, digest: &str, id: &str) -> Lane {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // From here on no waking is missed.
            freed.as_mut().enable();
            if let Some(lane) = self.try_hold(digest, id) {
                return lane;
            }
            freed.await;
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, Taken>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lane held; dropped, it is free.
#[derive(Debug)]
pub(super) struct Lane {
    lanes: Lanes,
    digest: String,
    left_to: Option<String>,
}

impl Lane {
    /// Leaves it to a send in doubt, which somebody else will take care of.
    pub(super) fn leave_to(mut self, id: &str) {
        self.left_to = Some(id.to_owned());
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        match self.left_to.take() {
            Some(id) => {
                self.lanes.leave_to(&id, &self.digest);
                self.lanes.0.outbox.notify_one();
            }
            None => {
                self.lanes.taken().remove(&self.digest);
                self.lanes.0.freed.notify_waiters();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lane_is_held_by_one_at_a_time() {
        let lanes = Lanes::new(Arc::default());
        let lane = lanes.hold("text", "a").await;
        assert!(lanes.try_hold("text", "b").is_none());
        assert!(lanes.try_hold("other text", "b").is_some());
        let waiting = tokio::spawn({
            let lanes = lanes.clone();
            async move { lanes.hold("text", "b").await }
        });
        tokio::task::yield_now().await;
        drop(lane);
        drop(waiting.await.unwrap());
        assert!(lanes.try_hold("text", "c").is_some());
    }

    #[tokio::test]
    async fn a_lane_that_is_left_to_a_send_is_for_that_one_alone() {
        let outbox = Arc::<Notify>::default();
        let lanes = Lanes::new(outbox.clone());
        lanes.hold("text", "a").await.leave_to("a");
        outbox.notified().await;
        assert!(lanes.try_hold("text", "b").is_none());
        drop(lanes.try_hold("text", "a").expect("it is its own"));
        assert!(lanes.try_hold("text", "b").is_some());
    }
}
