//! Why an instance ended.

use std::fmt;
use std::time::Duration;

use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::cpu::OutOfCpu;
use crate::limits::{Limiter, Refusal, Resource};

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
    /// It was refused more of something, and did not live without.
    Limit(Refusal),
    /// A callback took more CPU time than it may.
    OutOfCpu {
        /// The callback.
        callback: &'static str,
        /// How much it may take.
        limit: Duration,
    },
    /// Its stack overflowed: that of its functions, or the one in its own memory.
    StackOverflow,
    /// Another trap: wasmtime's words, and where in the agent it was.
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
        /// The agent had used up the CPU time of its minute, and had to wait for more.
        throttled: bool,
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
            Cause::Limit(refusal) => refusal.fmt(f),
            Cause::OutOfCpu { callback, limit } => {
                write!(f, "CPU limit: {callback} took more than {limit:?} of CPU time")
            }
            Cause::StackOverflow => f.write_str("stack limit: stack overflow"),
            Cause::Trap(words) => write!(f, "trapped: {words}"),
            Cause::Exited { code } => {
                write!(f, "it ended itself with exit code {code}; an agent returns instead")
            }
            Cause::TimedOut { callback, limit, throttled } => {
                write!(f, "time limit: {callback} did not return within {limit:?}")?;
                if *throttled { f.write_str("; it had used up its CPU time of a minute") } else { Ok(()) }
            }
            Cause::StartFailed(words) => write!(f, "on-start failed after a restart: {words}"),
            Cause::Host(words) => write!(f, "the host could not run it: {words}"),
        }
    }
}

impl Cause {
    /// A short name that stays the same, for whoever counts deaths.
    pub fn name(&self) -> &'static str {
        match self {
            Cause::Panicked(_) => "panic",
            Cause::Limit(Refusal { resource: Resource::Memory, .. }) => "memory-limit",
            Cause::Limit(Refusal { resource: Resource::Tables, .. }) => "table-limit",
            Cause::Limit(Refusal { resource: Resource::Instances, .. }) => "instance-limit",
            Cause::OutOfCpu { .. } => "cpu-limit",
            Cause::StackOverflow => "stack-limit",
            Cause::TimedOut { .. } => "time-limit",
            Cause::Trap(_) => "trap",
            Cause::Exited { .. } => "exit",
            Cause::StartFailed(_) => "start-failed",
            Cause::Host(_) => "host",
        }
    }
}

impl Death {
    pub(crate) fn of(cause: Cause) -> Self {
        Self { cause, backtrace: None }
    }

    /// Reads an error that ended an instance: `limiter` knows what was refused last, `stderr` is what the agent printed
    /// last.
    pub(crate) fn read(error: &wasmtime::Error, limiter: &Limiter, stderr: &str) -> Self {
        let backtrace = error.downcast_ref::<WasmBacktrace>();
        let cause = if let Some(OutOfCpu { call, limit }) = error.downcast_ref() {
            let callback = call.as_ref().map_or("its making", |call| call.callback);
            Cause::OutOfCpu { callback, limit: *limit }
        } else if let Some(I32Exit(code)) = error.downcast_ref() {
            Cause::Exited { code: *code }
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            of_trap(*trap, backtrace, limiter.refused(), stderr)
        } else if let Some(ResourceTableError::Full) = error.downcast_ref() {
            Cause::Trap("it holds more streams and other things of WASI than an agent may".to_owned())
        } else {
            let words = outermost(error);
            match limiter.refused().cloned().or_else(|| limiter.too_many(&words)) {
                Some(refused) => Cause::Limit(refused),
                None => Cause::Host(words),
            }
        };
        Self { cause, backtrace: backtrace.map(WasmBacktrace::to_string) }
    }
}

fn of_trap(trap: Trap, backtrace: Option<&WasmBacktrace>, refused: Option<&Refusal>, stderr: &str) -> Cause {
    // What was refused may be the reason, or long forgotten.
    let refused_before = |words: String| match refused {
        Some(refused) => format!("{words}; refused before: {refused}"),
        None => words,
    };
    let at_place = |words: &str| match backtrace.and_then(place) {
        Some(place) => format!("{words} in {place}"),
        None => words.to_owned(),
    };
    match trap {
        Trap::StackOverflow => Cause::StackOverflow,
        // The guest's own stack lies first in its memory: a frame too many reaches below address 0.
        Trap::MemoryOutOfBounds if backtrace.is_some_and(recurses) => Cause::StackOverflow,
        Trap::UnreachableCodeReached => match (panic_message(stderr), refused) {
            (Some(words), _) => Cause::Panicked(refused_before(words)),
            // An agent that needs what it does not get aborts without a panic.
            (None, Some(refused)) => Cause::Limit(refused.clone()),
            (None, None) => Cause::Trap(at_place("it aborted (unreachable code reached)")),
        },
        trap => {
            let words = trap.to_string();
            Cause::Trap(refused_before(at_place(words.trim_start_matches("wasm trap: "))))
        }
    }
}

/// The error without the native stack that `RUST_BACKTRACE` would add.
fn outermost(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    text.split("Stack backtrace").next().unwrap_or_default().trim().to_owned()
}

/// Whether the stack repeats one function, as that of a runaway recursion does.
fn recurses(backtrace: &WasmBacktrace) -> bool {
    const MANY: usize = 8;
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

/// Where it happened: the innermost place in the agent's own source, or else the innermost function.
fn place(backtrace: &WasmBacktrace) -> Option<String> {
    let mut symbols = backtrace.frames().iter().flat_map(wasmtime::FrameInfo::symbols);
    let known = symbols.find_map(|symbol| {
        let file = symbol.file().filter(|file| is_of_the_agent(file))?;
        Some(format!("{}:{}", short(file), symbol.line()?))
    });
    let function = || {
        let frame = backtrace.frames().first()?;
        Some(match frame.func_name() {
            Some(name) => name.to_owned(),
            None => format!("function {}", frame.func_index()),
        })
    };
    known.or_else(function)
}

/// Whether a file is neither of Rust's library nor of a dependency from a registry.
fn is_of_the_agent(file: &str) -> bool {
    !["/rustc/", "/rustlib/", "/.cargo/", "/registry/src/"].iter().any(|elsewhere| file.contains(elsewhere))
}

/// The end of a path: whoever wrote a message need not learn where its agent was built.
fn short(file: &str) -> &str {
    const PARTS: usize = 3;
    let separators = file.rmatch_indices(['/', '\\']);
    separators.map(|(at, _)| at + 1).nth(PARTS - 1).and_then(|at| file.get(at..)).unwrap_or(file)
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
    fn a_place_is_short_and_in_the_agent_s_own_source() {
        for (file, expected) in [
            ("/home/alice/agents/mine/src/lib.rs", "mine/src/lib.rs"),
            (r"C:\Users\alice\mine\src\lib.rs", r"mine\src\lib.rs"),
            ("src/lib.rs", "src/lib.rs"),
            ("", ""),
        ] {
            assert_eq!(short(file), expected);
            assert!(is_of_the_agent(file));
        }
        for file in
            ["/rustc/59807616e1/library/core/src/cell.rs", "/home/a/.cargo/registry/src/i/x-1.0/src/lib.rs"]
        {
            assert!(!is_of_the_agent(file), "{file}");
        }
    }

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
