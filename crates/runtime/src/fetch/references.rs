//! Where a request refers to secrets.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use http::HeaderMap;
use molecule_gate::{JsonPointer, SecretName, SecretPlace, SecretUse, references};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::FetchError;

/// What every reference begins with.
const MARK: &str = "{{secret:";
/// Objects and arrays within each other that are looked into.
const MAX_DEPTH: usize = 64;

/// A place in a JSON body where the value of a secret goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Which secret.
    pub name: SecretName,
    /// The field.
    pub pointer: JsonPointer,
    /// Its text in the body, quotes included.
    pub range: Range<usize>,
}

impl Spot {
    /// The same for the gate.
    pub(super) fn as_use(&self) -> SecretUse {
        SecretUse { name: self.name.clone(), place: SecretPlace::Body(self.pointer.clone()) }
    }
}

/// A URL stands in logs, on both sides.
pub(super) fn refuse_in_url(url: &str) -> Result<(), FetchError> {
    if url.contains(MARK) {
        let words = "a secret cannot stand in a URL, which is logged on its way; put it into a header";
        return Err(FetchError::Invalid(words.to_owned()));
    }
    Ok(())
}

/// References in the values of headers, whole or in part.
pub(super) fn in_headers(headers: &HeaderMap) -> Vec<SecretUse> {
    let texts = headers.values().filter_map(|value| value.to_str().ok());
    texts.flat_map(references).map(|(_, name)| SecretUse { name, place: SecretPlace::Header }).collect()
}

/// Fields of a JSON text that are one reference and nothing else. A body that is no JSON has none.
pub(super) fn in_json(body: &[u8]) -> Result<Vec<Spot>, FetchError> {
    let mut spots = Vec::new();
    let Some(text) = std::str::from_utf8(body).ok().filter(|text| text.contains(MARK)) else {
        return Ok(spots);
    };
    if let Ok(root) = serde_json::from_str::<&RawValue>(text) {
        look(text, root, &mut String::new(), 0, &mut spots)?;
    }
    Ok(spots)
}

/// Looks through one value. Parts without a mark are not read.
fn look(
    whole: &str,
    value: &RawValue,
    pointer: &mut String,
    depth: usize,
    spots: &mut Vec<Spot>,
) -> Result<(), FetchError> {
    let text = value.get();
    if !text.contains(MARK) {
        return Ok(());
    }
    if depth > MAX_DEPTH {
        let words = format!("a secret stands deeper in the body than {MAX_DEPTH} objects");
        return Err(FetchError::Invalid(words));
    }
    let broken = |error: serde_json::Error| FetchError::Invalid(format!("the body is no JSON: {error}"));
    let mut within = |key: &str, value: &RawValue| {
        let before = pointer.len();
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        let looked = look(whole, value, pointer, depth + 1, spots);
        pointer.truncate(before);
        looked
    };
    match text.as_bytes().first() {
        Some(b'{') => {
            for (key, value) in serde_json::from_str::<Members<'_>>(text).map_err(broken)?.0 {
                within(&key, value)?;
            }
        }
        Some(b'[') => {
            for (index, value) in
                serde_json::from_str::<Items<'_>>(text).map_err(broken)?.0.iter().enumerate()
            {
                within(&index.to_string(), value)?;
            }
        }
        // Written out, not with escapes: so is what the agent means.
        Some(b'"') => {
            let inner = text.trim_matches('"');
            if let Some((range, name)) = references(inner).next()
                && range == (0..inner.len())
            {
                // A field that no pointer of a grant can name is none of those that count. `text` is a part of `whole`.
                let start = (text.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
                let range = start..start + text.len();
                spots.extend(pointer.parse().ok().map(|pointer| Spot { name, pointer, range }));
            }
        }
        _ => {}
    }
    Ok(())
}

/// The members of an object in their order, duplicates included.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((member.0.0, member.1));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The items of an array.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_counts_where_its_text_is_one_reference() {
        for (body, pointers) in [
            (r#"{"a":"{{secret:K}}"}"#, &["/a"][..]),
            (r#" { "a" : [ 1, {"b/c~d": "{{secret:K}}"} ] } "#, &["/a/1/b~1c~0d"]),
            (r#""{{secret:K}}""#, &[]),
            (r#"{"a":"{{secret:K}}","a":"{{secret:K}}"}"#, &["/a", "/a"]),
            (r#"{"\u0061":"{{secret:K}}"}"#, &["/a"]),
            (r#"{"a":"Bearer {{secret:K}}"}"#, &[]),
            (r#"{"a":"{{secret:K}}{{secret:K}}"}"#, &[]),
            (r#"{"a":"\u007b{secret:K}}"}"#, &[]),
            (r#"{"{{secret:K}}":1}"#, &[]),
            (r#"{"a":"{{secret:K}}""#, &[]),
            ("{{secret:K}}", &[]),
        ] {
            let spots = in_json(body.as_bytes()).unwrap();
            assert_eq!(
                spots.iter().map(|spot| spot.pointer.as_str()).collect::<Vec<_>>(),
                pointers,
                "{body}"
            );
            for spot in spots {
                assert_eq!(&body[spot.range], "\"{{secret:K}}\"", "{body}");
            }
        }
    }

    #[test]
    fn a_secret_too_deep_is_refused_and_depth_alone_is_not() {
        let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(100), "]".repeat(100));
        assert!(in_json(nested("\"{{secret:K}}\"").as_bytes()).is_err());
        assert_eq!(in_json(format!("[{}, \"{{{{secret:K}}}}\"]", nested("1")).as_bytes()).unwrap().len(), 1);
    }
}
