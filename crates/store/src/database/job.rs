//! A job on its way from the caller to a thread and back.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;

/// A job as the threads see it, its types erased.
pub(super) trait Job: Send {
    /// Does the work, once; true when what it changed is to be kept.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Tells the caller how it went. `committed` is the fate of the transaction that the job was, or would
    /// have been, part of.
    fn resolve(self: Box<Self>, committed: Result<(), StoreError>);
}

impl fmt::Debug for dyn Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// A job whose caller waits.
pub(super) struct Pending<F, T, E> {
    job: Option<F>,
    outcome: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Pending<F, T, E>
where
    F: FnOnce(&Connection) -> Result<T, E>,
{
    pub(super) fn new(job: F) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (caller, outcome) = oneshot::channel();
        (Self { job: Some(job), outcome: None, caller }, outcome)
    }
}

impl<F, T, E> Job for Pending<F, T, E>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(job) = self.job.take() else { return false };
        // Unwind safe: what the job changed in the database is undone, and nothing else of ours was lent to
        // it.
        let outcome = catch_unwind(AssertUnwindSafe(|| job(connection)))
            .unwrap_or_else(|panic| Err(StoreError::Panicked { message: panic_message(&*panic) }.into()));
        self.outcome.insert(outcome).is_ok()
    }

    fn resolve(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(error.into()),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        // A caller that went away wants no answer.
        let _ = self.caller.send(outcome);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
