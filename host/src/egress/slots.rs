//! How many requests of an agent are under way.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use molecule_runtime::FetchError;
use tokio::sync::Notify;

/// The requests of one agent that are under way. Their most may change from one to the next.
#[derive(Clone, Default)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Default)]
struct Inner {
    taken: Mutex<usize>,
    freed: Notify,
}

/// The right to have one under way.
pub(super) struct Slot(Arc<Inner>);

impl Slots {
    /// Takes one of `limit`, as soon as there is one.
    pub(super) async fn take(&self, limit: usize, wait: Duration) -> Result<Slot, FetchError> {
        let taking = async {
            loop {
                // Hears from now on: two that end at once wake two.
                let mut freed = pin!(self.0.freed.notified());
                freed.as_mut().enable();
                if let Some(slot) = self.try_take(limit) {
                    return slot;
                }
                freed.await;
            }
        };
        tokio::time::timeout(wait, taking).await.map_err(|_| FetchError::Busy { limit, waited: wait })
    }

    fn try_take(&self, limit: usize) -> Option<Slot> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        (*taken < limit).then(|| {
            *taken += 1;
            Slot(self.0.clone())
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(1);
        drop(taken);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_another_to_end_and_not_for_ever() {
        let slots = Slots::default();
        let wait = Duration::from_secs(5);
        let first = slots.take(1, wait).await.unwrap();
        let error = slots.take(1, wait).await.err().unwrap();
        assert_eq!(error, FetchError::Busy { limit: 1, waited: wait });
        let second = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take(1, wait).await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(second.await.unwrap());
        assert!(slots.take(1, wait).await.is_ok(), "the second has ended, too");
    }
}
