//! Why an instance ended.

use std::fmt;
use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// The end of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The reason.
    pub cause: Cause,
    /// The wasm stack, innermost frame first, with file and line where the component has them.
    pub backtrace: Option<String>,
}

/// Why an instance ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The agent panicked; its words.
    Panicked(String),
    /// A limit was reached; which one, in words.
    Limit(String),
    /// Its stack overflowed.
    StackOverflow,
    /// Another trap, in wasmtime's words.
    Trap(String),
    /// The agent ended its own program.
    Exited {
        /// The code that it gave.
        code: i32,
    },
    /// A callback did not return within its time.
    TimedOut {
        /// The callback.
        callback: &'static str,
        /// Its time.
        limit: Duration,
    },
    /// `on-start` failed when the instance was built again; the agent's words.
    StartFailed(String),
    /// The host could not run it; in words.
    Host(String),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Panicked(words) => write!(f, "panicked: {words}"),
            Cause::Limit(words) => f.write_str(words),
            Cause::StackOverflow => f.write_str("stack overflow"),
            Cause::Trap(words) => write!(f, "trapped: {words}"),
            Cause::Exited { code } => {
                write!(f, "it ended itself with exit code {code}; an agent returns instead")
            }
            Cause::TimedOut { callback, limit } => write!(f, "{callback} did not return within {limit:?}"),
            Cause::StartFailed(words) => write!(f, "on-start failed after a restart: {words}"),
            Cause::Host(words) => write!(f, "the host could not run it: {words}"),
        }
    }
}

impl Death {
    pub(crate) fn of(cause: Cause) -> Self {
        Self { cause, backtrace: None }
    }

    /// Reads an error that ended an instance: `refused` is what a limit refused last, `stderr` what the agent printed
    /// last.
    pub(crate) fn read(error: &wasmtime::Error, refused: Option<&str>, stderr: &str) -> Self {
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::to_string);
        let cause = match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Cause::StackOverflow,
            // The guest's own stack lies first in its memory: a frame too many reaches below address 0.
            Some(Trap::MemoryOutOfBounds) if error_recurses(error) => Cause::StackOverflow,
            Some(Trap::UnreachableCodeReached) => match (refused, panic_message(stderr)) {
                // What was refused may be the reason, or long forgotten: a Rust agent that needs what it does not get
                // aborts without a panic.
                (Some(refused), Some(words)) => {
                    Cause::Panicked(format!("{words}; refused before: {refused}"))
                }
                (Some(refused), None) => Cause::Limit(refused.to_owned()),
                (None, Some(words)) => Cause::Panicked(words),
                (None, None) => Cause::Trap("it aborted (unreachable code reached)".to_owned()),
            },
            Some(trap) => Cause::Trap(trap.to_string().trim_start_matches("wasm trap: ").to_owned()),
            None => match (error.downcast_ref::<I32Exit>(), refused) {
                (Some(I32Exit(code)), _) => Cause::Exited { code: *code },
                (None, Some(refused)) => Cause::Limit(refused.to_owned()),
                (None, None) => Cause::Host(outermost(error)),
            },
        };
        Self { cause, backtrace }
    }
}

/// The error without the native stack that `RUST_BACKTRACE` would add.
fn outermost(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    text.split("Stack backtrace").next().unwrap_or_default().trim().to_owned()
}

/// Whether the stack repeats one function, as that of a runaway recursion does.
fn error_recurses(error: &wasmtime::Error) -> bool {
    const MANY: usize = 8;
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return false };
    let mut run = 0;
    let mut last = None;
    for frame in backtrace.frames() {
        run = if last == Some(frame.func_index()) { run + 1 } else { 1 };
        last = Some(frame.func_index());
        if run >= MANY {
            return true;
        }
    }
    false
}

/// The message of a Rust panic at the end of what was printed, with its place.
fn panic_message(stderr: &str) -> Option<String> {
    let (_, said) = stderr.rsplit_once("panicked at ")?;
    let mut lines = said.lines().filter(|line| !line.starts_with("note: "));
    let place = lines.next()?.trim().trim_end_matches(':');
    let words: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    Some(if words.is_empty() { place.to_owned() } else { format!("{} ({place})", words.join(" ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_panic_are_found() {
        for (stderr, expected) in [
            (
                "hello\n\nthread '<unnamed>' (1) panicked at src/lib.rs:3:5:\nboom\nnote: run with `RUST_BACKTRACE=1`\n",
                Some("boom (src/lib.rs:3:5)"),
            ),
            ("thread 'main' panicked at src/lib.rs:3:5:\ntwo\nlines\n", Some("two lines (src/lib.rs:3:5)")),
            ("panicked at a.rs:1:1:\nfirst\npanicked at b.rs:2:2:\nlast\n", Some("last (b.rs:2:2)")),
            ("panicked at a.rs:1:1", Some("a.rs:1:1")),
            ("all is well", None),
            ("", None),
        ] {
            assert_eq!(panic_message(stderr).as_deref(), expected, "{stderr:?}");
        }
    }
}
