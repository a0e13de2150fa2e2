//! The one place where requests to the platform are made, so that none can forget who sends it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ORIGIN, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use molecule_protocol::{
    BearerToken, ORG_ID_HEADER, PlatformUrl, SOURCE_WORKSPACE_ID_HEADER, WORKSPACE_ID_HEADER, WorkspaceId,
    json,
};
use url::Url;

use super::error::PlatformFault;
use super::retry::Repeat;
use super::transport::Limits;

/// Who speaks, and to which platform.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The platform.
    pub platform: PlatformUrl,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its organisation, where one platform serves several.
    pub org: Option<OrgId>,
    /// What the `Origin` header says.
    pub origin: Origin,
}

impl Identity {
    /// A workspace on a platform that asks for nothing else.
    pub fn new(platform: PlatformUrl, workspace: WorkspaceId) -> Self {
        Self { platform, workspace, org: None, origin: Origin::default() }
    }
}

/// What the `Origin` header of requests says.
///
/// Some hosted platforms mistake requests without one for a browser's. A platform behind a proxy that changes the
/// `Host` header refuses requests that have one; hence `off`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// The platform's own.
    #[default]
    Platform,
    /// This one.
    Given(HeaderValue),
    /// There is none.
    Off,
}

impl FromStr for Origin {
    type Err = InvalidHeader;

    /// Reads `off` or an origin such as `https://acme.example`; a slash at the end is forgiven.
    fn from_str(text: &str) -> Result<Self, InvalidHeader> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let url: PlatformUrl = text.parse().map_err(|_| InvalidHeader::Origin)?;
        match HeaderValue::from_str(&url.origin()) {
            // More than an origin would be sent as less than was given.
            Ok(origin) if url.as_url().path() == "/" => Ok(Self::Given(origin)),
            _ => Err(InvalidHeader::Origin),
        }
    }
}

/// The id of an organisation, as the `X-Molecule-Org-Id` header says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgId(HeaderValue);

impl FromStr for OrgId {
    type Err = InvalidHeader;

    fn from_str(text: &str) -> Result<Self, InvalidHeader> {
        let text = text.trim();
        match HeaderValue::from_str(text) {
            Ok(value) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self(value))
            }
            _ => Err(InvalidHeader::OrgId),
        }
    }
}

/// A setting that cannot stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// Of [`Origin`].
    #[error("--origin must be \"off\" or a bare origin such as https://acme.moleculesai.app")]
    Origin,
    /// Of [`OrgId`].
    #[error("--org-id must be the organisation's id, a UUID such as 3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11")]
    OrgId,
}

/// One request, as an endpoint describes it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Bytes>,
    /// What the body is.
    pub(super) kind: HeaderValue,
    /// Whether the bearer token goes along, if there is one.
    pub(super) bearer: bool,
    /// Whether the newer of the two headers that name the sender of a message goes along.
    pub(super) as_source: bool,
    pub(super) repeat: Repeat,
    pub(super) lane: Lane,
    pub(super) limits: Limits,
    /// Whether the answer is read as it comes.
    pub(super) streamed: bool,
    /// What to say when the answer is lost, where more is to be said than usual.
    pub(super) if_lost: Option<&'static str>,
}

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Waits for nothing, and has its own connections.
    Heartbeat,
    /// Somebody waits for it: it fails rather than take long.
    Asked,
    /// Can wait for its turn.
    Polling,
}

/// The time limit of most requests, connecting included.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long the next piece of a body may take that is read as it comes.
const IDLE: Duration = Duration::from_secs(60);
/// The longest body of most answers.
const BODY: usize = 1024 * 1024;

impl Call {
    /// A GET: reads only, so it may be repeated.
    pub(super) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            body: None,
            kind: HeaderValue::from_static("application/json"),
            bearer: true,
            as_source: false,
            repeat: Repeat::Read,
            lane: Lane::Asked,
            limits: Limits { deadline: DEADLINE, body: BODY, idle: IDLE },
            streamed: false,
            if_lost: None,
        }
    }

    /// A POST, which may or may not be repeated.
    pub(super) fn post(url: Url, repeat: Repeat) -> Self {
        Self { method: Method::POST, repeat, ..Self::get(url) }
    }

    /// A DELETE: what is gone is gone, so it may be repeated.
    pub(super) fn delete(url: Url) -> Self {
        Self { method: Method::DELETE, repeat: Repeat::Idempotent, ..Self::get(url) }
    }

    pub(super) fn with_json(self, text: String) -> Self {
        Self { body: Some(storable(text)), ..self }
    }

    pub(super) fn with_body(self, kind: HeaderValue, body: Vec<u8>) -> Self {
        Self { body: Some(body.into()), kind, ..self }
    }

    pub(super) fn anonymous(self) -> Self {
        Self { bearer: false, ..self }
    }

    pub(super) fn in_lane(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    pub(super) fn within(mut self, seconds: u64) -> Self {
        self.limits.deadline = Duration::from_secs(seconds);
        self
    }

    pub(super) fn idle(mut self, idle: Duration) -> Self {
        self.limits.idle = idle;
        self
    }

    pub(super) fn streamed(self) -> Self {
        Self { streamed: true, ..self }
    }

    pub(super) fn repeated(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }

    pub(super) fn up_to(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }
}

/// Makes the request. Nothing else reads a token for the wire.
pub(super) fn build(
    identity: &Identity,
    call: &Call,
    token: Option<&BearerToken>,
) -> Result<Request<Bytes>, PlatformFault> {
    let invalid = |why: &str| PlatformFault::Invalid(why.to_owned());
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers
        .insert(USER_AGENT, HeaderValue::from_static(concat!("molecule-host/", env!("CARGO_PKG_VERSION"))));
    if call.body.is_some() {
        headers.insert(CONTENT_TYPE, call.kind.clone());
    }
    let workspace = HeaderValue::from_str(&identity.workspace.to_string())
        .map_err(|_| invalid("the workspace id is no header"))?;
    if call.as_source {
        headers.insert(HeaderName::from_static(SOURCE_WORKSPACE_ID_HEADER), workspace.clone());
    }
    headers.insert(HeaderName::from_static(WORKSPACE_ID_HEADER), workspace);
    if let Some(OrgId(org)) = &identity.org {
        headers.insert(HeaderName::from_static(ORG_ID_HEADER), org.clone());
    }
    match &identity.origin {
        Origin::Off => {}
        Origin::Given(origin) => drop(headers.insert(ORIGIN, origin.clone())),
        Origin::Platform => {
            let origin = HeaderValue::from_str(&identity.platform.origin());
            headers.insert(ORIGIN, origin.map_err(|_| invalid("the platform's origin is no header"))?);
        }
    }
    if let Some(token) = token.filter(|_| call.bearer) {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| invalid("the token is no header"))?;
        // Keeps it out of `Debug` and of HTTP/2's tables.
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let mut request = Request::new(call.body.clone().unwrap_or_default());
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = call.url.as_str().parse().map_err(|_| invalid("the URL is too long or not one"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// JSON as the platform's database can store it: without U+0000 and unpaired surrogates, which it refuses, sometimes
/// with an error and sometimes by losing the row.
fn storable(text: String) -> Bytes {
    const NUL: &str = "\\u0000";
    let text = match json::repair(text.as_bytes()) {
        std::borrow::Cow::Owned(repaired) => repaired,
        std::borrow::Cow::Borrowed(_) => text,
    };
    if !text.contains(NUL) {
        return text.into();
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // A backslash stands only inside texts, and takes the next character with it: in `\\u0000` there is no NUL.
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        kept.push_str(before);
        rest = match escape.strip_prefix(NUL) {
            Some(after) => after,
            None => {
                let length = escape.chars().take(2).map(char::len_utf8).sum();
                let (escape, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
                kept.push_str(escape);
                after
            }
        };
    }
    kept.push_str(rest);
    kept.into()
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity::new(
            "https://acme.example/prefix/".parse().unwrap(),
            "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse().unwrap(),
        )
    }

    fn headers(identity: &Identity, call: &Call) -> Vec<(String, String)> {
        let token = "hunter2".parse().unwrap();
        let request = build(identity, call, Some(&token)).unwrap();
        let mut headers: Vec<_> = request
            .headers()
            .iter()
            .filter(|(name, _)| !["accept", "user-agent"].contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        headers
    }

    fn pairs(headers: &[(String, String)]) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn every_request_says_who_sends_it() {
        let id = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11";
        let get = Call::get(identity().platform.join("/x"));
        assert_eq!(
            pairs(&headers(&identity(), &get)),
            [("authorization", "Bearer hunter2"), ("origin", "https://acme.example"), ("x-workspace-id", id)]
        );
        let mut full = Identity { org: Some("org-1".parse().unwrap()), origin: Origin::Off, ..identity() };
        let post = Call::post(identity().platform.join("/x"), Repeat::Once).with_json("{}".into());
        let post = Call { as_source: true, ..post };
        assert_eq!(
            pairs(&headers(&full, &post)),
            [
                ("authorization", "Bearer hunter2"),
                ("content-type", "application/json"),
                ("x-molecule-org-id", "org-1"),
                ("x-source-workspace-id", id),
                ("x-workspace-id", id)
            ]
        );
        full.origin = "https://canvas.example/".parse().unwrap();
        assert_eq!(
            pairs(&headers(&full, &get.anonymous())),
            [("origin", "https://canvas.example"), ("x-molecule-org-id", "org-1"), ("x-workspace-id", id)]
        );
    }

    #[test]
    fn a_token_does_not_show_in_a_request_that_is_printed() {
        let call = Call::get(identity().platform.join("/x"));
        let request = build(&identity(), &call, Some(&"hunter2".parse().unwrap())).unwrap();
        assert!(!format!("{request:?} {call:?} {call}").contains("hunter2"));
    }

    #[test]
    fn an_origin_is_bare_and_an_org_id_fits_a_header() {
        for wrong in ["", "acme.example", "https://acme.example/path", "https://a.example/?x", "Off", "null"]
        {
            assert_eq!(wrong.parse::<Origin>(), Err(InvalidHeader::Origin), "{wrong}");
        }
        for wrong in ["", " ", "a b", "a\r\nX: y", "é"] {
            assert_eq!(wrong.parse::<OrgId>(), Err(InvalidHeader::OrgId), "{wrong:?}");
        }
        assert!(" org-1\n".parse::<OrgId>().is_ok());
    }

    #[test]
    fn what_the_database_of_the_platform_refuses_is_not_sent() {
        for (text, sent) in [
            ("plain é", r#""plain é""#),
            ("a\0b\0", r#""ab""#),
            // A backslash and a word are not a NUL.
            ("\\u0000", r#""\\u0000""#),
            ("\\\0\n\"\0", r#""\\\n\"""#),
        ] {
            assert_eq!(storable(serde_json::to_string(text).unwrap()), sent, "{text:?}");
        }
        let unpaired = r#"{"name":"\ud83d\ude80 \ud83d"}"#;
        assert_eq!(storable(unpaired.into()), r#"{"name":"\ud83d\ude80 \ufffd"}"#);
    }
}
