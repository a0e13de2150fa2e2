//! The forms in which a value may stand in a text.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

use super::redactor::SHORTEST;

/// The value as it is, percent-encoded, escaped for JSON and for HTML, and in base64 at each of its three alignments, without the
/// characters that depend on what stands beside it.
pub(super) fn forms(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![Zeroizing::new(value.to_vec())];
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    // Programs do not agree on what they encode, nor on the case of the digits.
    for plain in [b"".as_slice(), b"!'()*", b"!$&'()*+,;=:@/?"] {
        forms.push(percent(value, b"0123456789ABCDEF", |byte| unreserved(byte) || plain.contains(&byte)));
        forms.push(percent(value, b"0123456789abcdef", |byte| unreserved(byte) || plain.contains(&byte)));
    }
    if let Ok(text) = std::str::from_utf8(value)
        && let Ok(json) = serde_json::to_string(text)
    {
        let json = Zeroizing::new(json);
        let inner = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
        forms.push(Zeroizing::new(inner.as_bytes().to_vec()));
        forms.push(Zeroizing::new(inner.replace('/', "\\/").into_bytes()));
        // As Go, Gson and .NET write it into JSON, and as templates write it into HTML.
        for escapes in [&JSON_OF_GO[..], &JSON_OF_GSON, &JSON_OF_NET] {
            forms.push(escaped(inner, escapes));
        }
        for escapes in [&HTML[..], &HTML_OF_GO] {
            forms.push(escaped(text, escapes));
        }
    }
    for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(alphabet, NO_PAD);
        forms.extend((0..3).map(|before| base64(value, before, &engine)));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_by(|one, other| one.as_slice().cmp(other.as_slice()));
    forms.dedup();
    forms
}

type Escapes<'a> = &'a [(char, &'a str)];

const JSON_OF_GO: [(char, &str); 3] = [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")];
const JSON_OF_GSON: [(char, &str); 5] =
    [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('=', "\\u003d"), ('\'', "\\u0027")];
const JSON_OF_NET: [(char, &str); 5] =
    [('<', "\\u003C"), ('>', "\\u003E"), ('&', "\\u0026"), ('+', "\\u002B"), ('\'', "\\u0027")];
const HTML: [(char, &str); 5] =
    [('<', "&lt;"), ('>', "&gt;"), ('&', "&amp;"), ('"', "&quot;"), ('\'', "&#39;")];
const HTML_OF_GO: [(char, &str); 6] =
    [('<', "&lt;"), ('>', "&gt;"), ('&', "&amp;"), ('"', "&#34;"), ('\'', "&#39;"), ('+', "&#43;")];

fn escaped(text: &str, escapes: Escapes<'_>) -> Zeroizing<Vec<u8>> {
    // With room for all of it: a buffer that grows leaves copies behind.
    let mut form = Zeroizing::new(Vec::with_capacity(6 * text.len()));
    for character in text.chars() {
        match escapes.iter().find(|(escaped, _)| *escaped == character) {
            Some((_, escape)) => form.extend_from_slice(escape.as_bytes()),
            None => form.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    form
}

fn percent(value: &[u8], digits: &[u8; 16], plain: impl Fn(u8) -> bool) -> Zeroizing<Vec<u8>> {
    // With room for all of it: a buffer that grows leaves copies behind.
    let mut form = Zeroizing::new(Vec::with_capacity(3 * value.len()));
    for &byte in value {
        if plain(byte) {
            form.push(byte);
        } else {
            let digit = |half: u8| digits.get(usize::from(half)).copied().unwrap_or(b'0');
            form.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    form
}

/// The characters that stand for the value alone when `before` bytes of others go before it, modulo 3.
fn base64(value: &[u8], before: usize, engine: &GeneralPurpose) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(Vec::with_capacity(value.len() + 2));
    padded.extend(std::iter::repeat_n(0, before));
    padded.extend_from_slice(value);
    let encoded = Zeroizing::new(engine.encode(&padded));
    // A character holds six bits: those that hold bits of others are left out.
    let first = (8 * before).div_ceil(6);
    let last = (8 * padded.len()) / 6;
    Zeroizing::new(encoded.as_bytes().get(first..last).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    fn found(value: &str, text: &str) -> bool {
        forms(value.as_bytes()).iter().any(|form| {
            let form = std::str::from_utf8(form).unwrap();
            text.contains(form)
        })
    }

    #[test]
    fn a_value_is_found_in_each_form_and_at_each_alignment() {
        let value = "s3cr/t+\"va\\lue\" 12?>";
        for text in [
            format!("x{value}y"),
            "s3cr%2Ft%2B%22va%5Clue%22%2012%3F%3E".to_owned(),
            "s3cr%2ft%2b%22va%5clue%22%2012%3f%3e".to_owned(),
            serde_json::to_string(value).unwrap(),
            serde_json::to_string(value).unwrap().replace('/', "\\/"),
            r#"s3cr/t+\"va\\lue\" 12?\u003e"#.to_owned(),
            r#"s3cr/t\u002B\"va\\lue\" 12?\u003E"#.to_owned(),
            "s3cr/t+&quot;va\\lue&quot; 12?&gt;".to_owned(),
            "s3cr/t&#43;&#34;va\\lue&#34; 12?&gt;".to_owned(),
        ] {
            assert!(found(value, &text), "{text}");
        }
        assert!(found("key=and&more'", r#"key\u003dand\u0026more\u0027"#));
        for (before, after) in
            [("", ""), ("a", ""), ("ab", ""), ("abc", "d"), ("user:", ":x"), ("user1:", "xy")]
        {
            let whole = format!("{before}{value}{after}");
            assert!(found(value, &BASE64_STANDARD.encode(&whole)), "{whole}");
            assert!(found(value, &BASE64_URL_SAFE_NO_PAD.encode(&whole)), "{whole}");
        }
        assert!(!found(value, &BASE64_STANDARD.encode("something else altogether")));
    }
}
