//! Why a call of the host did not work.

use std::fmt;

pub use crate::bindings::molecule::agent::types::Sent;

/// What callbacks return. Any error can be its `Err`: see [Errors](crate#errors).
pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;

/// Why a call of the host did not work.
///
/// It can be matched on, and it is a [`std::error::Error`], so that `?` takes it anywhere:
///
/// ```
/// use molecule_guest::{Error, Reply, Result, peers};
///
/// async fn opinion_of(peer: &str) -> Result<String> {
///     match peers::call(peer, "What do you think?").await {
///         Ok(Reply::Answer(content)) => Ok(content.text()),
///         Ok(Reply::Queued(_)) => Ok(format!("{peer} is still thinking")),
///         Err(Error::NotFound(_)) => Ok(format!("there is no {peer}")),
///         Err(other) => Err(other.into()),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The operator has not granted it.
    Denied(Denial),
    /// The platform does not accept the host's credentials.
    Unauthorized(String),
    /// There is no such thing.
    NotFound(String),
    /// The platform does not allow it.
    Forbidden(String),
    /// Later.
    RateLimited(Backoff),
    /// The other side cannot be reached or does not work.
    Unavailable(Failure),
    /// No answer in time.
    Timeout(Failure),
    /// The message in hand was canceled, or the agent is being stopped.
    Canceled(Sent),
    /// Somebody else was faster.
    Conflict(String),
    /// The arguments make no sense.
    Invalid(String),
    /// More bytes than are allowed.
    TooLarge(String),
    /// The other side answered with an error of its own. The agent's own errors are of this case, too.
    Remote(RemoteError),
}

impl Error {
    /// An error of the agent itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Remote(RemoteError { code: None, message: message.into() })
    }

    /// Whether the request that failed was sent, where the error concerns one.
    ///
    /// [`Sent::No`] means that trying again does nothing twice.
    pub fn sent(&self) -> Option<Sent> {
        match self {
            Self::Unavailable(failure) | Self::Timeout(failure) => Some(failure.sent),
            Self::Canceled(sent) => Some(*sent),
            _ => None,
        }
    }

    /// What a callback's error is to the host: an error of the host stays what it was, with the contexts that the
    /// agent added in front of its message; any other becomes the agent's own.
    pub(crate) fn of_callback(error: &anyhow::Error) -> Self {
        let mut contexts = String::new();
        for link in error.chain() {
            if let Some(of_host) = link.downcast_ref::<Self>() {
                return of_host.clone().prefixed(&contexts);
            }
            contexts.push_str(&format!("{link}: "));
        }
        Self::new(format!("{error:#}"))
    }

    fn prefixed(mut self, contexts: &str) -> Self {
        if let Some(message) = self.message_mut() {
            message.insert_str(0, contexts);
        }
        self
    }

    fn message_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Denied(denial) => Some(&mut denial.message),
            Self::RateLimited(backoff) => Some(&mut backoff.message),
            Self::Unavailable(failure) | Self::Timeout(failure) => Some(&mut failure.message),
            Self::Remote(remote) => Some(&mut remote.message),
            Self::Unauthorized(message)
            | Self::NotFound(message)
            | Self::Forbidden(message)
            | Self::Conflict(message)
            | Self::Invalid(message)
            | Self::TooLarge(message) => Some(message),
            Self::Canceled(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => {
                write!(f, "denied: {}", denial.message)?;
                match &denial.grant {
                    Some(grant) => write!(f, " (`{grant}` would allow it)"),
                    None => Ok(()),
                }
            }
            Self::Unauthorized(message) => write!(f, "unauthorized: {message}"),
            Self::NotFound(message) => write!(f, "not found: {message}"),
            Self::Forbidden(message) => write!(f, "forbidden: {message}"),
            Self::RateLimited(backoff) => {
                write!(f, "rate limited: {}", backoff.message)?;
                match backoff.retry_after_ms {
                    Some(ms) => write!(f, " (try again in {ms} ms)"),
                    None => Ok(()),
                }
            }
            Self::Unavailable(failure) => write!(f, "unavailable: {failure}"),
            Self::Timeout(failure) => write!(f, "timeout: {failure}"),
            Self::Canceled(sent) => write!(f, "canceled ({})", words(*sent)),
            Self::Conflict(message) => write!(f, "conflict: {message}"),
            Self::Invalid(message) => write!(f, "invalid: {message}"),
            Self::TooLarge(message) => write!(f, "too large: {message}"),
            Self::Remote(RemoteError { code: Some(code), message }) => write!(f, "{message} (code {code})"),
            Self::Remote(RemoteError { code: None, message }) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

/// What the operator has not granted, and what would let it pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// The rule that refused, such as `peer`.
    pub rule: String,
    /// One sentence for a person.
    pub message: String,
    /// The grant that would allow it, as an operator writes it; none where no grant can.
    pub grant: Option<String>,
}

/// A request that got no usable answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// One sentence: what was tried and what came back.
    pub message: String,
    /// Whether the request was sent.
    pub sent: Sent,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, words(self.sent))
    }
}

/// Too much in too little time.
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    /// One sentence.
    pub message: String,
    /// Milliseconds after which to try again, where known.
    pub retry_after_ms: Option<u32>,
}

/// The error of another party, in its words.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteError {
    /// Its code, where it has one.
    pub code: Option<i32>,
    /// Its message.
    pub message: String,
}

fn words(sent: Sent) -> &'static str {
    match sent {
        Sent::No => "not sent",
        Sent::Yes => "sent",
        Sent::Maybe => "perhaps sent",
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    /// One of each, with the text that a person reads.
    fn all() -> Vec<(Error, &'static str)> {
        let failure = |sent| Failure { message: "POST gave 502".into(), sent };
        let denial = |grant| Denial { rule: "peer".into(), message: "no peer is granted".into(), grant };
        vec![
            (
                Error::Denied(denial(Some("--allow-peer bob".into()))),
                "denied: no peer is granted (`--allow-peer bob` would allow it)",
            ),
            (Error::Denied(denial(None)), "denied: no peer is granted"),
            (Error::Unauthorized("token".into()), "unauthorized: token"),
            (Error::NotFound("bob".into()), "not found: bob"),
            (Error::Forbidden("bob".into()), "forbidden: bob"),
            (
                Error::RateLimited(Backoff { message: "slow down".into(), retry_after_ms: Some(5) }),
                "rate limited: slow down (try again in 5 ms)",
            ),
            (
                Error::RateLimited(Backoff { message: "slow down".into(), retry_after_ms: None }),
                "rate limited: slow down",
            ),
            (Error::Unavailable(failure(Sent::No)), "unavailable: POST gave 502 (not sent)"),
            (Error::Timeout(failure(Sent::Maybe)), "timeout: POST gave 502 (perhaps sent)"),
            (Error::Canceled(Sent::Yes), "canceled (sent)"),
            (Error::Conflict("taken".into()), "conflict: taken"),
            (Error::Invalid("empty".into()), "invalid: empty"),
            (Error::TooLarge("2 MiB".into()), "too large: 2 MiB"),
            (Error::Remote(RemoteError { code: Some(-32000), message: "no".into() }), "no (code -32000)"),
            (Error::new("no"), "no"),
        ]
    }

    #[test]
    fn every_error_reads_as_a_sentence() {
        for (error, text) in all() {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn an_error_of_the_host_leaves_a_callback_as_it_came() {
        for (error, text) in all() {
            assert_eq!(Error::of_callback(&error.into()).to_string(), text);
        }
    }

    #[test]
    fn contexts_stand_before_the_message_of_an_error_of_the_host() {
        let wrap = |error: Error| Err::<(), _>(error).context("asking bob").context("planning").unwrap_err();
        assert_eq!(
            Error::of_callback(&wrap(Error::NotFound("no bob".into()))),
            Error::NotFound("planning: asking bob: no bob".into())
        );
        // It has no message that could carry them.
        assert_eq!(Error::of_callback(&wrap(Error::Canceled(Sent::No))), Error::Canceled(Sent::No));
    }

    #[test]
    fn any_other_error_becomes_the_agents_own_with_all_its_causes() {
        let parse = "x".parse::<u8>().context("reading the count").unwrap_err();
        assert_eq!(
            Error::of_callback(&parse),
            Error::new("reading the count: invalid digit found in string")
        );
        assert_eq!(Error::of_callback(&anyhow::anyhow!("plain")), Error::new("plain"));
    }

    #[test]
    fn only_errors_about_a_request_say_whether_it_was_sent() {
        for (error, _) in all() {
            let about_a_request =
                matches!(error, Error::Unavailable(_) | Error::Timeout(_) | Error::Canceled(_));
            assert_eq!(error.sent().is_some(), about_a_request, "{error}");
        }
    }
}
