//! A request as it goes to the socket.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::{Method, Request, Uri, Version};
use http_body_util::{BodyExt as _, Empty};
use molecule_gate::{Target, Terms};
use molecule_runtime::{FetchBody, FetchError, FetchParts, Payload};

use super::body::{self, Progress};
use super::inject;
use super::limits::Clamped;
use crate::secrets::Secrets;

/// Who asks, where the agent does not say.
const AGENT: &str = concat!("molecule-host/", env!("CARGO_PKG_VERSION"));

/// What has been judged, ready to be sent.
pub(super) struct Outgoing {
    pub(super) target: Arc<Target>,
    /// Put back here when it was not sent.
    pub(super) request: Request<FetchBody>,
    pub(super) progress: Arc<Progress>,
    pub(super) times: Clamped,
    /// Whether there is a secret in it that the answer may not repeat.
    pub(super) entrusted: bool,
    uri: Uri,
}

impl Outgoing {
    /// Puts secrets in, and what the host says itself.
    pub(super) fn new(
        parts: FetchParts,
        terms: &Terms,
        times: Clamped,
        secrets: &Secrets,
    ) -> Result<Self, FetchError> {
        let FetchParts { target, mut headers, payload, secrets: uses, spots, .. } = parts;
        inject::into_headers(&mut headers, secrets)?;
        let payload = match payload {
            Payload::Whole(body) => Payload::Whole(inject::into_body(&body, &spots, secrets)?),
            stream => stream,
        };
        let watchful = secrets.redactor().is_watchful();
        if watchful {
            // In an answer that is compressed no secret could be found, be it one of another request.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let progress = Arc::new(Progress::new());
        let body = body::outgoing(payload, terms.request_bytes, &progress)?;
        let invalid = |error: &dyn std::error::Error| FetchError::Invalid(error.to_string());
        let mut request = Request::new(body);
        *request.method_mut() =
            Method::from_bytes(target.method().as_bytes()).map_err(|error| invalid(&error))?;
        *request.headers_mut() = headers;
        let uri: Uri = target.url().parse().map_err(|error| invalid(&error))?;
        let entrusted = watchful && !uses.is_empty();
        Ok(Self { target: Arc::new(target), request, progress, times, entrusted, uri })
    }

    /// The request, to be sent now.
    pub(super) fn take(&mut self) -> Request<FetchBody> {
        let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
        std::mem::replace(&mut self.request, Request::new(nothing))
    }

    /// In the form of HTTP/1.1: a path, and the host in a header.
    pub(super) fn for_http1(&mut self) {
        let path = self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        *self.request.uri_mut() = path.parse().unwrap_or_default();
        *self.request.version_mut() = Version::HTTP_11;
        let headers: &mut HeaderMap = self.request.headers_mut();
        // It concerns the hop; HTTP/2 has it by itself.
        headers.remove(TE);
        if let Some(authority) = self.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(HOST, host);
        }
    }

    /// In the form of HTTP/2: the whole URL, from which scheme and authority are taken.
    pub(super) fn for_http2(&mut self) {
        *self.request.uri_mut() = self.uri.clone();
        *self.request.version_mut() = Version::HTTP_2;
        self.request.headers_mut().remove(HOST);
    }
}
