//! JSON that is passed through as it came.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The members of a JSON object. Of two members of one name the last counts.
pub type Object = BTreeMap<String, Json>;

/// A JSON value as the text it came in: numbers keep every digit, members their order.
///
/// Equality is that of the texts: `1` and `1.0` differ, and so do `{"a":1}` and `{ "a": 1 }`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Checks that `text` is one JSON value.
    ///
    /// # Errors
    /// Where `text` is not JSON.
    pub fn from_text(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).map(Self)
    }

    /// The object that a body holds, if it holds one; see [`repair`].
    pub fn object_in(body: &[u8]) -> Option<Self> {
        Self::from_text(repair(body).as_ref()).ok().filter(|value| value.as_object().is_some())
    }

    /// The value that `value` serialises to.
    ///
    /// # Errors
    /// What `value` says; a map whose keys are not texts, for one. None from text, numbers, lists and derived types.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// The value as a type.
    ///
    /// # Errors
    /// Where it is not of that type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.get())
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }

    /// The text, if the value is one.
    pub fn as_text(&self) -> Option<String> {
        self.parse().ok()
    }

    /// The members, if the value is an object.
    pub fn as_object(&self) -> Option<Object> {
        self.parse().ok()
    }

    /// The elements, if the value is a list.
    pub fn as_list(&self) -> Option<Vec<Json>> {
        self.parse().ok()
    }

    /// What stands at the end of a path of members, if every step is there. `null` counts as absent.
    pub fn at(&self, path: &[&str]) -> Option<Json> {
        let value = match path.split_first() {
            None => self.clone(),
            Some((first, rest)) => self.as_object()?.get(*first)?.at(rest)?,
        };
        (!value.is_null()).then_some(value)
    }

    /// True if the value is an object with a member of that name that is `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.at(&[name]).is_some_and(|it| it.get() == "true")
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::from(&serde_json::Value::from(text))
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        // A `Value` prints as JSON whatever it holds.
        Self::from_text(value.to_string()).unwrap_or_else(|_| Self::null())
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self::from(&value)
    }
}

impl From<&Object> for Json {
    fn from(object: &Object) -> Self {
        // Its names are texts and its values JSON: it serialises.
        Self::of(object).unwrap_or_else(|_| Self::null())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

/// The elements of a list that `read` makes something of; `null` is an empty list. `None` where the body is no list.
pub(crate) fn read_list<T>(body: &[u8], read: impl Fn(&Json) -> Option<T>) -> Option<Vec<T>> {
    let value = Json::from_text(repair(body).as_ref()).ok()?;
    let list = if value.is_null() { Vec::new() } else { value.as_list()? };
    Some(list.iter().filter_map(read).collect())
}

/// For `#[serde(deserialize_with)]`: the platform reads `null` as the zero of a member.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A body that came over the wire, made safe to parse: invalid UTF-8 and the escapes of unpaired surrogates, which
/// JSON may carry and no Rust text can hold, become U+FFFD. What is fine already is not copied.
pub fn repair(body: &[u8]) -> Cow<'_, str> {
    let text = match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(body),
    };
    // A byte order mark is not JSON, but some proxies write one.
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
        Cow::Owned(text) => Cow::Owned(text.trim_start_matches('\u{feff}').to_owned()),
    };
    if text.contains("\\ud") || text.contains("\\uD") { Cow::Owned(pair_surrogates(&text)) } else { text }
}

/// Replaces each `\uD800`..`\uDFFF` that has no partner. In JSON a backslash stands only inside a text, so the
/// texts need not be told from the rest.
fn pair_surrogates(text: &str) -> String {
    let mut repaired = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let taken = match surrogate(escape) {
            Some(0xD800..=0xDBFF) if matches!(escape.get(6..).and_then(surrogate), Some(0xDC00..=0xDFFF)) => {
                repaired.push_str(escape.get(..12).unwrap_or_default());
                12
            }
            Some(_) => {
                repaired.push_str("\\ufffd");
                6
            }
            // Any other escape: the backslash and what it escapes, so that `\\ud800` stays two characters and a word.
            None => {
                let escaped = escape.chars().take(2).map(char::len_utf8).sum();
                repaired.push_str(escape.get(..escaped).unwrap_or_default());
                escaped
            }
        };
        rest = escape.get(taken..).unwrap_or_default();
    }
    repaired.push_str(rest);
    repaired
}

/// The surrogate that `escape` begins with, if it begins with one.
fn surrogate(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        let text = r#"{"b":12345678901234567890123,"a":1.0,"c":1E+100}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
        assert_eq!(json.at(&["b"]).unwrap().get(), "12345678901234567890123");
        assert_eq!(
            Json::from(&json.as_object().unwrap()).get(),
            r#"{"a":1.0,"b":12345678901234567890123,"c":1E+100}"#
        );
    }

    #[test]
    fn a_path_ends_where_a_step_is_absent_or_null() {
        let json = Json::from_text(r#"{"params":{"message":{"role":"user"}},"id":null}"#).unwrap();
        assert_eq!(json.at(&["params", "message", "role"]).unwrap().as_text().unwrap(), "user");
        for path in [&["id"][..], &["params", "x"], &["params", "message", "role", "deeper"]] {
            assert_eq!(json.at(path), None, "{path:?}");
        }
        let json = Json::object_in(br#"{"on":true,"off":false,"word":"true","nothing":null}"#).unwrap();
        let set = ["on", "off", "word", "nothing", "absent"].map(|name| json.flag(name));
        assert_eq!(set, [true, false, false, false, false]);
        assert_eq!((Json::object_in(b"[true]"), Json::object_in(b"{")), (None, None));
    }

    #[test]
    fn an_unpaired_surrogate_costs_itself_only() {
        for (came, read) in [
            (r#""\ud83d\ude80""#, "\u{1f680}"),
            (r#""\uD83D""#, "\u{fffd}"),
            (r#""a\ud83db""#, "a\u{fffd}b"),
            (r#""\ude80\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude80""#, "\u{fffd}\u{1f680}"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\n\u0041\ud83d\"é""#, "\nA\u{fffd}\"é"),
        ] {
            assert_eq!(serde_json::from_str::<String>(&repair(came.as_bytes())).unwrap(), read, "{came}");
        }
        assert_eq!(repair(b"\xef\xbb\xbf[\"\xff\"]"), "[\"\u{fffd}\"]");
        assert!(matches!(repair(b"[1]"), Cow::Borrowed("[1]")));
    }
}
