//! `/health`, `/ready` and `/metrics`, on a loopback address that the operator names.
//!
//! | path | answers |
//! | --- | --- |
//! | `/health` | 200 as long as the process takes turns |
//! | `/ready` | 200 when every agent works or is paused; else 503, and a line for each that does not |
//! | `/metrics` | counts and states in the text format of Prometheus |
//!
//! Only requests that name a loopback host are answered: a page in a browser of this machine must not read them under a
//! name of its own.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, serve as serve_http};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::board::{AgentRow, Board};
use super::failure::Failure;

/// Answers until it is dropped.
#[derive(Debug)]
pub(super) struct Metrics(JoinHandle<()>);

impl Drop for Metrics {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Answers at this address, if there is one.
///
/// # Errors
/// The address is in use, or none of this machine.
pub(super) async fn serve(addr: Option<SocketAddr>, board: Board) -> Result<Option<Metrics>, Failure> {
    let Some(addr) = addr else { return Ok(None) };
    let unusable = |source| Failure::Metrics { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(unusable)?;
    tracing::info!("answers http://{}/health, /ready and /metrics", listener.local_addr().map_err(unusable)?);
    let routes = Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn(local_only))
        .with_state(board);
    Ok(Some(Metrics(tokio::spawn(async move {
        if let Err(error) = serve_http(listener, routes).await {
            tracing::warn!("--metrics answers no more: {error}; start the host again");
        }
    }))))
}

async fn local_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    match host.is_some_and(is_loopback) {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "ask at a loopback address\n").into_response(),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn ready(State(board): State<Board>) -> Response {
    let is_ready = |row: &AgentRow| matches!(row.state.as_str(), "working" | "paused");
    let rows = board.rows();
    let waits = rows.iter().filter(|row| !is_ready(row));
    let waits: String = waits.map(|row| format!("{} is {}\n", row.agent, row.state)).collect();
    match waits.is_empty() {
        true => (StatusCode::OK, "ready\n".to_owned()).into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, waits).into_response(),
    }
}

async fn metrics(State(board): State<Board>) -> Response {
    const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, TYPE)], exposition(&board.rows())).into_response()
}

/// A series of each agent: its name, its type, what it says, and its value.
type Series = (&'static str, &'static str, &'static str, fn(&AgentRow) -> Option<f64>);

const SERIES: [Series; 10] = [
    ("molecule_agent_messages_received_total", "counter", "Messages that came in.", |row| {
        Some(row.received as f64)
    }),
    ("molecule_agent_messages_handled_total", "counter", "Messages that the agent was done with.", |row| {
        Some(row.handled as f64)
    }),
    ("molecule_agent_messages_given_up_total", "counter", "Messages that became dead letters.", |row| {
        Some(row.given_up as f64)
    }),
    ("molecule_agent_messages_in_hand", "gauge", "Messages that are being handled.", |row| {
        Some(row.in_hand as f64)
    }),
    ("molecule_agent_restarts_total", "counter", "Deaths of its instance.", |row| Some(row.restarts as f64)),
    ("molecule_agent_denials_total", "counter", "Effects that the gate refused.", |row| {
        Some(row.denials as f64)
    }),
    ("molecule_agent_memory_bytes", "gauge", "Linear memory of its instance.", |row| {
        Some(row.memory_bytes as f64)
    }),
    ("molecule_agent_cpu_seconds_total", "counter", "CPU time of its instances.", |row| {
        Some(row.cpu_ms as f64 / 1000.0)
    }),
    ("molecule_agent_heartbeat_age_seconds", "gauge", "Since the platform took the last heartbeat.", |row| {
        row.heartbeat_age_s.map(|age| age as f64)
    }),
    ("molecule_agent_uptime_seconds", "gauge", "Since it was started.", |row| Some(row.uptime_s as f64)),
];

const STATES: [&str; 6] = ["starting", "working", "wedged", "paused", "revoked", "ended"];

fn exposition(rows: &[AgentRow]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "# TYPE molecule_host_info gauge\nmolecule_host_info{{version=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(text, "# HELP molecule_agents Agents in each state.\n# TYPE molecule_agents gauge");
    for state in STATES {
        let count = rows.iter().filter(|row| row.state == state).count();
        let _ = writeln!(text, "molecule_agents{{state=\"{state}\"}} {count}");
    }
    for (name, kind, help, value) in SERIES {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for row in rows {
            if let Some(value) = value(row) {
                let _ = writeln!(text, "{name}{{agent=\"{}\"}} {value}", label(&row.agent));
            }
        }
    }
    text
}

/// As the value of a label has to be written.
fn label(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for (host, good) in [
            ("127.0.0.1:9464", true),
            ("[::1]:9464", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("127.0.0.1", true),
            ("evil.example:9464", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1:9464", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), good, "{host}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        assert_eq!(label("a\"} 1\nb\\"), r#"a\"} 1\nb\\"#);
    }
}
