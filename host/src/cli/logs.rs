//! `molecule-host logs AGENT`: what an agent of a running host says, and what happens to it.

use super::args::LogsArgs;
use super::board::LogLine;
use super::console::Console;
use super::control::{Client, Request};
use super::failure::Failure;
use super::settings::{self, Environment, UsageError};

/// Shows its lines, until there are no more.
///
/// # Errors
/// Where no host runs, or none has the agent.
pub(super) fn logs(args: LogsArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let agent = args
        .agent
        .ok_or_else(|| UsageError("no agent is named; molecule-host ps shows which there are".to_owned()))?;
    let client = Client::new(settings::state_dir(args.state, environment)?);
    let mut written = Ok(());
    let request = Request::Logs { agent: agent.clone(), follow: !args.no_follow };
    client.ask_one(&request, |line: LogLine| {
        if written.is_ok() {
            written =
                if args.answers.json { console.json(&line) } else { console.answer(&shown(&agent, &line)) };
        }
    })?;
    written
}

/// As the host's own log has it: the agent's words behind its name.
fn shown(agent: &str, line: &LogLine) -> String {
    let who = if line.by_agent { format!("{agent}: ") } else { String::new() };
    let text = line.text.lines().collect::<Vec<_>>().join("\n      | ");
    format!("{:.0} {:>5} {who}{text}", line.at, line.level.to_uppercase())
}
