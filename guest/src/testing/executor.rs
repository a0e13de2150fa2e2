//! Runs futures on one thread, in virtual time.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A clock that moves when everybody waits, and then to the next instant that somebody waits for.
#[derive(Default)]
pub(super) struct Clock {
    now: Cell<Duration>,
    /// Who sleeps until when; the number tells sleepers of one instant apart, the first to sleep first.
    sleepers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    numbers: Cell<u64>,
}

impl Clock {
    pub(super) fn now(&self) -> Duration {
        self.now.get()
    }

    /// Waits this long.
    pub(super) async fn sleep(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let number = self.numbers.replace(self.numbers.get() + 1);
        Sleep { clock: self, until: (self.now.get().saturating_add(duration), number) }.await;
    }

    /// Moves on to the end of the sleep that ends first; false where nobody sleeps.
    fn advance(&self) -> bool {
        let Some(((until, _), waker)) = self.sleepers.borrow_mut().pop_first() else {
            return false;
        };
        self.now.set(until);
        waker.wake();
        true
    }
}

struct Sleep<'c> {
    clock: &'c Clock,
    until: (Duration, u64),
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut sleepers = self.clock.sleepers.borrow_mut();
        // Of the sleeps that end at one instant, the later one is woken in its own turn.
        let woken = self.clock.now.get() >= self.until.0
            && sleepers.keys().next().is_none_or(|first| *first > self.until);
        if woken {
            return Poll::Ready(());
        }
        sleepers.insert(self.until, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.clock.sleepers.borrow_mut().remove(&self.until);
    }
}

/// Runs a future to its end.
#[expect(clippy::panic, reason = "a test that waits for ever is told why instead")]
pub(super) fn block_on<F: Future>(clock: &Clock, future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !woken.0.swap(false, Ordering::Relaxed) {
            assert_progress(clock.advance());
        }
    }

    fn assert_progress(advanced: bool) {
        if !advanced {
            panic!(
                "the agent waits for something that will not happen in this host: it neither sleeps nor calls, and \
                 nothing else wakes it (other threads, files and sockets do not)"
            );
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A future whose type does not matter.
pub(super) type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + 'f>>;

/// Runs futures, this many at once, started in order; gives their outputs in that order.
pub(super) async fn at_once<T>(limit: usize, futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    let mut waiting: VecDeque<_> = futures.into_iter().zip(0usize..).collect();
    let mut running: Vec<(Boxed<'_, T>, usize)> = Vec::new();
    std::future::poll_fn(|context| {
        loop {
            while running.len() < limit.max(1)
                && let Some(next) = waiting.pop_front()
            {
                running.push(next);
            }
            let before = running.len();
            running.retain_mut(|(future, place)| match future.as_mut().poll(context) {
                Poll::Ready(output) => {
                    if let Some(slot) = outputs.get_mut(*place) {
                        *slot = Some(output);
                    }
                    false
                }
                Poll::Pending => true,
            });
            if running.is_empty() && waiting.is_empty() {
                return Poll::Ready(());
            }
            if running.len() == before || waiting.is_empty() {
                return Poll::Pending;
            }
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
