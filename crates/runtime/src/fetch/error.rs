//! Why there is no response, or not all of one.

use std::fmt;
use std::time::Duration;

use molecule_gate::Denial;

use crate::imports;
use crate::wit::{Error, Failure, Sent};

/// Why a request has no response, or a response no end.
///
/// Each says whether the request was [sent](Self::sent): one that was not can be tried again and does nothing twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The gate refused it, or an address it would have gone to.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// It cannot be sent as it is.
    #[error("{0}")]
    Invalid(String),
    /// It refers to a secret that nobody has given.
    #[error(
        "the secret {name} has no value; the operator gives it one with --secret {name}=file:PATH or on the platform"
    )]
    NoSecret {
        /// Its name.
        name: String,
    },
    /// The agent has too many requests under way.
    #[error(
        "{limit} requests are under way already and none of them ended within {waited:?}; read or drop their responses, \
         or have the operator allow more"
    )]
    Busy {
        /// As many as may be.
        limit: usize,
        /// How long this one waited.
        waited: Duration,
    },
    /// The host name has no address.
    #[error("the name {host} cannot be resolved: {detail}")]
    Unresolved {
        /// The name.
        host: String,
        /// Why.
        detail: String,
    },
    /// Nobody took the connection.
    #[error("no connection to {to}: {detail}")]
    Connect {
        /// To whom: the host, or the proxy of the operator.
        to: String,
        /// Why.
        detail: String,
    },
    /// The server is not who it should be, or does not speak TLS.
    #[error("no encrypted connection to {host}: {fault}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        fault: TlsFault,
    },
    /// Something took too long.
    #[error("{phase} took longer than {limit:?}")]
    Timeout {
        /// What did.
        phase: Phase,
        /// How long it may take.
        limit: Duration,
        /// Whether the request was sent.
        sent: Sent,
    },
    /// More than there may be.
    #[error("{bound} has more than {limit} bytes, which is the limit{}", bound.cure())]
    TooLarge {
        /// Of what.
        bound: Bound,
        /// How many there may be.
        limit: u64,
    },
    /// What came back is no HTTP.
    #[error("the answer of {host} is not HTTP: {detail}")]
    Protocol {
        /// The host.
        host: String,
        /// Why.
        detail: String,
        /// Whether the request was sent.
        sent: Sent,
    },
    /// The answer to a request with a secret is compressed, though the host asked for one that is not.
    #[error(
        "the answer of {host} is compressed, which the request said it may not be: a secret that it repeats could not be \
         found in it"
    )]
    Compressed {
        /// The host.
        host: String,
    },
    /// The connection ended before the response did.
    #[error("the connection to {host} broke off: {detail}")]
    Broken {
        /// The host.
        host: String,
        /// Why.
        detail: String,
        /// Whether the request was sent.
        sent: Sent,
    },
    /// Whoever wanted it does no longer.
    #[error("it was canceled")]
    Canceled(Sent),
}

impl FetchError {
    /// Whether the request left the host.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Denied(_)
            | Self::Invalid(_)
            | Self::NoSecret { .. }
            | Self::Busy { .. }
            | Self::Unresolved { .. }
            | Self::Connect { .. }
            | Self::Tls { .. } => Sent::No,
            Self::Timeout { sent, .. }
            | Self::Protocol { sent, .. }
            | Self::Broken { sent, .. }
            | Self::Canceled(sent) => *sent,
            Self::TooLarge { bound, .. } => bound.sent(),
            Self::Compressed { .. } => Sent::Yes,
        }
    }

    /// The same with what others say in it, the server above all, put through this function.
    #[must_use]
    pub fn map_detail(mut self, change: impl FnOnce(String) -> String) -> Self {
        match &mut self {
            Self::Unresolved { detail, .. }
            | Self::Connect { detail, .. }
            | Self::Protocol { detail, .. }
            | Self::Broken { detail, .. }
            | Self::Tls {
                fault: TlsFault::Handshake(detail) | TlsFault::Certificate(CertificateFault::Other(detail)),
                ..
            } => *detail = change(std::mem::take(detail)),
            Self::Denied(_)
            | Self::Invalid(_)
            | Self::NoSecret { .. }
            | Self::Busy { .. }
            | Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::TooLarge { .. }
            | Self::Compressed { .. }
            | Self::Canceled(_) => {}
        }
        self
    }
}

/// In the words of the contract.
impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        let (message, sent) = (error.to_string(), error.sent());
        match error {
            FetchError::Denied(denial) => imports::denied(denial),
            FetchError::Invalid(message) => Error::Invalid(message),
            FetchError::NoSecret { .. } => Error::NotFound(message),
            FetchError::TooLarge { .. } => Error::TooLarge(message),
            FetchError::Timeout { .. } => Error::Timeout(Failure { message, sent }),
            FetchError::Canceled(sent) => Error::Canceled(sent),
            FetchError::Busy { .. }
            | FetchError::Unresolved { .. }
            | FetchError::Connect { .. }
            | FetchError::Tls { .. }
            | FetchError::Protocol { .. }
            | FetchError::Compressed { .. }
            | FetchError::Broken { .. } => Error::Unavailable(Failure { message, sent }),
        }
    }
}

/// What takes time in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Until there is a connection.
    Connect,
    /// Between two pieces of the request's body.
    Send,
    /// From the end of the request to the head of the response.
    FirstByte,
    /// Between two pieces of the response's body.
    BetweenBytes,
    /// The whole.
    Total,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Send => "the next piece of the request's body",
            Self::FirstByte => "the answer",
            Self::BetweenBytes => "the next piece of the answer",
            Self::Total => "the request as a whole",
        })
    }
}

/// What may have so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The headers of a request.
    RequestHeaders,
    /// The body of a request.
    RequestBody,
    /// The headers of a response.
    ResponseHeaders,
    /// The body of a response.
    ResponseBody,
}

impl Bound {
    /// What the operator writes to have more of it.
    fn cure(self) -> &'static str {
        match self {
            Self::RequestHeaders | Self::ResponseHeaders => "",
            Self::RequestBody => "; max-request=SIZE in a rule of --allow-net makes it another",
            Self::ResponseBody => "; max-response=SIZE in a rule of --allow-net makes it another",
        }
    }

    /// What is known of a request that ended at this bound. Half a body may have been acted on.
    fn sent(self) -> Sent {
        match self {
            Self::RequestHeaders => Sent::No,
            Self::RequestBody => Sent::Maybe,
            Self::ResponseHeaders | Self::ResponseBody => Sent::Yes,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestHeaders => "the head of the request",
            Self::RequestBody => "the body of the request",
            Self::ResponseHeaders => "the head of the answer",
            Self::ResponseBody => "the body of the answer",
        })
    }
}

/// Why a connection could not be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The server's certificate is refused.
    #[error("the certificate of the server is refused: {0}")]
    Certificate(CertificateFault),
    /// The other side does not speak TLS.
    #[error("the server does not speak TLS; is it an http:// address?")]
    NotTls,
    /// The handshake failed otherwise.
    #[error("the handshake failed ({0})")]
    Handshake(String),
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet; is the clock of this machine right?")]
    NotYetValid,
    /// It is somebody else's.
    #[error("it is for another name")]
    WrongName,
    /// Nobody who is trusted vouches for it.
    #[error(
        "nobody whom this machine trusts vouches for it; the operator can trust an authority with --egress-root"
    )]
    UnknownIssuer,
    /// It is the certificate of an authority, not of a server.
    #[error("it is that of an authority, not of a server")]
    AuthorityAsServer,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_too_large_names_the_bound_to_raise() {
        for (bound, named) in
            [(Bound::RequestBody, "max-request=SIZE"), (Bound::ResponseBody, "max-response=SIZE")]
        {
            let error = FetchError::TooLarge { bound, limit: 5 }.to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn an_error_says_in_the_contract_too_whether_the_request_was_sent() {
        let host = || "api.example.com".to_owned();
        let broken = |sent| FetchError::Broken { host: host(), detail: "reset".into(), sent };
        let limit = Duration::from_secs(5);
        for (error, expected) in [
            (FetchError::Unresolved { host: host(), detail: "no".into() }, Sent::No),
            (FetchError::Connect { to: host(), detail: "refused".into() }, Sent::No),
            (FetchError::Tls { host: host(), fault: TlsFault::NotTls }, Sent::No),
            (FetchError::Busy { limit: 4, waited: limit }, Sent::No),
            (FetchError::Protocol { host: host(), detail: "what?".into(), sent: Sent::Maybe }, Sent::Maybe),
            (FetchError::Compressed { host: host() }, Sent::Yes),
            (broken(Sent::No), Sent::No),
            (broken(Sent::Maybe), Sent::Maybe),
            (FetchError::Timeout { phase: Phase::FirstByte, limit, sent: Sent::Maybe }, Sent::Maybe),
        ] {
            let contract = Error::from(error.clone());
            let (Error::Unavailable(failure) | Error::Timeout(failure)) = contract else {
                panic!("{error} became {contract:?}")
            };
            assert_eq!((failure.sent, error.sent()), (expected, expected), "{error}");
        }
    }
}
