//! The terminal that this process shares: what is said goes above, and a question, while one is open, stays below.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The last line of the question that is open. There is one terminal to a process.
static QUESTION: Mutex<Option<String>> = Mutex::new(None);

/// Back to the begin of the line, and nothing on it.
const CLEARED: &str = "\r\x1b[K";

/// Writes something, on whichever stream, above the question.
pub(super) fn above<T>(write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let question = question();
    let Some(question) = question.as_deref() else { return write() };
    // What cannot be drawn is no reason not to write.
    let _ = draw(CLEARED);
    let written = write();
    let _ = draw(question);
    written
}

/// Standard error, whose lines go above the question.
#[derive(Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        above(|| io::stderr().lock().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A question that stands below all else until it is dropped.
#[derive(Debug)]
pub(super) struct Open {
    /// Whether the terminal has gone to the next line already, with the answer.
    answered: bool,
}

impl Open {
    /// Shows it: lines that are said once, and the line that stays.
    pub(super) fn new(lines: &str, last: &str) -> Self {
        let mut question = question();
        let _ = draw(&format!("{lines}{last}"));
        *question = Some(last.to_owned());
        Self { answered: false }
    }

    /// The person has ended the line.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut question = question();
        *question = None;
        if !self.answered {
            let _ = draw("\n");
        }
    }
}

fn draw(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}

fn question() -> MutexGuard<'static, Option<String>> {
    QUESTION.lock().unwrap_or_else(PoisonError::into_inner)
}
