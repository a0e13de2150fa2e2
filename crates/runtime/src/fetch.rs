//! One HTTP request of an agent: what it asked for, as the act that the gate judges.

mod error;
mod headers;
mod references;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::combinators::UnsyncBoxBody;
use molecule_gate::{Act, Effect, SecretUse, Target};

pub use self::error::{Bound, CertificateFault, FetchError, Phase, TlsFault};
pub use self::references::Spot;

/// A body in frames, as it is sent or as it comes in.
pub type FetchBody = UnsyncBoxBody<Bytes, FetchError>;

/// What came back. Its body is read frame by frame; dropping it ends the exchange.
pub type FetchResponse = http::Response<FetchBody>;

/// References to secrets in one request. More than any API wants, and each is looked up and put in.
const MAX_REFERENCES: usize = 16;

/// One request of an agent. What the gate judged is what is sent: nothing of it can be changed once it is made.
#[derive(Debug)]
pub struct Fetch(FetchParts);

/// What a [`Fetch`] consists of.
#[derive(Debug)]
#[non_exhaustive]
pub struct FetchParts {
    /// Method and URL.
    pub target: Target,
    /// The headers that an agent may set. References to secrets stand in them as the agent wrote them.
    pub headers: HeaderMap,
    /// What is sent.
    pub payload: Payload,
    /// How long the agent is willing to wait.
    pub times: Times,
    /// The secrets that are referred to, and where.
    pub secrets: Vec<SecretUse>,
    /// The places in a whole body where the value of a secret goes, in their order.
    pub spots: Vec<Spot>,
}

impl Fetch {
    /// Takes a request in. `Content-Length` is checked and left out, since the host writes its own.
    ///
    /// References to secrets are looked for in the values of headers, and in a whole body of JSON: there a field counts
    /// whose text is one reference and nothing else. A text that only mentions one is a text, which somebody else may
    /// have written into it. In a body that is streamed nothing is looked for.
    ///
    /// # Errors
    /// [`FetchError::Invalid`] says what cannot be sent and why, [`FetchError::TooLarge`] of headers.
    pub fn new<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        method: &str,
        url: &str,
        headers: impl IntoIterator<Item = (N, V)>,
        payload: Payload,
        times: Times,
    ) -> Result<Self, FetchError> {
        references::refuse_in_url(url)?;
        let target = Target::parse(method, url).map_err(|error| FetchError::Invalid(error.to_string()))?;
        let headers = headers::read(headers, &payload)?;
        let mut secrets = references::in_headers(&headers);
        let spots = match &payload {
            Payload::Whole(body) if headers::is_json(&headers) => references::in_json(body)?,
            _ => Vec::new(),
        };
        secrets.extend(spots.iter().map(Spot::as_use));
        if secrets.len() > MAX_REFERENCES {
            let count = secrets.len();
            let words = format!(
                "it refers to secrets {count} times; {MAX_REFERENCES} times are possible in one request"
            );
            return Err(FetchError::Invalid(words));
        }
        Ok(Self(FetchParts { target, headers, payload, times, secrets, spots }))
    }

    /// Where it goes.
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// The secrets that it refers to.
    pub fn secrets(&self) -> &[SecretUse] {
        &self.0.secrets
    }

    /// Takes it apart, to be sent.
    pub fn into_parts(self) -> FetchParts {
        self.0
    }
}

impl Act for Fetch {
    fn effect(&self) -> Effect<'_> {
        let FetchParts { target, payload, secrets, .. } = &self.0;
        let bytes = usize::try_from(payload.length().unwrap_or(0)).unwrap_or(usize::MAX);
        Effect::Fetch { target, bytes, secrets }
    }
}

/// The body of a request.
pub enum Payload {
    /// All of it, perhaps nothing.
    Whole(Bytes),
    /// As it is written.
    Stream {
        /// The frames.
        body: FetchBody,
        /// How many bytes there will be, where the agent says so. It is held to it.
        length: Option<u64>,
    },
}

impl Payload {
    /// Its bytes, where that is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Payload::Whole(body) => u64::try_from(body.len()).ok(),
            Payload::Stream { length, .. } => *length,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Payload::Whole(_)) { "Whole" } else { "Stream" };
        f.debug_tuple(kind).field(&self.length()).finish()
    }
}

/// How long an agent is willing to wait; where it says nothing, the host decides. The host has a most for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Until there is a connection: the name, TCP and TLS.
    pub connect: Option<Duration>,
    /// From the end of the request to the head of the response.
    pub first_byte: Option<Duration>,
    /// Between two pieces of a body, of the request or of the response.
    pub between_bytes: Option<Duration>,
    /// From the call to the last byte of the response.
    pub total: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(headers: &[(&str, &str)], body: &'static str) -> Fetch {
        let payload = Payload::Whole(Bytes::from_static(body.as_bytes()));
        let url = "https://api.example.com/v1";
        Fetch::new("POST", url, headers.iter().copied(), payload, Times::default()).unwrap()
    }

    fn uses(fetch: &Fetch) -> Vec<String> {
        fetch.secrets().iter().map(|it| format!("{} {:?}", it.name, it.place)).collect()
    }

    #[test]
    fn references_are_found_in_headers_and_in_whole_fields_of_json() {
        let json = ("content-type", "application/json");
        let key = ("authorization", "Bearer {{secret:KEY}}");
        assert_eq!(uses(&fetch(&[key], "")), ["KEY Header"]);
        let body = r#"{"auth":{"key":"{{secret:KEY}}"},"text":"what is {{secret:KEY}}?"}"#;
        assert_eq!(uses(&fetch(&[json], body)), [r#"KEY Body(JsonPointer("/auth/key"))"#]);
        assert_eq!(uses(&fetch(&[("content-type", "text/plain")], body)), [""; 0]);
    }

    #[test]
    fn there_is_an_end_to_references() {
        let payload = |body: &str| Payload::Whole(Bytes::copy_from_slice(body.as_bytes()));
        let read = |in_header: usize, in_body: usize| {
            let header = ("authorization", "{{secret:KEY}}".repeat(in_header));
            let json = ("content-type", "application/json".to_owned());
            let body = format!("[{}]", vec![r#""{{secret:KEY}}""#; in_body].join(","));
            Fetch::new("POST", "https://a.example/", [header, json], payload(&body), Times::default())
        };
        assert!(read(16, 0).is_ok() && read(0, 16).is_ok() && read(8, 8).is_ok());
        for (in_header, in_body) in [(17, 0), (0, 17), (8, 9)] {
            let error = read(in_header, in_body).unwrap_err();
            assert!(matches!(&error, FetchError::Invalid(words) if words.contains("17 times")), "{error:?}");
        }
    }

    #[test]
    fn what_is_judged_is_what_is_sent() {
        let fetch = fetch(&[("content-length", "5")], "hello");
        let Effect::Fetch { target, bytes, secrets } = fetch.effect() else { panic!("another effect") };
        assert_eq!((target.url(), bytes, secrets.len()), ("https://api.example.com/v1", 5, 0));
        assert!(fetch.into_parts().headers.is_empty(), "the host writes the length");
    }

    #[test]
    fn a_reference_in_a_url_is_refused() {
        let url = "https://api.example.com/?key={{secret:KEY}}";
        let none: [(&str, &str); 0] = [];
        let error = Fetch::new("GET", url, none, Payload::Whole(Bytes::new()), Times::default()).unwrap_err();
        assert!(error.to_string().contains("header"), "{error}");
    }
}
