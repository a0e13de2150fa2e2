//! The headers that an agent may set.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};

use super::{Bound, FetchError, Payload};

/// Headers of one request, and their bytes.
const MAX_COUNT: usize = 100;
const MAX_BYTES: usize = 64 * 1024;

/// The headers of one hop (RFC 9110 7.6.1), and those that say where a request goes or how it is framed: the host
/// writes them. What an agent could say here would be read by somebody in between.
const REFUSED: [(&str, &str); 12] = [
    ("host", "it follows from the URL"),
    ("connection", HOP),
    ("keep-alive", HOP),
    ("proxy-authenticate", HOP),
    ("proxy-authorization", HOP),
    ("proxy-connection", HOP),
    ("trailer", HOP),
    ("transfer-encoding", HOP),
    ("upgrade", HOP),
    ("http2-settings", HOP),
    ("expect", "the host does not wait for a 100"),
    ("content-length", "it does not agree with the body"),
];
const HOP: &str = "it concerns the connection, which is the host's";

/// Reads the headers; `Content-Length` is left out once it is known to be true.
pub(super) fn read<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    pairs: impl IntoIterator<Item = (N, V)>,
    payload: &Payload,
) -> Result<HeaderMap, FetchError> {
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for (name, value) in pairs {
        bytes += name.as_ref().len() + value.as_ref().len();
        if headers.len() >= MAX_COUNT || bytes > MAX_BYTES {
            return Err(FetchError::TooLarge { bound: Bound::RequestHeaders, limit: MAX_BYTES as u64 });
        }
        let shown = || String::from_utf8_lossy(name.as_ref()).escape_debug().take(64).collect::<String>();
        let name = HeaderName::from_bytes(name.as_ref())
            .map_err(|_| FetchError::Invalid(format!("{:?} is no name of a header", shown())))?;
        let value = HeaderValue::from_bytes(value.as_ref()).map_err(|_| {
            FetchError::Invalid(format!("the header {name} has a character that no header can have"))
        })?;
        if name == CONTENT_LENGTH && agrees(&value, payload) {
            continue;
        }
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| name == *refused) {
            return Err(FetchError::Invalid(format!("the header {name} cannot be set: {why}")));
        }
        if name == TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers") {
            return Err(FetchError::Invalid("the header te can only be trailers".to_owned()));
        }
        headers.append(name, value);
    }
    Ok(headers)
}

/// Whether the body that goes with these headers is said to be JSON (RFC 6839 3.1).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

fn agrees(value: &HeaderValue, payload: &Payload) -> bool {
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse::<u64>().ok()).is_some_and(|said| payload.length() == Some(said))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_host_s_own_headers_are_refused() {
        for (name, value, good) in [
            ("accept", "text/html", true),
            ("X-Anything", "\u{e4}", true),
            ("te", "Trailers", true),
            ("te", "gzip", false),
            ("Host", "evil.example", false),
            ("Connection", "close", false),
            ("keep-alive", "5", false),
            ("proxy-authorization", "Basic eA==", false),
            ("proxy-authenticate", "x", false),
            ("proxy-connection", "x", false),
            ("Trailer", "x", false),
            ("transfer-encoding", "chunked", false),
            ("upgrade", "h2c", false),
            ("http2-settings", "x", false),
            ("expect", "100-continue", false),
            ("content-length", "5", true),
            ("content-length", "4", false),
            ("content-length", "+5", false),
            ("content-length", "5, 5", false),
            ("", "x", false),
            ("a b", "x", false),
            (":authority", "x", false),
            ("x", "a\r\nHost: evil", false),
            ("x", "a\0", false),
        ] {
            let read = read([(name, value)], &Payload::Whole(Bytes::from_static(b"12345")));
            assert_eq!(read.is_ok(), good, "{name}: {value:?} {read:?}");
        }
    }

    #[test]
    fn there_is_an_end_to_headers() {
        let whole = Payload::Whole(Bytes::new());
        let many = |count: usize| (0..count).map(|_| ("x", "y"));
        assert!(read(many(MAX_COUNT), &whole).is_ok());
        for too_many in
            [read(many(MAX_COUNT + 1), &whole), read([("x", "y".repeat(MAX_BYTES).as_str())], &whole)]
        {
            assert!(matches!(too_many, Err(FetchError::TooLarge { bound: Bound::RequestHeaders, .. })));
        }
    }

    #[test]
    fn json_is_told_by_its_type() {
        for (kind, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.api+json", true),
            ("text/json5", false),
            ("application/x-ndjson", false),
        ] {
            let headers = [(CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect();
            assert_eq!(is_json(&headers), expected, "{kind}");
        }
    }
}
