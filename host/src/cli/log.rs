//! Log lines on standard error: for people, or one JSON object a line.

mod format;

use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use self::format::Lines;
use super::args::{LogFormat, OutputArgs};
use super::screen::Stderr;
use super::settings::{Environment, UsageError};

/// The variable with a filter that goes before `-v` and `-q`.
const VARIABLE: &str = "MOLECULE_LOG";

/// The target of lines that the agent wrote, for filters.
pub(super) const AGENT: &str = "molecule_host::agent";

/// Our own crates. What others have to say is of interest when it is a warning.
const OURS: [&str; 5] =
    ["molecule_host", "molecule_runtime", "molecule_gate", "molecule_store", "molecule_platform"];

/// Writes what this process traces to standard error, until what comes back is dropped.
///
/// From a thread of its own: whoever reads slowly holds up nobody, a heartbeat least of all. He misses lines then.
///
/// # Errors
/// A filter in the variable that cannot be read.
pub(super) fn start(output: &OutputArgs, environment: &Environment) -> Result<WorkerGuard, UsageError> {
    let terminal = io::stderr().is_terminal();
    let lines = match output.log_format {
        LogFormat::Human => Lines::human(terminal),
        LogFormat::Json => Lines::json(),
    };
    let filter = filter(output, environment)?;
    let (writer, written) = tracing_appender::non_blocking(Stderr);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal && environment.text("NO_COLOR").is_ok_and(|it| it.is_none()))
        // A standard error that nobody reads is no reason to panic.
        .log_internal_errors(false)
        .with_writer(writer)
        .event_format(lines)
        .finish();
    // There is one already only where somebody else has put it there; then he gets what we say.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(written)
}

fn filter(output: &OutputArgs, environment: &Environment) -> Result<EnvFilter, UsageError> {
    let wrong = |error: &dyn std::fmt::Display| {
        UsageError(format!(
            "{VARIABLE} is no filter: {error}; write it as in {VARIABLE}=molecule_host=debug,warn, or unset it"
        ))
    };
    match environment.text(VARIABLE)? {
        Some(text) => EnvFilter::try_new(text).map_err(|error| wrong(&error)),
        None => EnvFilter::try_new(directives(output)).map_err(|error| wrong(&error)),
    }
}

fn directives(output: &OutputArgs) -> String {
    let level = match (output.quiet, output.verbose) {
        (true, _) => "warn",
        (_, 0) => "info",
        (_, 1) => "debug",
        _ => "trace",
    };
    OURS.iter().fold("warn".to_owned(), |directives, ours| format!("{directives},{ours}={level}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(verbose: u8, quiet: bool) -> OutputArgs {
        OutputArgs { verbose, quiet, ..OutputArgs::default() }
    }

    #[test]
    fn more_is_said_of_our_own_crates_only() {
        for (verbose, quiet, ours) in
            [(0, false, "info"), (1, false, "debug"), (2, false, "trace"), (0, true, "warn")]
        {
            let directives = directives(&output(verbose, quiet));
            assert!(directives.starts_with("warn,") && directives.contains(&format!("molecule_host={ours}")));
            assert!(!directives.contains("hyper"), "{directives}");
        }
    }

    #[test]
    fn the_variable_goes_before_the_flags_and_a_wrong_one_is_named() {
        let with = |value: &'static str| Environment::new(move |_| Some(value.into()));
        let filter = |environment| super::filter(&output(2, false), &environment);
        assert_eq!(filter(with("molecule_host=debug")).unwrap().to_string(), "molecule_host=debug");
        assert!(filter(with("")).unwrap().to_string().contains("molecule_host=trace"));
        let error = filter(with("molecule_host=loud")).unwrap_err().to_string();
        assert!(
            error.starts_with("MOLECULE_LOG is no filter: ") && error.ends_with("or unset it"),
            "{error}"
        );
    }
}
