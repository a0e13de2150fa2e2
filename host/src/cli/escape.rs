//! Text of others, made fit for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text, with everything that a terminal would obey written out: `\u{1b}` instead of an escape.
///
/// Agents, peers and platforms choose this text; it must not move the operator's cursor, colour his screen, or turn
/// round the direction of what follows. Line ends and tabs stay.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_obeyed(character) {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// The text on one line, escaped, of at most `longest` characters and an ellipsis.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = match line.char_indices().nth(longest) {
        Some((end, _)) => Cow::Owned(format!("{}…", line.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(line.as_str()),
    };
    escape(&cut).into_owned()
}

/// JSON, with those characters escaped that JSON itself lets through and a terminal may obey. It reads back the same.
pub(crate) fn escape_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_obeyed) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match is_obeyed(character) {
            // All of them lie in the basic plane, so that one unit says it. Writing to a string does not fail.
            true => drop(write!(escaped, "\\u{:04x}", u32::from(character))),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Control characters but for line end and tab; line separators that are none; and marks that change the direction of
/// writing.
fn is_obeyed(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, expected) in [
            ("grüße, 世界 👍\n\tand more", "grüße, 世界 👍\n\tand more"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
            ("over\rwritten", r"over\rwritten"),
            ("one \u{9b}31m byte", r"one \u{9b}31m byte"),
            ("\0\u{8}\u{7f}", r"\u{0}\u{8}\u{7f}"),
            ("\u{202e}txt.exe\u{2066}", r"\u{202e}txt.exe\u{2066}"),
            ("a\u{2028}b", r"a\u{2028}b"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn one_line_is_one_line_and_short() {
        assert_eq!(one_line(" a\n\n b\tc ", 10), "a b c");
        assert_eq!(one_line("äöüß", 3), "äöü…");
        assert_eq!(one_line("a\u{1b}b", 3), r"a\u{1b}b");
    }

    #[test]
    fn json_reads_back_the_same() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\n\"é";
        let json = serde_json::to_string(text).unwrap();
        let escaped = escape_json(&json);
        assert!(!escaped.chars().any(|it| it.is_control() || it == '\u{202e}'), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
    }
}
