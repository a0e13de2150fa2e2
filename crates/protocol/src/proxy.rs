//! What an answer of the A2A proxy (`POST /workspaces/:peer/a2a`) means.
//!
//! Mistaking "taken, the answer comes later" for a failure doubles messages, and mistaking a failure for an answer
//! loses them. So the judgment is one total function with one table, [`classify`], and every failure says
//! whether the message may have been delivered and whether it may be sent again.

use std::time::Duration;

use crate::a2a::{self, Part};
use crate::error_body::{ErrorBody, is_misrouted};
use crate::json::{self, Json};

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyAnswer {
    /// The peer answered.
    Answer {
        /// What it says, as text; empty where the result holds none.
        text: String,
        /// The result, as it came.
        result: Json,
    },
    /// The peer answered with an error.
    RemoteError {
        /// Its JSON-RPC code, if it has one.
        code: Option<i64>,
        /// What it says.
        message: String,
    },
    /// Stored for a peer that polls. A success without an answer: never send it again.
    QueuedPoll,
    /// Stored for a peer that is busy. A success without an answer: never send it again.
    QueuedBusy {
        /// Names the entry in the queue.
        queue_id: Option<String>,
    },
    /// No success.
    Failed(ProxyFailure),
    /// A success whose body makes no sense: the message was taken, by whomever.
    Malformed {
        /// The beginning of the body.
        raw: String,
    },
}

/// A message that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the platform answered {status}: {message}")]
pub struct ProxyFailure {
    /// Which failure it is.
    pub kind: FailureKind,
    /// The HTTP status.
    pub status: u16,
    /// What the platform or the peer says; never empty.
    pub message: String,
    /// Seconds that the body asks to wait. The `Retry-After` header, where there is one, goes before it.
    pub retry_after: Option<u64>,
}

/// Which failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// 400: what was sent is wrong.
    Invalid,
    /// 401: the token was refused.
    Unauthorized,
    /// 402: the peer's budget is spent.
    OverBudget,
    /// 403: the two may not talk.
    Forbidden,
    /// 404: no such workspace.
    NotFound,
    /// 429: too many requests.
    RateLimited,
    /// 500, by the platform itself, before it sent anything.
    Internal,
    /// 502: the peer could not be reached.
    Unreachable,
    /// 502: the peer's URL is one that the platform does not call.
    Unroutable,
    /// 502: the peer was reached, its answer was lost.
    AnswerLost {
        /// True if the platform is certain that the peer has the message.
        delivered: bool,
    },
    /// 503: the peer is not connected.
    NotConnected,
    /// 503: the peer sleeps and is being woken.
    Waking,
    /// 503: the peer is being restarted.
    Restarting,
    /// 503: the peer is busy, and probably has the message.
    Busy,
    /// 5xx without a word of the platform's: it broke, or a proxy before it, which may or may not have passed the message
    /// on.
    Gateway,
    /// Not the platform's answer: the organisation id or the Origin is wrong.
    Misrouted,
    /// Any other refusal: the peer's own; with a 5xx perhaps the platform's.
    Remote,
}

/// Whether the peer has the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It certainly has not.
    No,
    /// It may have.
    Unknown,
    /// It certainly has.
    Yes,
}

/// Whether a message may be sent again, always with the same message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may not, or there would be no point.
    Never,
    /// Once.
    Once,
    /// With growing delays.
    Backoff,
    /// After so long at least.
    After(Duration),
}

impl ProxyFailure {
    /// Whether the peer has the message.
    pub fn delivery(&self) -> Delivery {
        use FailureKind::*;
        match self.kind {
            AnswerLost { delivered: true } => Delivery::Yes,
            // The platform breaks in words of its own, too, and then nobody knows how far it came.
            Remote if self.status >= 500 => Delivery::Unknown,
            // The peer itself spoke: it saw the message and refused it.
            Remote => Delivery::Yes,
            AnswerLost { delivered: false } | Busy | Gateway => Delivery::Unknown,
            Invalid | Unauthorized | OverBudget | Forbidden | NotFound | RateLimited | Internal
            | Unreachable | Unroutable | NotConnected | Waking | Restarting | Misrouted => Delivery::No,
        }
    }

    /// Whether it may be sent again.
    pub fn retry(&self) -> Retry {
        use FailureKind::*;
        let asked =
            |otherwise: u64| Retry::After(Duration::from_secs(self.retry_after.unwrap_or(otherwise).max(1)));
        match self.kind {
            Internal => Retry::Once,
            Unreachable => Retry::Backoff,
            RateLimited => asked(1),
            Waking => asked(15),
            // The container takes about 8 s to come back.
            Restarting => asked(8),
            NotConnected => asked(30),
            // Also what may have been delivered is not sent again: not every peer recognises copies.
            Invalid
            | Unauthorized
            | OverBudget
            | Forbidden
            | NotFound
            | Unroutable
            | AnswerLost { .. }
            | Busy
            | Gateway
            | Misrouted
            | Remote => Retry::Never,
        }
    }
}

/// What an answer means. Has one for every input; never fails.
///
/// `body` is what was read of the body, bounded by the caller.
pub fn classify(status: u16, content_type: Option<&str>, body: &[u8]) -> ProxyAnswer {
    match status {
        200..=299 => success(content_type, body),
        _ => ProxyAnswer::Failed(failure(status, content_type, body)),
    }
}

fn success(content_type: Option<&str>, body: &[u8]) -> ProxyAnswer {
    let text = json::repair(body);
    let malformed = || ProxyAnswer::Malformed { raw: clip(&text) };
    if is_misrouted(content_type, body) {
        return malformed();
    }
    let Some(members) = Json::from_text(text.as_ref()).ok().and_then(|value| value.as_object()) else {
        return malformed();
    };
    let word = |name: &str| members.get(name).and_then(Json::as_text);
    // A null error beside a result, and a null result beside an error, is how JSON-RPC 1.0 answers.
    let error = members.get("error").filter(|it| !it.is_null());
    let result = members.get("result").filter(|it| error.is_none() || !it.is_null());
    if let Some(result) = result {
        return ProxyAnswer::Answer { text: result_text(result), result: result.clone() };
    }
    if let Some(error) = error {
        let code = error.at(&["code"]).and_then(|code| code.parse().ok());
        let message = error.at(&["message"]).and_then(|it| it.as_text()).or_else(|| error.as_text());
        return ProxyAnswer::RemoteError { code, message: message.unwrap_or_else(|| clip(error.get())) };
    }
    if word("status").as_deref() == Some("queued") && word("delivery_mode").as_deref() == Some("poll") {
        return ProxyAnswer::QueuedPoll;
    }
    if members.get("queued").is_some_and(|it| it.get() == "true") {
        return ProxyAnswer::QueuedBusy { queue_id: word("queue_id") };
    }
    malformed()
}

/// The text of a result: a message's, else its artifacts', else that of a task's status, else the result itself.
fn result_text(result: &Json) -> String {
    if let Some(text) = result.as_text() {
        return text;
    }
    let parts = |value: &Json| value.at(&["parts"]).map(|parts| Part::read_list(&parts)).unwrap_or_default();
    let artifacts = || {
        let artifacts = result.at(&["artifacts"]).and_then(|it| it.as_list()).unwrap_or_default();
        artifacts.iter().flat_map(parts).collect()
    };
    let status = || result.at(&["status", "message"]).map(|message| parts(&message)).unwrap_or_default();
    let texts = [parts(result), artifacts(), status()].map(|parts| a2a::text(&parts));
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

fn failure(status: u16, content_type: Option<&str>, body: &[u8]) -> ProxyFailure {
    let text = json::repair(body);
    let members = Json::object_in(body);
    let flag = |name: &str| members.as_ref().is_some_and(|it| it.flag(name));
    let error = ErrorBody::read(body);
    let said = error.as_ref().map(|it| it.error.as_str());
    let kind = match (status, said) {
        _ if (300..=399).contains(&status) => FailureKind::Misrouted,
        (429, _) => FailureKind::RateLimited,
        (500..=599, None) if members.is_none() => FailureKind::Gateway,
        _ if is_misrouted(content_type, body) => FailureKind::Misrouted,
        (400, _) => FailureKind::Invalid,
        (401, _) => FailureKind::Unauthorized,
        (402, _) => FailureKind::OverBudget,
        (403, _) => FailureKind::Forbidden,
        (404, _) => FailureKind::NotFound,
        (500, Some("lookup failed" | "failed to create proxy request" | "failed to marshal request")) => {
            FailureKind::Internal
        }
        (502, Some("failed to reach workspace agent")) => FailureKind::Unreachable,
        (502, Some("workspace URL is not publicly routable")) => FailureKind::Unroutable,
        (502, Some("failed to read agent response")) => {
            FailureKind::AnswerLost { delivered: flag("delivery_confirmed") }
        }
        (503, _) if flag("waking") => FailureKind::Waking,
        (503, _) if flag("restarting") => FailureKind::Restarting,
        (503, _) if flag("busy") => FailureKind::Busy,
        (503, Some("workspace has no URL")) => FailureKind::NotConnected,
        _ => FailureKind::Remote,
    };
    let message = match (kind, said) {
        (FailureKind::Misrouted, _) => {
            "this was not the platform; check the platform URL, the organisation id and Origin".to_owned()
        }
        (_, Some(said)) if !said.is_empty() => said.to_owned(),
        _ if text.trim().is_empty() => "an empty answer".to_owned(),
        _ => clip(&text),
    };
    let retry_after = members.as_ref().and_then(|it| it.at(&["retry_after"])?.parse().ok());
    ProxyFailure { kind, status, message, retry_after }
}

/// The beginning of what is too long or too odd to show whole.
fn clip(text: &str) -> String {
    const SHOWN: usize = 1024;
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> ProxyAnswer {
        classify(status, Some("application/json"), body.as_bytes())
    }

    #[test]
    fn every_success_is_an_answer_an_error_a_queue_or_said_to_make_no_sense() {
        let answer = |text: &str| ("answer", text.to_owned());
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":"1","result":{"kind":"message","parts":[{"kind":"text","text":"a"},{"type":"text","text":"b"}]}}"#,
                answer("a\nb"),
            ),
            (
                r#"{"result":{"artifacts":[{"parts":[{"kind":"text","text":"a"}]},{"parts":[{"kind":"text","text":"b"}]}]}}"#,
                answer("a\nb"),
            ),
            (r#"{"result":{"status":{"message":{"parts":[{"kind":"text","text":"a"}]}}}}"#, answer("a")),
            (
                r#"{"result":{"parts":[{"kind":"data","data":1}],"artifacts":[{"parts":[{"text":"a"}]}]}}"#,
                answer("a"),
            ),
            (r#"{"result":"a"}"#, answer("a")),
            (r#"{"result":null}"#, answer("")),
            (r#"{"status":"ok","result":{"x":1}}"#, answer("")),
            (r#"{"result":"a","error":null}"#, answer("a")),
            (r#"{"result":null,"error":{"code":-32000,"message":"boom"}}"#, ("error", "boom".into())),
            (r#"{"error":"boom"}"#, ("error", "boom".into())),
            (r#"{"error":{"x":1}}"#, ("error", r#"{"x":1}"#.into())),
            (
                r#"{"status":"queued","delivery_mode":"poll","method":"message/send"}"#,
                ("poll", String::new()),
            ),
            (r#"{"queued":true,"queue_id":"q1","queue_depth":2,"message":"busy"}"#, ("busy", "q1".into())),
            (r#"{"queued":"true"}"#, ("malformed", r#"{"queued":"true"}"#.into())),
            (r#"{"status":"queued"}"#, ("malformed", r#"{"status":"queued"}"#.into())),
            ("{}", ("malformed", "{}".into())),
            ("[]", ("malformed", "[]".into())),
            ("", ("malformed", String::new())),
            ("<html>", ("malformed", "<html>".into())),
            (r#"{"result":{"parts":[{"kind":"text","text":"\ud83d"}]}}"#, answer("\u{fffd}")),
        ] {
            let seen = match of(200, body) {
                ProxyAnswer::Answer { text, .. } => ("answer", text),
                ProxyAnswer::RemoteError { message, .. } => ("error", message),
                ProxyAnswer::QueuedPoll => ("poll", String::new()),
                ProxyAnswer::QueuedBusy { queue_id } => ("busy", queue_id.unwrap()),
                ProxyAnswer::Malformed { raw } => ("malformed", raw),
                ProxyAnswer::Failed(failure) => panic!("{failure:?}"),
            };
            assert_eq!(seen, expected, "{body}");
        }
    }

    #[test]
    fn a_failure_says_whether_the_peer_has_the_message_and_whether_to_try_again() {
        use FailureKind::*;
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        for (status, body, kind, delivery, retry) in [
            (400, r#"{"error":"invalid JSON"}"#, Invalid, Delivery::No, Retry::Never),
            (401, r#"{"error":"invalid caller auth token"}"#, Unauthorized, Delivery::No, Retry::Never),
            (402, r#"{"error":"workspace budget limit exceeded"}"#, OverBudget, Delivery::No, Retry::Never),
            (403, r#"{"error":"access denied"}"#, Forbidden, Delivery::No, Retry::Never),
            (403, "", Misrouted, Delivery::No, Retry::Never),
            (404, r#"{"error":"workspace not found"}"#, NotFound, Delivery::No, Retry::Never),
            (404, "", Misrouted, Delivery::No, Retry::Never),
            (429, r#"{"error":"rate limit exceeded","retry_after":0}"#, RateLimited, Delivery::No, after(1)),
            (429, "<html>", RateLimited, Delivery::No, after(1)),
            (500, r#"{"error":"lookup failed"}"#, Internal, Delivery::No, Retry::Once),
            (500, r#"{"error":"my database is gone"}"#, Remote, Delivery::Unknown, Retry::Never),
            (500, "", Gateway, Delivery::Unknown, Retry::Never),
            (
                503,
                r#"{"error":"the platform cannot check tokens now","code":"platform_unavailable"}"#,
                Remote,
                Delivery::Unknown,
                Retry::Never,
            ),
            (
                502,
                r#"{"error":"failed to reach workspace agent"}"#,
                Unreachable,
                Delivery::No,
                Retry::Backoff,
            ),
            (
                502,
                r#"{"error":"workspace URL is not publicly routable"}"#,
                Unroutable,
                Delivery::No,
                Retry::Never,
            ),
            (
                502,
                r#"{"error":"failed to read agent response","delivery_confirmed":true}"#,
                AnswerLost { delivered: true },
                Delivery::Yes,
                Retry::Never,
            ),
            (
                502,
                r#"{"error":"failed to read agent response"}"#,
                AnswerLost { delivered: false },
                Delivery::Unknown,
                Retry::Never,
            ),
            (502, "<html>", Gateway, Delivery::Unknown, Retry::Never),
            (504, "", Gateway, Delivery::Unknown, Retry::Never),
            (
                503,
                r#"{"error":"workspace has no URL","status":"provisioning"}"#,
                NotConnected,
                Delivery::No,
                after(30),
            ),
            (503, r#"{"waking":true,"retry_after":15}"#, Waking, Delivery::No, after(15)),
            (503, r#"{"error":"restarting","restarting":true}"#, Restarting, Delivery::No, after(8)),
            (
                503,
                r#"{"busy":true,"retry_after":30,"native_session":true}"#,
                Busy,
                Delivery::Unknown,
                Retry::Never,
            ),
            (418, r#"{"error":"teapot"}"#, Remote, Delivery::Yes, Retry::Never),
            (302, "", Misrouted, Delivery::No, Retry::Never),
        ] {
            let ProxyAnswer::Failed(failure) = of(status, body) else { panic!("{status} {body}") };
            assert_eq!(
                (failure.kind, failure.delivery(), failure.retry()),
                (kind, delivery, retry),
                "{status} {body}"
            );
            assert!(!failure.message.is_empty(), "{status} {body}");
        }
    }

    #[test]
    fn no_input_is_without_a_judgment() {
        let deep = "[".repeat(100_000);
        let deep_object = format!(r#"{{"result":{}"#, r#"{"parts":"#.repeat(10_000));
        for body in [
            b"".as_slice(),
            b"\xff\xfe",
            b"{\"result\":",
            deep.as_bytes(),
            deep_object.as_bytes(),
            b"null",
            b"\0",
        ] {
            for status in [0, 100, 200, 204, 301, 404, 500, 502, 503, 999, u16::MAX] {
                for content_type in [None, Some(""), Some("text/html"), Some("application/json")] {
                    let answer = classify(status, content_type, body);
                    assert!(!matches!(answer, ProxyAnswer::Answer { .. }), "{status} {content_type:?}");
                }
            }
        }
    }

    #[test]
    fn a_result_nested_beyond_reason_is_still_judged() {
        let nested = format!(r#"{{"result":{}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert!(matches!(of(200, &nested), ProxyAnswer::Answer { text, .. } if text.is_empty()));
    }
}
