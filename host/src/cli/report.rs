//! What happens to an agent, as log lines: of this program's own log, and for whoever asks for the latest.

use std::time::Duration;

use jiff::Timestamp;
use molecule_host::runtime::wit::Level as Severity;
use molecule_host::runtime::{Death, LineSource};
use molecule_host::{Event, Happened};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::board::{LogLine, Recent};
use super::limits::flag_against;
use super::log::AGENT;

/// Whose lines they are.
#[derive(Debug)]
pub(super) struct Who {
    /// Before the agent's own words.
    pub(super) name: String,
    /// Before the host's words about it, where there are others.
    pub(super) label: Option<String>,
}

impl Who {
    /// The only agent of this process; its name is that under which it is registered.
    pub(super) fn only() -> Self {
        Self { name: String::new(), label: None }
    }

    /// One of several.
    pub(super) fn labelled(label: &str) -> Self {
        Self { name: label.to_owned(), label: Some(label.to_owned()) }
    }
}

/// Logs what happens until the agent has ended.
pub(super) async fn follow(mut events: Receiver<Happened>, mut who: Who, recent: Option<Recent>) {
    while let Some(event) = next(&mut events, &who).await {
        match event {
            Event::Ended(_) => return,
            event => tell(&event, &mut who, recent.as_ref()),
        }
    }
}

/// Logs what happens to the only agent of this process, in one life after the other, until `over` and all that was said
/// before.
pub(super) async fn follow_lives(mut events: Receiver<Happened>, recent: Recent, over: CancellationToken) {
    let mut who = Who::only();
    loop {
        let event = tokio::select! {
            biased;
            event = next(&mut events, &who) => event,
            () = over.cancelled() => None,
        };
        match event {
            // Whoever puts another one in its place says so.
            Some(Event::Ended(_)) => {}
            Some(event) => tell(&event, &mut who, Some(&recent)),
            None => return,
        }
    }
}

/// What happens next; `None` when nothing will.
async fn next(events: &mut Receiver<Happened>, who: &Who) -> Option<Event> {
    loop {
        match events.recv().await {
            Ok(happened) => return Some(happened.event),
            Err(RecvError::Closed) => return None,
            Err(RecvError::Lagged(count)) => missed(who.label.as_deref(), count),
        }
    }
}

fn tell(event: &Event, who: &mut Who, recent: Option<&Recent>) {
    if let (Event::Registered { name, .. }, None) = (event, &who.label) {
        who.name.clone_from(name);
    }
    report(who, event, recent);
}

/// Logs what has happened.
pub(super) fn report(who: &Who, event: &Event, recent: Option<&Recent>) {
    let line = line_of(event);
    say(who, &line);
    if let Some(recent) = recent {
        recent.push(line.kept());
    }
}

/// Says that so many events were not logged.
pub(super) fn missed(about: Option<&str>, count: u64) {
    tracing::warn!(about, "{count} events came too fast to be logged; no agent has missed anything");
}

/// Waits until what was said last is logged, so that the end of the program comes after it.
pub(super) async fn drained(log: JoinHandle<()>) {
    const LONGEST: Duration = Duration::from_secs(1);
    // The log is a courtesy: it holds nothing up.
    let _ = tokio::time::timeout(LONGEST, log).await;
}

/// An event in words.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    level: Level,
    text: String,
    /// Whether these are the agent's words, and the message it was busy with where that can be told.
    by_agent: Option<Option<String>>,
}

impl Line {
    fn host(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), by_agent: None }
    }

    fn kept(self) -> LogLine {
        LogLine {
            at: Timestamp::now(),
            level: self.level.as_str().to_lowercase(),
            by_agent: self.by_agent.is_some(),
            message_id: self.by_agent.flatten(),
            text: self.text,
        }
    }
}

/// A line of the host's own about an agent, for whoever asks for the latest.
pub(super) fn note(recent: &Recent, level: Level, text: &str) {
    recent.push(Line::host(level, text).kept());
}

fn line_of(event: &Event) -> Line {
    match event {
        Event::Registered { name, .. } => Line::host(Level::DEBUG, format!("registered as {name}")),
        Event::Started => Line::host(Level::INFO, "started"),
        Event::Heartbeat => Line::host(Level::TRACE, "heartbeat"),
        Event::MessageIn { id, from, .. } => Line::host(Level::INFO, format!("message {id} from {from}")),
        Event::FileIn { name, .. } => Line::host(Level::INFO, format!("file {name} is here")),
        Event::Handled { id, answered, took, .. } => {
            let answer = if *answered { "with an answer" } else { "without an answer" };
            Line::host(Level::INFO, format!("message {id} was handled in {took:.1?}, {answer}"))
        }
        Event::Delivered { to, .. } => Line::host(Level::DEBUG, format!("delivered to {to}")),
        Event::Undeliverable { to, reason, .. } => {
            Line::host(Level::ERROR, format!("an answer to {to} is lost: {reason}"))
        }
        Event::DeadLetter { id, reason, .. } => {
            Line::host(Level::ERROR, format!("message {id} was given up: {reason}"))
        }
        Event::Denied { effect, target, rule, grant, reason, message, times, .. } => {
            let often = if *times > 1 { format!(", {times} times") } else { String::new() };
            let message = message.as_ref().map(|id| format!(" for message {id}")).unwrap_or_default();
            let way = grant.as_ref().map(|grant| format!("; {grant} allows it"));
            let way = way.or_else(|| reason.as_ref().map(|reason| format!("; {reason}"))).unwrap_or_default();
            let effect = effect.name();
            Line::host(Level::WARN, format!("denied: {effect} {target}{message}{often} (rule {rule}){way}"))
        }
        Event::Died { death, backoff, .. } => Line::host(
            Level::ERROR,
            format!("the agent died: {}\nit is built again in {backoff:.1?}", story(death)),
        ),
        Event::Wedged { death, .. } => Line::host(
            Level::ERROR,
            format!("the agent dies again and again, and the platform is told so: {death}"),
        ),
        Event::Recovered => Line::host(Level::INFO, "the agent works again"),
        Event::Log { source, level, text, fields, message, .. } => {
            let fields = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
            let level = match (source, level) {
                // What it prints is as important as what it logs: it may know no other way.
                (LineSource::Stdout | LineSource::Stderr, _) | (LineSource::Log, Severity::Info) => {
                    Level::INFO
                }
                (LineSource::Log, Severity::Debug) => Level::DEBUG,
                (LineSource::Log, Severity::Warn) => Level::WARN,
                (LineSource::Log, Severity::Error) => Level::ERROR,
            };
            Line { level, text: format!("{text}{fields}"), by_agent: Some(message.clone()) }
        }
        Event::Paused => {
            Line::host(Level::INFO, "the workspace is paused; messages wait until it is resumed")
        }
        Event::Resumed => Line::host(Level::INFO, "the workspace is resumed"),
        Event::Plugin { name, line, .. } => Line::host(Level::INFO, format!("plugin {name}: {line}")),
        Event::Trouble(text) => Line::host(Level::WARN, text.clone()),
        other => Line::host(Level::DEBUG, format!("{other:?}")),
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

/// A level is part of a call site, so that there is one for each.
macro_rules! log_at {
    ($level:expr, $($said:tt)*) => {
        match $level {
            Level::ERROR => tracing::error!($($said)*),
            Level::WARN => tracing::warn!($($said)*),
            Level::INFO => tracing::info!($($said)*),
            Level::DEBUG => tracing::debug!($($said)*),
            Level::TRACE => tracing::trace!($($said)*),
        }
    };
}

fn say(who: &Who, line: &Line) {
    let (agent, about, text) = (who.name.as_str(), who.label.as_deref(), &line.text);
    match &line.by_agent {
        Some(message_id) => log_at!(line.level, target: AGENT, agent, message_id, "{text}"),
        None => log_at!(line.level, about, "{text}"),
    }
}
