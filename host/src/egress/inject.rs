//! Puts the values of secrets where their references stand, after the judgment and the receipt.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use molecule_gate::references;
use molecule_runtime::{FetchError, Spot};
use zeroize::Zeroizing;

use crate::secrets::Secrets;

/// Replaces references in the values of headers. Such a header is marked: no library prints or indexes it.
pub(super) fn into_headers(headers: &mut HeaderMap, secrets: &Secrets) -> Result<(), FetchError> {
    for (header, value) in headers.iter_mut() {
        let Ok(text) = value.to_str() else { continue };
        let found: Vec<_> = references(text)
            .map(|(range, name)| Ok((range, secrets.use_up(&name)?)))
            .collect::<Result<_, FetchError>>()?;
        if found.is_empty() {
            continue;
        }
        // With room for all of it: a buffer that grows leaves copies behind.
        let room = text.len() + found.iter().map(|(_, secret)| secret.expose().len()).sum::<usize>();
        let mut whole = Zeroizing::new(Vec::with_capacity(room));
        let mut rest = 0;
        for (range, secret) in &found {
            whole.extend_from_slice(text.get(rest..range.start).unwrap_or_default().as_bytes());
            whole.extend_from_slice(secret.expose().as_bytes());
            rest = range.end;
        }
        whole.extend_from_slice(text.get(rest..).unwrap_or_default().as_bytes());
        let mut injected = HeaderValue::from_bytes(&whole).map_err(|_| {
            FetchError::Invalid(format!(
                "a secret in the header {header} has a character that no header can have, such as a line break; the \
                 operator corrects its value"
            ))
        })?;
        injected.set_sensitive(true);
        *value = injected;
    }
    Ok(())
}

/// Replaces fields of a JSON body. The rest of it stays as it is, byte by byte.
pub(super) fn into_body(body: &Bytes, spots: &[Spot], secrets: &Secrets) -> Result<Bytes, FetchError> {
    if spots.is_empty() {
        return Ok(body.clone());
    }
    let values = spots.iter().map(|spot| json(secrets.use_up(&spot.name)?.expose()));
    let values = values.collect::<Result<Vec<_>, FetchError>>()?;
    let mut whole = Vec::with_capacity(body.len() + values.iter().map(|value| value.len()).sum::<usize>());
    let mut rest = 0;
    for (spot, value) in spots.iter().zip(&values) {
        whole.extend_from_slice(body.get(rest..spot.range.start).unwrap_or_default());
        whole.extend_from_slice(value.as_bytes());
        rest = spot.range.end;
    }
    whole.extend_from_slice(body.get(rest..).unwrap_or_default());
    // Overwritten when the last frame of it is dropped.
    Ok(Bytes::from_owner(Zeroizing::new(whole)))
}

fn json(value: &str) -> Result<Zeroizing<String>, FetchError> {
    let json = serde_json::to_string(value).map_err(|error| FetchError::Invalid(error.to_string()))?;
    Ok(Zeroizing::new(json))
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use molecule_protocol::SecretValue;

    use super::*;

    #[test]
    fn a_header_has_its_values_where_the_references_stood_and_no_library_prints_it() {
        let secrets = Secrets::default();
        let values = [("A", "first-of-two"), ("B", "second")];
        secrets.pulled(
            values.map(|(name, value)| (name.to_owned(), SecretValue::new(value))).into_iter().collect(),
        );
        let header = |text: &'static str| -> HeaderMap {
            [(AUTHORIZATION, HeaderValue::from_static(text))].into_iter().collect()
        };
        let mut headers = header("x {{secret:A}}, {{secret:B}}{{secret:A}} y {{secret}}");
        into_headers(&mut headers, &secrets).unwrap();
        assert_eq!(headers[AUTHORIZATION], "x first-of-two, secondfirst-of-two y {{secret}}");
        assert!(headers[AUTHORIZATION].is_sensitive() && !format!("{headers:?}").contains("first"));
        let mut headers = header("nothing here");
        into_headers(&mut headers, &secrets).unwrap();
        assert!(!headers[AUTHORIZATION].is_sensitive());
    }
}
