//! A service of its own that runs three agents and shows what happens to them. The README says how to run it.

#![allow(clippy::print_stdout, reason = "a program that speaks to a person")]

mod people;
mod service;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use molecule_host::{AgentSpec, Event, Events, Happened, Host, LoadedAgent, Running};
use molecule_platform::{Config, Platform};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use people::People;

/// Where `cargo build --release --target wasm32-wasip2` puts the agents.
const COMPONENTS: &str = "examples/target/wasm32-wasip2/release";
/// What an agent gets to end what it has in hand.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let components = PathBuf::from(arguments.next().unwrap_or_else(|| COMPONENTS.to_owned()));
    let listen: SocketAddr =
        arguments.next().as_deref().unwrap_or("127.0.0.1:0").parse().context("the address")?;

    // A platform in this process, so that nobody needs an account. A real one would be just another URL.
    let platform = Platform::start(Config::default()).await?;
    let people = People::of(&platform.url)?;

    // Without a state folder nothing outlives the process. What else could be given here: an HTTP client, a clock,
    // randomness, a state of one's own, a policy.
    let host = Host::builder().build().await?;
    let echo = load(&host, &components, "echo").await?;
    let assistant = load(&host, &components, "assistant").await?;

    // One channel for all of them, from before their start: nothing is missed.
    let events = Events::new(4096);
    let listener = events.subscribe();

    let mut agents = HashMap::new();
    let mut names = HashMap::new();
    for (name, agent, granted) in
        [("echo", &echo, None), ("assistant", &assistant, Some("echo")), ("stranger", &assistant, None)]
    {
        let workspace = people.create(name).await?;
        let mut spec = AgentSpec::new(platform.url.clone(), workspace.id);
        spec.token.variable = Some(workspace.token);
        spec.name = Some(name.to_owned());
        spec.events = events.clone();
        // A platform in the same process counts no requests.
        spec.intervals.poll = Duration::from_millis(200);
        // Deny by default: the stranger may call nobody.
        if let Some(peer) = granted {
            spec.grants.peers.push(peer.parse()?);
        }
        names.insert(workspace.id, name);
        agents.insert(name, host.start(agent, spec).await?);
    }
    tokio::spawn(show(listener, names));

    let people_say =
        [("echo", "hello"), ("assistant", "ask echo are you there?"), ("stranger", "ask echo hello")];
    for (name, text) in people_say {
        if let Some(running) = agents.get(name) {
            people.say(running.workspace(), text).await?;
        }
    }
    println!("a person talks to the agents at {}", platform.page());
    service::serve(listen, agents.clone(), people).await?;

    stop(agents).await;
    platform.shutdown().await;
    Ok(())
}

async fn load(host: &Host, components: &Path, name: &str) -> Result<LoadedAgent> {
    let path = components.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path).with_context(|| {
        format!("{} cannot be read; build the agents first, as the README says", path.display())
    })?;
    Ok(host.load(bytes).await?)
}

/// All at once: each has its own grace.
async fn stop(agents: HashMap<&'static str, Running>) {
    let stopping: Vec<_> =
        agents.into_values().map(|it| tokio::spawn(async move { it.stop(GRACE).await })).collect();
    for stopped in stopping {
        // A task that panicked has nothing left to stop.
        let _ = stopped.await;
    }
}

/// Prints what happens, a line each.
async fn show(mut events: Receiver<Happened>, names: HashMap<molecule_host::WorkspaceId, &'static str>) {
    loop {
        match events.recv().await {
            Ok(happened) => {
                let name = names.get(&happened.workspace).copied().unwrap_or("?");
                if let Some(line) = line(&happened.event) {
                    println!("[{name}] {line}");
                }
            }
            Err(RecvError::Lagged(count)) => println!("{count} events came too fast to be shown"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// An event in words; heartbeats are no news.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Heartbeat => return None,
        Event::Started => "started".to_owned(),
        Event::MessageIn { id, from, .. } => format!("message {id} from {from}"),
        Event::Handled { id, took, .. } => format!("message {id} was handled in {took:.1?}"),
        Event::Delivered { to, .. } => format!("delivered to {to}"),
        Event::Denied { effect, target, grant, times, .. } => {
            let grant = grant.as_deref().map(|grant| format!("; {grant} allows it")).unwrap_or_default();
            format!("denied {times} times: {} {target}{grant}", effect.name())
        }
        Event::Died { death, .. } => format!("died: {death}"),
        Event::Log { text, .. } => format!("says: {text}"),
        Event::Trouble(line) => line.clone(),
        other => format!("{other:?}"),
    })
}
