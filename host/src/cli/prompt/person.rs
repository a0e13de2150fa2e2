//! How a person is heard.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};
use tokio::sync::mpsc;

/// Bytes of a line; a terminal gives no longer one.
const LINE: usize = 4096;
/// How long after a question the terminal may still be looked at.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Where the lines of a person come from.
#[derive(Debug)]
pub(in crate::cli) enum Person {
    /// From the terminal, which nobody else reads.
    Terminal,
    /// From whoever reads the terminal anyway, and leaves to an open question what is typed.
    Desk(Desk),
}

impl Person {
    /// Listens from now on; what was typed before was no answer. `None` where the terminal is not ours.
    pub(super) fn begin(&self) -> Option<Lines> {
        match self {
            Self::Terminal if !is_at_the_terminal() => None,
            Self::Terminal => {
                forget_typed();
                Some(Lines::Terminal(lines_of_terminal()))
            }
            Self::Desk(desk) => {
                if is_at_the_terminal() {
                    forget_typed();
                }
                Some(Lines::Desk(desk.open()))
            }
        }
    }
}

/// Whether standard input is a terminal, and ours to read: reading it from the background would stop the process.
pub(in crate::cli) fn is_at_the_terminal() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp())
}

fn forget_typed() {
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
}

/// The lines for one question.
#[derive(Debug)]
pub(super) enum Lines {
    Terminal(mpsc::UnboundedReceiver<String>),
    Desk(Opened),
}

impl Lines {
    /// The next one; `None` when none will come. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<String> {
        match self {
            Self::Terminal(lines) => lines.recv().await,
            Self::Desk(opened) => opened.lines.recv().await,
        }
    }
}

/// Reads lines as long as somebody listens and the terminal is ours, on a thread of its own. A read cannot be called off,
/// and would take a line that is meant for somebody else: so it reads what is there already.
fn lines_of_terminal() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let stdin = io::stdin();
        while !sender.is_closed() && is_at_the_terminal() {
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LOOK)) {
                Ok(0) | Err(Errno::INTR) => continue,
                // Whoever asked has gone meanwhile, and the line is for whoever asks next.
                Ok(_) if sender.is_closed() => return,
                Ok(_) => {}
                Err(_) => return,
            }
            let mut line = [0; LINE];
            let read = rustix::io::read(&stdin, &mut line).unwrap_or_default();
            let Some(line) = line.get(..read).filter(|line| !line.is_empty()) else { return };
            if sender.send(String::from_utf8_lossy(line).into_owned()).is_err() {
                return;
            }
        }
    });
    lines
}

/// Hands a line to the question that is open, if one is. Clones are the same desk.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Desk(Arc<Mutex<Option<mpsc::UnboundedSender<String>>>>);

impl Desk {
    /// Takes a line for the open question, or gives it back where none is open.
    pub(in crate::cli) fn offer(&self, line: String) -> Option<String> {
        match self.slot().as_ref() {
            Some(question) => question.send(line).err().map(|unheard| unheard.0),
            None => Some(line),
        }
    }

    fn open(&self) -> Opened {
        let (sender, lines) = mpsc::unbounded_channel();
        *self.slot() = Some(sender);
        Opened { desk: self.clone(), lines }
    }

    fn slot(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question at the desk, open until it is dropped.
#[derive(Debug)]
pub(super) struct Opened {
    desk: Desk,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        *self.desk.slot() = None;
    }
}
