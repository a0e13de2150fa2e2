//! Ctrl-C and SIGTERM: the first asks to stop, the second one does not ask. SIGHUP asks to look at the files again, or
//! where there are none to stop as well.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::failure::Failure;

/// Takes SIGHUP from now on; it would end the process otherwise. Must be called within a tokio runtime.
///
/// # Errors
/// When the system does not let a handler be set.
pub(super) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// What SIGHUP is to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// One more way to ask it to stop, unless whoever started it has it ignored, as nohup(1) does.
    Stops,
    /// Something else: see [`hangups`].
    IsItsOwn,
}

/// The signals that have come. Clones see the same ones.
#[derive(Debug, Clone)]
pub(super) struct Signals(watch::Receiver<usize>);

impl Signals {
    /// Takes SIGINT and SIGTERM from now on, and SIGHUP where it stops. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system does not let a handler be set.
    pub(super) fn listen(hangup: Hangup) -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = match hangup {
            Hangup::Stops if !hangups_are_ignored() => Some(hangups()?),
            Hangup::Stops | Hangup::IsItsOwn => None,
        };
        let (sender, receiver) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    Some(()) = next(hangup.as_mut()) => {}
                }
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(receiver))
    }

    /// Until a signal has come.
    pub(super) async fn first(&self) {
        self.at_least(1).await;
    }

    /// Until two have.
    pub(super) async fn second(&self) {
        self.at_least(2).await;
    }

    async fn at_least(&self, wanted: usize) {
        let mut count = self.0.clone();
        if count.wait_for(|count| *count >= wanted).await.is_err() {
            // Nobody listens any more, as at the end of the runtime: none will come.
            std::future::pending().await
        }
    }

    /// Does some work, unless a signal comes first: then the work is dropped.
    ///
    /// # Errors
    /// The work's own, and [`Failure::Stopped`].
    pub(super) async fn or_stop<T, E: Into<Failure>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.first() => Err(Failure::Stopped),
            done = work => done.map_err(Into::into),
        }
    }
}

async fn next(signal: Option<&mut Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP was ignored when this process began. Where there is no procfs that is not known, and it was not.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // One bit for each signal, the lowest for the first, which is SIGHUP.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_dropped_at_the_first_signal_and_the_second_is_told_apart() {
        let (sender, receiver) = watch::channel(0);
        let signals = Signals(receiver);
        assert!(matches!(signals.or_stop(async { Ok::<_, Failure>(7) }).await, Ok(7)));

        sender.send_replace(1);
        let stopped = signals.or_stop(std::future::pending::<Result<(), Failure>>()).await;
        assert!(matches!(stopped, Err(Failure::Stopped)));
        // One that came before does count, also for work that would be done at once.
        assert!(matches!(signals.or_stop(async { Ok::<_, Failure>(7) }).await, Err(Failure::Stopped)));

        let mut second = std::pin::pin!(signals.second());
        tokio::select! {
            biased;
            () = &mut second => panic!("one signal is not two"),
            () = std::future::ready(()) => {}
        }
        sender.send_replace(2);
        second.await;
    }
}
