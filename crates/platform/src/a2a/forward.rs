//! Posting a message to an agent's URL.

use std::fmt;
use std::time::Duration;

use axum::http::{StatusCode, header};
use molecule_protocol::Json;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::app::App;
use crate::records::Record;

/// The most bytes of an answer; what follows is cut off.
const MOST_ANSWERED: usize = 10 * 1024 * 1024;

/// The longest that one agent waits for another.
const AGENT_CEILING: Duration = Duration::from_secs(30 * 60);

/// The longest silence that an agent can ask for: a day, in seconds.
const LONGEST_IDLE: u64 = 24 * 60 * 60;

/// How a post went.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The agent answered, with whatever status.
    Answered { status: StatusCode, body: Vec<u8> },
    /// It was not reached: it certainly has nothing.
    Unreachable(String),
    /// It was reached and did not answer: it may have the message.
    Busy(String),
    /// It began to answer and broke off.
    AnswerLost { delivered: bool },
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, .. } => write!(f, "the agent answered {status}"),
            Self::Unreachable(why) => write!(f, "the agent was not reached: {why}"),
            Self::Busy(why) => write!(f, "the agent did not answer: {why}"),
            Self::AnswerLost { .. } => f.write_str("the agent's answer broke off"),
        }
    }
}

/// Posts a message. Gives up when nothing at all is heard of the agent for the idle time; a heartbeat is something.
pub(crate) async fn forward(app: &App, record: &Record, body: &Json, from_agent: bool) -> Sent {
    let said = record.metadata.as_ref().and_then(|it| it.idle_timeout_seconds);
    let said = said.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    let said = said.map(|seconds| Duration::from_secs(seconds.min(LONGEST_IDLE)));
    let idle = said.unwrap_or(app.config.a2a_idle_timeout);
    let mut events = app.events.listen_to(record.id());
    let mut post = std::pin::pin!(post(app, &record.shown.url, body));
    let mut deadline = Instant::now() + idle;
    let ceiling = from_agent.then(|| Instant::now() + AGENT_CEILING);
    loop {
        let until = ceiling.map_or(deadline, |ceiling| ceiling.min(deadline));
        tokio::select! {
            sent = &mut post => return sent,
            event = events.recv() => match event {
                Err(RecvError::Closed) => {}
                Ok(_) | Err(RecvError::Lagged(_)) => deadline = Instant::now() + idle,
            },
            () = tokio::time::sleep_until(until) => return Sent::Busy("no sign of life in time".to_owned()),
        }
    }
}

/// The request has nothing that says who is asking or lets the agent speak for anybody.
async fn post(app: &App, url: &str, body: &Json) -> Sent {
    let request =
        app.http.post(url).header(header::CONTENT_TYPE, "application/json").body(body.get().to_owned());
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() || error.is_builder() || error.is_redirect() => {
            return Sent::Unreachable(reason(&error));
        }
        Err(error) => return Sent::Busy(reason(&error)),
    };
    let status = response.status();
    let mut body = Vec::new();
    while body.len() < MOST_ANSWERED {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return Sent::AnswerLost { delivered: status.is_success() },
        }
    }
    body.truncate(MOST_ANSWERED);
    Sent::Answered { status, body }
}

/// The innermost cause: the outer ones repeat the URL, whose path is a secret of the agent's.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
