//! `molecule-host ps`: the agents of the hosts that run on a state folder.

use super::args::PsArgs;
use super::board::AgentRow;
use super::console::Console;
use super::control::{Client, Request};
use super::failure::Failure;
use super::settings::{self, Environment};
use super::table::{ago, table};

/// Shows them.
///
/// # Errors
/// Where no host runs.
pub(super) fn ps(args: PsArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let client = Client::new(settings::state_dir(args.state, environment)?);
    let rows: Vec<AgentRow> = client.ask_all::<Vec<AgentRow>>(&Request::Ps)?.into_iter().flatten().collect();
    if args.answers.json {
        for row in &rows {
            console.json(row)?;
        }
        return Ok(());
    }
    let heading = [
        "AGENT",
        "STATE",
        "UP",
        "HEARTBEAT",
        "MEMORY",
        "CPU",
        "MESSAGES",
        "DEAD",
        "RESTARTS",
        "DENIALS",
        "WORKSPACE",
        "LAST ERROR",
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
    console.answer(&table(&heading, &rows))
}

fn cells(row: AgentRow) -> Vec<String> {
    vec![
        row.agent,
        row.state,
        ago(row.uptime_s),
        row.heartbeat_age_s.map_or_else(|| "none".to_owned(), |age| format!("{} ago", ago(age))),
        mebibytes(row.memory_bytes),
        format!("{:.1} s", row.cpu_ms as f64 / 1000.0),
        format!("{}/{}", row.handled, row.received),
        row.given_up.to_string(),
        row.restarts.to_string(),
        row.denials.to_string(),
        row.workspace.to_string(),
        row.last_error.unwrap_or_default(),
    ]
}

/// Linear memory comes in pages of 64 KiB.
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
