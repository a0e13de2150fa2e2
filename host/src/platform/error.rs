use std::fmt;
use std::time::Duration;

use molecule_protocol::Delivery;

use super::transport::{Lost, NotSent, TransportError};
use crate::token::TokenError;

/// A request to the platform that did not succeed.
///
/// Prints as one line: what was tried, what came back, what to do. Holds no token, no query and no body of ours; what
/// the platform said is cut short and our own secrets are taken out of it.
#[derive(Debug)]
pub struct PlatformError {
    /// The method, e.g. `POST`.
    pub method: String,
    /// What was asked for, without the query.
    pub url: Box<str>,
    /// How often it was sent, retries included.
    pub attempts: u32,
    /// From the call to the last answer, waits included.
    pub elapsed: Duration,
    /// What went wrong.
    pub fault: PlatformFault,
}

impl PlatformError {
    /// Whether the platform has acted on the request: decides whether something that must not happen twice may be sent
    /// again. Of a call that is repeated freely this says so of the last attempt only.
    pub fn delivery(&self) -> Delivery {
        use PlatformFault::*;
        match &self.fault {
            Unreachable(_) | Timeout { sent: Delivery::No } | Tls(_) | Invalid(_) => Delivery::No,
            Unauthorized { .. } | Forbidden { .. } | OriginRefused | NotFound { .. } | EmptyNotFound => {
                Delivery::No
            }
            TooManyTokens
            | RouteMissing
            | Redirected { .. }
            | RateLimited { .. }
            | Gone { .. }
            | Rejected { .. } => Delivery::No,
            // An answer that is no HTTP may come from something behind which the platform has acted.
            Timeout { .. }
            | Broken(_)
            | Lost { .. }
            | Server { .. }
            | NotJson { .. }
            | NotAnArchive { .. }
            | HttpToHttps => Delivery::Unknown,
            TooLarge { .. } | Malformed(_) | NotKept(_) => Delivery::Yes,
        }
    }
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} failed", self.method, self.url)?;
        if self.attempts > 1 {
            write!(f, " after {} attempts in {:.1} s", self.attempts, self.elapsed.as_secs_f64())?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for PlatformError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            PlatformFault::NotKept(error) => Some(error),
            _ => None,
        }
    }
}

/// What went wrong with a request. Each prints what came back and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PlatformFault {
    /// Nobody took the connection.
    #[error(
        "{0}; check that the platform runs, that --platform-url names it, and that this machine is online"
    )]
    Unreachable(NotSent),
    /// Too slow. `sent` is [`Delivery::No`] where there was not even a connection.
    #[error("{}", timeout(*sent))]
    Timeout {
        /// Whether the platform has the request.
        sent: Delivery,
    },
    /// The connection ended in the middle.
    #[error(
        "the connection broke off ({0}), and the platform may or may not have acted; see whether it did, or try again"
    )]
    Broken(String),
    /// The same as the two above, where more than usual hangs on it.
    #[error("{what}; {advice}")]
    Lost {
        /// What happened.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// The token was refused, or one was wanted and there is none.
    #[error("{}", unauthorized(text, *had_token))]
    Unauthorized {
        /// What the platform said.
        text: String,
        /// Whether a token was sent.
        had_token: bool,
    },
    /// Not allowed.
    #[error("the platform forbids it ({text}); an operator of the platform decides who may talk to whom")]
    Forbidden {
        /// What the platform said.
        text: String,
    },
    /// 403 without a word, which is how the platform refuses a foreign `Origin`.
    #[error(
        "the platform refuses the Origin header (an empty 403); use --origin off, or an origin that it allows"
    )]
    OriginRefused,
    /// The platform itself says that there is no such thing.
    #[error("{text}; check --workspace-id, or the id that was asked for")]
    NotFound {
        /// What the platform said.
        text: String,
    },
    /// 404 not in the platform's words: the tenant guard, or something in front of the platform.
    #[error("an empty or foreign 404, which says nothing about the workspace; check --org-id and --origin")]
    EmptyNotFound,
    /// The platform has no such route.
    #[error("this platform has no such endpoint; the feature is off until the platform is upgraded")]
    RouteMissing,
    /// A success that is a web page, or nothing at all.
    #[error(
        "{status} with {content} where JSON was expected: something before the platform answered; check --platform-url, --origin and --org-id"
    )]
    NotJson {
        /// The HTTP status.
        status: u16,
        /// What came instead.
        content: String,
    },
    /// A success that is no archive.
    #[error(
        "{status} with {content} where an archive was expected: something before the platform answered; check --platform-url, --origin and --org-id"
    )]
    NotAnArchive {
        /// The HTTP status.
        status: u16,
        /// What came instead.
        content: String,
    },
    /// There is a server, but TLS with it failed.
    #[error("{}", tls(.0))]
    Tls(NotSent),
    /// Plain HTTP was sent to a port that speaks TLS.
    #[error("the server expects TLS where plain HTTP was sent; use https:// in --platform-url")]
    HttpToHttps,
    /// A redirect. It is not followed: the request carries a token, and the other place may be anybody's.
    #[error(
        "the platform redirects ({status}) to {to}, which is not followed with a token; if that is the platform, give it as --platform-url"
    )]
    Redirected {
        /// The HTTP status.
        status: u16,
        /// The origin of the place; no path, which may be long or secret.
        to: String,
    },
    /// As many tokens as a workspace may have.
    #[error(
        "the workspace has as many live tokens as it may; revoke some, `molecule-host token status` lists them"
    )]
    TooManyTokens,
    /// Too many requests from this address.
    #[error("too many requests from this address{}; run fewer agents behind it, lengthen the intervals, or have RATE_LIMIT raised", wait(*retry_after))]
    RateLimited {
        /// How long the platform asks to wait.
        retry_after: Option<Duration>,
    },
    /// The platform is in trouble.
    #[error(
        "the platform answered {status} ({text}); try again later, and look into its log if that goes on"
    )]
    Server {
        /// The HTTP status.
        status: u16,
        /// What the platform said.
        text: String,
    },
    /// It was there and is not any more.
    #[error("it is gone for good ({text}); if the workspace was removed, stop this host")]
    Gone {
        /// What the platform said.
        text: String,
    },
    /// The platform does not take the request.
    #[error(
        "the platform rejects the request with {status} ({text}); correct what was asked for, or use a host of the platform's version"
    )]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// What the platform said.
        text: String,
    },
    /// More than was asked for.
    #[error(
        "the answer is longer than {limit} bytes; ask for less at once, or check that --platform-url is a platform"
    )]
    TooLarge {
        /// Where reading stopped.
        limit: usize,
    },
    /// JSON, but not what the endpoint answers.
    #[error(
        "the answer makes no sense ({0}); check that --platform-url is a platform, and of a version that this host knows"
    )]
    Malformed(String),
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Invalid(String),
    /// The platform issued a token, and the disk did not take it. It is in use until this process ends.
    #[error("the platform issued a token that could not be kept, and it will not show it again: {0}")]
    NotKept(TokenError),
}

impl From<TransportError> for PlatformFault {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(fault) => match fault {
                NotSent::PlainHttp | NotSent::Certificate(_) | NotSent::Handshake(_) => Self::Tls(fault),
                NotSent::ConnectTimeout => Self::Timeout { sent: Delivery::No },
                NotSent::Invalid(why) => Self::Invalid(why),
                NotSent::Unresolved(_) | NotSent::Connect(_) => Self::Unreachable(fault),
            },
            TransportError::Unknown(Lost::Timeout) => Self::Timeout { sent: Delivery::Unknown },
            TransportError::Unknown(Lost::Broken(why) | Lost::NotHttp(why)) => Self::Broken(why),
            TransportError::TooLarge { limit } => Self::TooLarge { limit },
        }
    }
}

fn timeout(sent: Delivery) -> &'static str {
    match sent {
        Delivery::No => {
            "no connection within the time limit; check --platform-url, and that no firewall drops connections to it"
        }
        _ => {
            "no answer within the time limit, and the platform may or may not have acted; see whether it did, or try again"
        }
    }
}

fn unauthorized(text: &str, had_token: bool) -> String {
    match had_token {
        true => format!(
            "the platform refuses the workspace's token ({text}); have a new one issued for this workspace and give it with --token-file"
        ),
        false => format!("the platform wants a token ({text}); give the workspace's token with --token-file"),
    }
}

fn tls(fault: &NotSent) -> String {
    let advice = match fault {
        NotSent::PlainHttp => "use http:// in --platform-url, if the way to the platform is safe without TLS",
        NotSent::Certificate(_) => {
            "check the host name in --platform-url and this machine's clock, or trust the platform's authority on this machine"
        }
        _ => "check that --platform-url names the platform's own port and that nothing on the way breaks TLS",
    };
    format!("{fault}; {advice}")
}

fn wait(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| format!(", for {} s", time.as_secs()))
}

/// What a server said, fit for one line of a log: no control characters, and cut at 200 characters.
pub(super) fn one_line(text: &str) -> String {
    const SHOWN: usize = 200;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = |it: char| if it.is_control() { '\u{fffd}' } else { it };
    match line.char_indices().nth(SHOWN) {
        None if line.is_empty() => "no reason given".to_owned(),
        None => line.chars().map(clean).collect(),
        Some((end, _)) => line.get(..end).unwrap_or_default().chars().map(clean).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults() -> Vec<PlatformFault> {
        use PlatformFault::*;
        let text = || "text".to_owned();
        vec![
            Unreachable(NotSent::Connect("refused".into())),
            Unreachable(NotSent::Unresolved("unknown name".into())),
            Timeout { sent: Delivery::No },
            Timeout { sent: Delivery::Unknown },
            Broken(text()),
            Lost { what: text(), advice: "if it happens again, ..." },
            Unauthorized { text: text(), had_token: true },
            Unauthorized { text: text(), had_token: false },
            Forbidden { text: text() },
            OriginRefused,
            NotFound { text: text() },
            EmptyNotFound,
            RouteMissing,
            NotJson { status: 200, content: "text/html".into() },
            NotAnArchive { status: 200, content: "text/html".into() },
            Tls(NotSent::PlainHttp),
            Tls(NotSent::Certificate("expired".into())),
            Tls(NotSent::Handshake("eof".into())),
            HttpToHttps,
            Redirected { status: 302, to: "https://elsewhere.example".into() },
            RateLimited { retry_after: Some(Duration::from_secs(7)) },
            RateLimited { retry_after: None },
            Server { status: 500, text: text() },
            Gone { text: text() },
            Rejected { status: 400, text: text() },
            TooLarge { limit: 10 },
            Malformed(text()),
            Invalid("the message has no id; give it one".into()),
            NotKept(TokenError::Missing { from: "x".into() }),
        ]
    }

    #[test]
    fn every_fault_is_one_line_that_ends_in_what_to_do() {
        for fault in faults() {
            let error = PlatformError {
                method: "GET".into(),
                url: "http://p/health".into(),
                attempts: 3,
                elapsed: Duration::from_millis(1250),
                fault,
            };
            let line = error.to_string();
            assert!(line.starts_with("GET http://p/health failed after 3 attempts in 1.2 s: "), "{line}");
            assert!(!line.contains('\n'), "{line}");
            let advice = line.rsplit_once(';').map(|(_, advice)| advice.trim()).unwrap_or_default();
            let verbs = [
                "check",
                "see",
                "have",
                "give",
                "use",
                "if",
                "run",
                "try",
                "ask",
                "correct",
                "write",
                "an operator",
                "the feature",
                "look",
            ];
            assert!(verbs.iter().any(|verb| advice.starts_with(verb)), "{line}");
        }
    }

    #[test]
    fn only_what_certainly_did_not_happen_may_happen_again() {
        let delivery = |fault| {
            let (method, url) = (String::new(), "".into());
            PlatformError { method, url, attempts: 1, elapsed: Duration::ZERO, fault }.delivery()
        };
        let text = || "text".to_owned();
        for (fault, expected) in [
            (PlatformFault::Unreachable(NotSent::Connect(text())), Delivery::No),
            (PlatformFault::Timeout { sent: Delivery::No }, Delivery::No),
            (PlatformFault::Timeout { sent: Delivery::Unknown }, Delivery::Unknown),
            (PlatformFault::Broken(text()), Delivery::Unknown),
            (PlatformFault::RateLimited { retry_after: None }, Delivery::No),
            (PlatformFault::Rejected { status: 400, text: text() }, Delivery::No),
            (PlatformFault::Server { status: 500, text: text() }, Delivery::Unknown),
            (PlatformFault::NotJson { status: 200, content: text() }, Delivery::Unknown),
            (PlatformFault::Malformed(text()), Delivery::Yes),
        ] {
            let shown = fault.to_string();
            assert_eq!(delivery(fault), expected, "{shown}");
        }
    }

    #[test]
    fn what_a_server_says_stays_on_one_line() {
        assert_eq!(one_line(" a\n\tb\u{1b}[31m "), "a b\u{fffd}[31m");
        assert_eq!(one_line("\n"), "no reason given");
        let long = one_line(&"é".repeat(500));
        assert_eq!((long.chars().count(), long.ends_with('…')), (201, true));
    }
}
