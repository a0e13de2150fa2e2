//! Why there is no answer, and how a person is told.

use std::time::Duration;

use molecule_guest::http::Response;
use molecule_guest::{Denial, Error, Outcome, Result, Sent};

use super::Model;
use super::wire::Failed;

/// Bytes of an error's body that are read.
const BODY: usize = 8 * 1024;
/// Bytes of an error's text that are shown.
const SHOWN: usize = 200;
/// The longest time that is waited for the server, where it says when to come again.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug, PartialEq)]
pub enum Trouble {
    /// The host, or what is between it and the server.
    Host(Error),
    /// The server, before it began: its status, what it said, and when to come again.
    Status { status: u16, said: String, retry_after: Option<Duration> },
    /// The server, after it had begun.
    Said(String),
    /// The answer ended in its midst.
    Cut,
    /// What came is no answer of this API.
    Nonsense(String),
    /// The answer is longer than anybody would read.
    TooLong,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

impl Trouble {
    /// A response whose status is no success.
    pub async fn of_status(mut response: Response) -> Self {
        let (status, mut body) = (response.status(), Vec::new());
        // Whole seconds; the date that may stand there as well is not worth its code.
        let retry_after = response.header("retry-after").and_then(|value| value.trim().parse().ok());
        while body.len() < BODY {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend(chunk),
                Ok(None) | Err(_) => break,
            }
        }
        let said = match serde_json::from_slice(&body) {
            Ok(Failed { error }) => error.message,
            Err(_) => String::new(),
        };
        Self::Status { status, said, retry_after: retry_after.map(Duration::from_secs) }
    }

    /// A stream that failed: whatever the reason, part of the answer had been there.
    pub fn broke_off(error: Error) -> Self {
        match error {
            Error::Unavailable(_) => Self::Cut,
            other => Self::Host(other),
        }
    }

    /// After which time the same request may be made again, if it may: where the server has seen nothing of it, or said
    /// that it came too early.
    pub fn again_after(&self, retries: u32) -> Option<Duration> {
        let backoff = Duration::from_secs(1) * 2u32.pow(retries);
        match self {
            Self::Host(error) if error.sent() == Some(Sent::No) && !matches!(error, Error::Canceled(_)) => {
                Some(backoff)
            }
            Self::Status { status: 429 | 503, retry_after, .. } => {
                Some(retry_after.unwrap_or(backoff)).filter(|wait| *wait <= PATIENCE)
            }
            _ => None,
        }
    }

    /// One honest line to the user. That the message was canceled is for the host.
    pub fn into_outcome(self, model: &Model) -> Result<Outcome> {
        Ok(match self {
            Self::Host(canceled @ Error::Canceled(_)) => return Err(canceled.into()),
            Self::Host(Error::Denied(denial)) => Outcome::rejected(denied(denial)),
            Self::Host(error) => Outcome::failed(format!("I cannot reach my model: {error}.")),
            Self::Status { status, said, retry_after } => {
                Outcome::failed(of_status(status, &said, retry_after, model))
            }
            Self::Said(said) => Outcome::failed(format!(
                "My model's server broke off: {}.",
                one_line(&said, "it gave no reason")
            )),
            Self::Cut => Outcome::failed("My model's answer was cut before its end. Ask again if you like."),
            Self::Nonsense(what) => Outcome::failed(format!(
                "What answers at model-url does not speak the API of chat completions: {}.",
                one_line(&what, "it sent something else")
            )),
            Self::TooLong => Outcome::failed("My model did not come to an end, and I stopped it."),
        })
    }
}

fn denied(denial: Denial) -> String {
    let Denial { message, grant, .. } = denial;
    match grant {
        Some(grant) => format!("I may not ask my model. Whoever runs me can allow it with: {grant}"),
        None => format!("I may not ask my model: {}", one_line(&message, "it is not granted")),
    }
}

fn of_status(status: u16, said: &str, retry_after: Option<Duration>, model: &Model) -> String {
    let said = one_line(said, "it gave no reason");
    match status {
        // What it says of the key stays here: it may show part of it.
        401 | 403 => match model.key() {
            Some(key) => format!("My model's server does not accept the key {key} ({status})."),
            None => format!("My model's server wants a key ({status}); model-key says which secret that is."),
        },
        404 => format!("My model's server does not know the model, or the path (404): {said}."),
        429 => match retry_after {
            Some(wait) => {
                format!("My model's server has had enough of me (429); ask again in {} s.", wait.as_secs())
            }
            None => format!("My model's server has had enough of me (429): {said}."),
        },
        500.. => format!("My model's server has trouble of its own ({status}): {said}."),
        _ => format!("My model's server refuses my request ({status}): {said}."),
    }
}

/// What somebody else wrote, as part of a line.
fn one_line(text: &str, otherwise: &str) -> String {
    let words: Vec<&str> =
        text.split(|it: char| it.is_whitespace() || it.is_control()).filter(|it| !it.is_empty()).collect();
    let line = words.join(" ");
    let line = line.trim_end_matches('.');
    match line.len() {
        0 => otherwise.to_owned(),
        length if length > SHOWN => format!("{}…", &line[..line.floor_char_boundary(SHOWN)]),
        _ => line.to_owned(),
    }
}
