//! What happens to the agent, as log lines.

use std::time::Duration;

use molecule_host::runtime::wit::Level;
use molecule_host::runtime::{Death, LineSource};
use molecule_host::{Event, Happened};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use super::limits::flag_against;
use super::log::AGENT;

/// Logs what happens until the agent has ended.
pub(super) async fn follow(mut events: Receiver<Happened>) {
    let mut agent = String::new();
    loop {
        match events.recv().await {
            Ok(Happened { event: Event::Ended(_), .. }) | Err(RecvError::Closed) => return,
            Ok(Happened { event: Event::Registered { name }, .. }) => {
                tracing::debug!("registered as {name}");
                agent = name;
            }
            Ok(happened) => log(&agent, &happened.event),
            Err(RecvError::Lagged(count)) => {
                tracing::warn!(
                    "{count} events came too fast to be logged; the agent itself has missed nothing"
                );
            }
        }
    }
}

/// Waits until what was said last is logged, so that the end of the program comes after it.
pub(super) async fn drained(log: JoinHandle<()>) {
    const LONGEST: Duration = Duration::from_secs(1);
    // The log is a courtesy: it holds nothing up.
    let _ = tokio::time::timeout(LONGEST, log).await;
}

fn log(agent: &str, event: &Event) {
    match event {
        Event::Started => tracing::info!("started"),
        Event::Heartbeat => tracing::trace!("heartbeat"),
        Event::MessageIn { id, from } => tracing::info!("message {id} from {from}"),
        Event::Handled { id, answered, took } => {
            let answer = if *answered { "with an answer" } else { "without an answer" };
            tracing::info!("message {id} was handled in {took:.1?}, {answer}");
        }
        Event::Delivered { to } => tracing::debug!("delivered to {to}"),
        Event::Undeliverable { to, reason } => tracing::error!("an answer to {to} is lost: {reason}"),
        Event::DeadLetter { id, reason } => tracing::error!("message {id} was given up: {reason}"),
        Event::Died { death, backoff } => {
            tracing::error!("the agent died: {}\nit is built again in {backoff:.1?}", story(death));
        }
        Event::Wedged { death } => {
            tracing::error!("the agent dies again and again, and the platform is told so: {death}");
        }
        Event::Recovered => tracing::info!("the agent works again"),
        Event::Log { source, level, text, fields, message } => {
            let fields = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
            line(agent, *source, *level, &format!("{text}{fields}"), message.as_deref());
        }
        Event::Paused => tracing::info!("the workspace is paused; messages wait until it is resumed"),
        Event::Resumed => tracing::info!("the workspace is resumed"),
        Event::Trouble(text) => tracing::warn!("{text}"),
        other => tracing::debug!("{other:?}"),
    }
}

/// The reason, the flag against it, and the wasm stack below.
fn story(death: &Death) -> String {
    let mut story = death.to_string();
    if let Some(flag) = flag_against(&death.cause) {
        story += &format!("; {flag} allows more");
    }
    if let Some(backtrace) = &death.backtrace {
        story += &format!("\n{}", backtrace.trim_end());
    }
    story
}

/// A line of the agent's own. What it prints is as important as what it logs: it may know no other way.
fn line(agent: &str, source: LineSource, level: Level, text: &str, message_id: Option<&str>) {
    let level = match source {
        LineSource::Log => level,
        LineSource::Stdout | LineSource::Stderr => Level::Info,
    };
    // A level is part of a call site, so that there is one for each.
    match level {
        Level::Debug => tracing::debug!(target: AGENT, agent, message_id, "{text}"),
        Level::Info => tracing::info!(target: AGENT, agent, message_id, "{text}"),
        Level::Warn => tracing::warn!(target: AGENT, agent, message_id, "{text}"),
        Level::Error => tracing::error!(target: AGENT, agent, message_id, "{text}"),
    }
}
