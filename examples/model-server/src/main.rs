//! The scripted model as a program. The README says how to run it.

#![allow(clippy::print_stdout, reason = "whoever started it waits for the line that says where it is")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use model_server::{Config, ModelServer};

/// A language model of a few rules, behind the API of chat completions, on this machine.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; loopback, since it is a toy
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8798")]
    listen: SocketAddr,
    /// The key that requests have to show, as Authorization: Bearer KEY
    #[arg(long, value_name = "KEY", env = "MODEL_SERVER_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Milliseconds between two words
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pause: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { listen, key, pause } = Arguments::parse();
    ensure!(listen.ip().is_loopback(), "{listen} is not loopback; give an address such as 127.0.0.1:8798");
    let config = Config { listen, key, pause: Duration::from_millis(pause), ..Config::default() };
    let server = ModelServer::start(config)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    println!("A scripted model is at {}", server.url());
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}
