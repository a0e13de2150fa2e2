//! The service itself: how the agents are, and a way to write to them.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::Result;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use molecule_host::Running;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::people::People;

type Agents = HashMap<&'static str, Running>;

/// Answers until Ctrl-C.
pub(crate) async fn serve(listen: SocketAddr, agents: Agents, people: People) -> Result<()> {
    let routes =
        Router::new().route("/", get(show)).route("/say/{agent}", post(say)).with_state((agents, people));
    let listener = TcpListener::bind(listen).await?;
    println!("this service listens on http://{}; Ctrl-C stops it", listener.local_addr()?);
    let stopped = async {
        // Without signals it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    Ok(axum::serve(listener, routes).with_graceful_shutdown(stopped).await?)
}

async fn show(State((agents, _)): State<(Agents, People)>) -> Json<Value> {
    let rows = agents.iter().map(|(name, running)| {
        let status = running.status();
        let row = json!({
            "workspace": running.workspace(),
            "phase": format!("{:?}", status.phase),
            "handled": status.messages.handled,
            "denials": status.denials,
            "memory_bytes": status.memory_bytes,
            "cpu_ms": status.cpu_time.as_millis() as u64,
        });
        ((*name).to_owned(), row)
    });
    Json(Value::Object(rows.collect()))
}

async fn say(
    State((agents, people)): State<(Agents, People)>,
    Path(agent): Path<String>,
    text: String,
) -> (StatusCode, String) {
    let Some(running) = agents.get(agent.as_str()) else {
        return (StatusCode::NOT_FOUND, format!("there is no agent {agent}\n"));
    };
    match people.say(running.workspace(), &text).await {
        Ok(()) => (StatusCode::ACCEPTED, "sent\n".to_owned()),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}\n")),
    }
}
