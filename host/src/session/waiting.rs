//! Calls that wait for a peer's answer to come in as a message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use molecule_protocol::PeerId;
use molecule_runtime::wit::Content;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The calls that wait, by the id of the message that they sent.
///
/// Whoever takes an entry out decides what becomes of it: an answer that came is either given to the call or handed to
/// the agent as a message of its own, never both and never neither.
#[derive(Debug, Default, Clone)]
pub(super) struct Waiting(Arc<Mutex<HashMap<String, Waiter>>>);

/// A call that waits; gets at most one answer.
#[derive(Debug)]
pub(super) struct Waiter {
    peer: PeerId,
    answer: oneshot::Sender<Content>,
}

impl Waiter {
    pub(super) fn answer(self, content: Content) {
        // A call that was canceled in the meantime runs again with its message, and asks again.
        let _ = self.answer.send(content);
    }
}

impl Waiting {
    /// Waits for the answer of `peer` to the message `id` from now on: before it is sent.
    pub(super) fn expect(&self, id: String, peer: PeerId) -> Expected {
        let (answer, comes) = oneshot::channel();
        self.entries().insert(id.clone(), Waiter { peer, answer });
        Expected { waiting: self.clone(), id, comes }
    }

    /// Takes the call that waits for an answer of `peer` to `id`, if there is one.
    pub(super) fn take(&self, id: &str, peer: &PeerId) -> Option<Waiter> {
        let mut entries = self.entries();
        entries.get(id).filter(|waiter| waiter.peer == *peer)?;
        entries.remove(id)
    }

    /// Lets a call wait on: its answer could not be kept, and comes again.
    pub(super) fn put_back(&self, id: String, waiter: Waiter) {
        // Unless it has given up meanwhile: then its answer is a message like any other.
        if !waiter.answer.is_closed() {
            self.entries().insert(id, waiter);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer to come. Dropped, nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Expected {
    waiting: Waiting,
    id: String,
    comes: oneshot::Receiver<Content>,
}

impl Expected {
    /// The answer, if it comes in time.
    pub(super) async fn until(&mut self, deadline: Instant) -> Option<Content> {
        if let Ok(answer) = tokio::time::timeout_at(deadline, &mut self.comes).await {
            return answer.ok();
        }
        if self.waiting.entries().remove(&self.id).is_some() {
            return None;
        }
        // It has been taken: the answer is being kept at this moment.
        (&mut self.comes).await.ok()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.waiting.entries().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BOB: &str = "7c1e2b9a-1111-4222-8333-444455556666";
    const EVE: &str = "7c1e2b9a-1111-4222-8333-444455557777";

    fn peer(id: &str) -> PeerId {
        id.parse().unwrap()
    }

    fn content() -> Content {
        Content { parts: vec![], metadata: None }
    }

    #[tokio::test]
    async fn the_answer_of_the_peer_that_was_asked_is_the_only_one() {
        let waiting = Waiting::default();
        let mut expected = waiting.expect("m".into(), peer(BOB));
        assert!(waiting.take("m", &peer(EVE)).is_none(), "anybody could answer in its place");
        assert!(waiting.take("n", &peer(BOB)).is_none());
        waiting.take("m", &peer(BOB)).unwrap().answer(content());
        assert!(waiting.take("m", &peer(BOB)).is_none());
        assert_eq!(expected.until(Instant::now() + Duration::from_secs(60)).await, Some(content()));
    }

    #[tokio::test]
    async fn past_the_deadline_nobody_waits() {
        let waiting = Waiting::default();
        let mut expected = waiting.expect("m".into(), peer(BOB));
        assert_eq!(expected.until(Instant::now()).await, None);
        assert!(waiting.take("m", &peer(BOB)).is_none(), "it goes to the agent as a message");
    }

    #[tokio::test]
    async fn an_answer_that_is_being_kept_at_the_deadline_is_waited_for() {
        let waiting = Waiting::default();
        let mut expected = waiting.expect("m".into(), peer(BOB));
        let waiter = waiting.take("m", &peer(BOB)).unwrap();
        let (answer, ()) = tokio::join!(expected.until(Instant::now()), async {
            tokio::task::yield_now().await;
            waiter.answer(content());
        });
        assert_eq!(answer, Some(content()));
    }

    #[tokio::test]
    async fn a_call_that_was_dropped_waits_no_more() {
        let waiting = Waiting::default();
        drop(waiting.expect("m".into(), peer(BOB)));
        assert!(waiting.take("m", &peer(BOB)).is_none());
    }
}
