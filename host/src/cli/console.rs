//! What is said outside the log: answers on standard output, the start and the end on standard error.

use std::io::{self, IsTerminal, Write};

use tracing_appender::non_blocking::WorkerGuard;

use super::args::{LogFormat, OutputArgs};
use super::banner::Banner;
use super::build::Talk;
use super::escape::{escape, escape_json, one_line};
use super::failure::Failure;
use super::screen;

/// The two streams of this program, as the flags want them used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Console {
    format: LogFormat,
    quiet: bool,
    /// Whether somebody looks at standard output: then nothing may steer his terminal.
    watched: bool,
}

impl Console {
    /// As the flags say.
    pub(super) fn new(output: &OutputArgs) -> Self {
        Self { format: output.log_format, quiet: output.quiet, watched: io::stdout().is_terminal() }
    }

    /// How a cargo that is started again and again speaks to the person: as it likes, unless the log is for programs.
    pub(super) fn cargo(self) -> Talk {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Talk::Heard {
            shown: self.format == LogFormat::Human,
            coloured: io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_set("CARGO_TERM_COLOR"),
        }
    }

    /// Prints what the agent said to its user: as it is into a pipe, and harmless on a terminal.
    ///
    /// # Errors
    /// When nobody reads it.
    pub(super) fn answer(self, text: &str) -> Result<(), Failure> {
        let text = if self.watched { escape(text) } else { text.into() };
        let print = || {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{text}").and_then(|()| stdout.flush())
        };
        // Into a pipe it is no matter of the terminal's.
        let printed = if self.watched { screen::above(print) } else { print() };
        printed.map_err(Failure::Output)
    }

    /// Prints one JSON object on a line of its own.
    ///
    /// # Errors
    /// When nobody reads it.
    pub(super) fn json(self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", escape_json(&line)).and_then(|()| stdout.flush()).map_err(Failure::Output)
    }

    /// Shows who runs now, and what it may do.
    pub(super) fn banner(self, banner: &Banner) {
        match (self.format, self.quiet) {
            (LogFormat::Json, _) => banner.log(),
            (LogFormat::Human, false) => note(&format!("\n{banner}\n")),
            (LogFormat::Human, true) => {}
        }
    }

    /// Says why the program ends: the last line, after all that is in the log.
    pub(super) fn failure(self, failure: &Failure, log: Option<WorkerGuard>) {
        let line = one_line(&failure.to_string(), 2000);
        match self.format {
            LogFormat::Human => {
                drop(log);
                note(&format!("molecule-host: {line}\n"));
            }
            // Part of the log, which is written when it is dropped.
            LogFormat::Json => tracing::error!(exit_code = failure.exit() as u8, "{line}"),
        }
    }
}

/// Writes to standard error. Where nobody reads it, there is nobody to tell.
fn note(text: &str) {
    let _ = screen::Stderr.write_all(text.as_bytes());
}
