//! Keeps the values of secrets out of what is logged, stored, shown, or handed back to the agent.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::forms::forms;

/// A value of fewer bytes is not looked for: it would be found everywhere.
pub const SHORTEST: usize = 6;

/// Bytes of patterns for which speed is worth memory.
const SMALL: usize = 32 * 1024;

/// Knows the values of secrets that are in use, and finds them in texts and bodies, whatever common form they take.
///
/// It keeps the values and their other forms in lists that are overwritten on drop; the searcher keeps them as states of an
/// automaton, which are not. Cheap to clone: clones know the same values.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    /// Of values that the agent must not see.
    hidden: Arc<Patterns>,
    /// Of these and of those that were revealed to it.
    all: Arc<Patterns>,
    seen: Vec<Entry>,
}

struct Entry {
    name: String,
    value: Zeroizing<Vec<u8>>,
    revealed: bool,
}

impl Redactor {
    /// From now on the value is looked for. One that was `revealed` to the agent is masked in what leaves the host, but
    /// not in what comes to the agent.
    pub fn learn(&self, name: &str, value: &str, revealed: bool) {
        if value.len() < SHORTEST {
            return;
        }
        let known = |known: &Known| {
            let same = |it: &&Entry| it.value.as_slice() == value.as_bytes();
            known.seen.iter().find(same).is_some_and(|it| it.revealed || !revealed)
        };
        if known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.seen.retain(|it| it.value.as_slice() != value.as_bytes());
        let value = Zeroizing::new(value.as_bytes().to_vec());
        all.seen.push(Entry { name: name.to_owned(), value, revealed });
        // Bodies are many bytes, and what we say is few: where they differ only one of them is made for speed.
        let differ = all.seen.iter().any(|it| it.revealed);
        all.all = Arc::new(Patterns::of(all.seen.iter(), !differ));
        all.hidden = match differ {
            true => Arc::new(Patterns::of(all.seen.iter().filter(|it| !it.revealed), true)),
            false => all.all.clone(),
        };
    }

    /// The text, with `[secret NAME]` in the place of each value.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let patterns = self.patterns(|known| &known.all);
        let found = patterns.find(text.as_bytes());
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut redacted, mut rest) = (String::with_capacity(text.len()), 0);
        for Found { range, name } in found {
            // A form of a text begins and ends at characters; where it does not, the whole character goes.
            let start = text.floor_char_boundary(range.start).max(rest);
            redacted.push_str(text.get(rest..start).unwrap_or_default());
            redacted.push_str("[secret ");
            redacted.push_str(patterns.names.get(name).map_or("?", String::as_str));
            redacted.push(']');
            rest = text.ceil_char_boundary(range.end);
        }
        redacted.push_str(text.get(rest..).unwrap_or_default());
        Cow::Owned(redacted)
    }

    /// The same for a text that one has.
    pub fn redact_owned(&self, text: String) -> String {
        match self.redact(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(redacted) => redacted,
        }
    }

    /// The same for a text in JSON, which stays JSON: a value that is a number takes the whole text with it.
    pub fn redact_json(&self, text: String) -> String {
        match self.redact(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(redacted) if serde_json::from_str::<serde::de::IgnoredAny>(&redacted).is_ok() => {
                redacted
            }
            Cow::Owned(_) => "\"[secret]\"".to_owned(),
        }
    }

    /// Masks what leaves the host and is no text, in place.
    pub(crate) fn mask_all(&self, bytes: &mut [u8]) -> bool {
        self.patterns(|known| &known.all).mask(bytes)
    }

    /// Masks a whole value on its way to the agent, such as that of a header, in place; true if there was something to
    /// mask.
    pub(crate) fn mask(&self, bytes: &mut [u8]) -> bool {
        self.patterns(|known| &known.hidden).mask(bytes)
    }

    /// Whether there is anything that the agent must not see.
    pub(crate) fn is_watchful(&self) -> bool {
        !self.patterns(|known| &known.hidden).list.is_empty()
    }

    /// What masks a body on its way to the agent, of the values that are known at each of its pieces.
    pub(crate) fn filter(&self) -> Filter {
        Filter { redactor: self.clone(), held: Vec::new(), masked: 0 }
    }

    fn patterns(&self, which: impl Fn(&Known) -> &Arc<Patterns>) -> Arc<Patterns> {
        which(&self.0.read().unwrap_or_else(PoisonError::into_inner)).clone()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

/// All forms of some values, and what finds them.
#[derive(Default)]
pub(super) struct Patterns {
    list: Vec<Pattern>,
    names: Vec<String>,
    searcher: Option<AhoCorasick>,
}

struct Pattern {
    bytes: Zeroizing<Vec<u8>>,
    /// Index into the names.
    name: usize,
}

/// A piece that belongs to a value; pieces do not overlap.
struct Found {
    range: Range<usize>,
    name: usize,
}

impl Patterns {
    fn of<'a>(entries: impl Iterator<Item = &'a Entry>, fast: bool) -> Self {
        let (mut list, mut names) = (Vec::new(), Vec::new());
        for (name, entry) in entries.enumerate() {
            names.push(entry.name.clone());
            list.extend(forms(&entry.value).into_iter().map(|bytes| Pattern { bytes, name }));
        }
        // The faster one takes some hundred bytes of memory for each byte of a pattern.
        let bytes: usize = list.iter().map(|pattern: &Pattern| pattern.bytes.len()).sum();
        let kind = if fast && bytes <= SMALL { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        // A prefilter would hold copies of the patterns that nobody overwrites.
        let searcher = AhoCorasick::builder()
            .prefilter(false)
            .kind(Some(kind))
            .build(list.iter().map(|pattern| pattern.bytes.as_slice()));
        // It fails only of patterns beyond 2 GB.
        Self { list, names, searcher: searcher.ok() }
    }

    fn mask(&self, bytes: &mut [u8]) -> bool {
        let found = self.find(bytes);
        for Found { range, .. } in &found {
            bytes.get_mut(range.clone()).unwrap_or_default().fill(b'*');
        }
        !found.is_empty()
    }

    /// All pieces, those that overlap put together.
    fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let Some(searcher) = &self.searcher else { return found };
        for matched in searcher.find_overlapping_iter(bytes) {
            let (mut start, end) = (matched.start(), matched.end());
            let name = self.list.get(matched.pattern().as_usize()).map_or(0, |pattern| pattern.name);
            // They come in the order of their ends.
            let mut first = name;
            while let Some(last) = found.pop_if(|last| last.range.end > start) {
                start = start.min(last.range.start);
                first = last.name;
            }
            found.push(Found { range: start..end, name: first });
        }
        found
    }

    /// Where the end of these bytes begins that may be the beginning of a value.
    fn doubtful(&self, bytes: &[u8]) -> usize {
        let longest = self.list.iter().map(|pattern| pattern.bytes.len()).max().unwrap_or(0);
        let from = bytes.len().saturating_sub(longest.saturating_sub(1));
        let may_begin = |at: &usize| {
            let end = bytes.get(*at..).unwrap_or_default();
            self.list.iter().any(|it| it.bytes.len() > end.len() && it.bytes.starts_with(end))
        };
        (from..bytes.len()).find(may_begin).unwrap_or(bytes.len())
    }
}

/// Masks values in a stream, across the edges of its pieces.
pub(crate) struct Filter {
    redactor: Redactor,
    /// Bytes held back, since a value may begin in them; the first `masked` of them belong to one for certain.
    held: Vec<u8>,
    masked: usize,
}

impl Filter {
    /// Takes the next piece and gives back what can go on.
    pub(crate) fn feed(&mut self, piece: Bytes) -> Bytes {
        // Of one moment: another value may be used between two pieces.
        let patterns = self.patterns();
        if patterns.list.is_empty() && self.held.is_empty() {
            return piece;
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(&piece);
        let keep = patterns.doubtful(&bytes);
        let held = bytes.get(keep..).unwrap_or_default().to_vec();
        let masked = self.mask(&patterns, &mut bytes);
        self.masked = masked.saturating_sub(keep);
        self.held = held;
        bytes.truncate(keep);
        bytes.into()
    }

    /// Gives back the rest, at the end.
    pub(crate) fn finish(&mut self) -> Bytes {
        let mut bytes = std::mem::take(&mut self.held);
        self.mask(&self.patterns(), &mut bytes);
        self.masked = 0;
        bytes.into()
    }

    fn patterns(&self) -> Arc<Patterns> {
        self.redactor.patterns(|known| &known.hidden)
    }

    /// Masks; returns where the last value ends.
    fn mask(&self, patterns: &Patterns, bytes: &mut [u8]) -> usize {
        // Before anything is masked: what belongs to one value may be the beginning of a longer one.
        let found = patterns.find(bytes);
        bytes.get_mut(..self.masked).unwrap_or_default().fill(b'*');
        let mut end = self.masked;
        for Found { range, .. } in found {
            end = end.max(range.end);
            bytes.get_mut(range).unwrap_or_default().fill(b'*');
        }
        end
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.held);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor(values: &[&str]) -> Redactor {
        let redactor = Redactor::default();
        for (index, value) in values.iter().enumerate() {
            redactor.learn(&format!("K{index}"), value, false);
        }
        redactor
    }

    /// What comes out of a filter that is fed these pieces.
    fn filtered<'a>(redactor: &Redactor, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut filter = redactor.filter();
        let feed = |piece| filter.feed(Bytes::copy_from_slice(piece));
        let mut out: Vec<u8> = pieces.into_iter().flat_map(feed).collect();
        out.extend(filter.finish());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn texts_lose_the_values_in_use_and_nothing_else() {
        let redactor = redactor(&["hunter22", "short", "hunter22-and-more", "a\"b\\c d"]);
        for (text, expected) in [
            ("nothing here", "nothing here"),
            ("short is too short", "short is too short"),
            ("key=hunter22!", "key=[secret K0]!"),
            ("hunter22hunter22", "[secret K0][secret K0]"),
            ("hunter22-and-more.", "[secret K2]."),
            ("ähunter22ä", "ä[secret K0]ä"),
            (r#"{"x":"a\"b\\c d"}"#, r#"{"x":"[secret K3]"}"#),
            ("?q=a%22b%5Cc%20d", "?q=[secret K3]"),
        ] {
            let redacted = redactor.redact(text);
            assert_eq!(
                redacted.replace("[secret K2]", "[secret K0]"),
                expected.replace("[secret K2]", "[secret K0]")
            );
        }
        let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, "user:hunter22");
        assert!(redactor.redact(&basic).contains("[secret K0]"));
    }

    #[test]
    fn json_stays_json() {
        let redactor = redactor(&["1234567", "hunter22"]);
        for (text, expected) in
            [(r#"{"k":"hunter22"}"#, r#"{"k":"[secret K1]"}"#), (r#"{"k":1234567}"#, "\"[secret]\"")]
        {
            assert_eq!(redactor.redact_json(text.to_owned()), expected);
        }
    }

    #[test]
    fn a_body_is_masked_across_its_pieces_and_keeps_its_length() {
        let redactor = redactor(&["hunter22"]);
        for pieces in [
            &["a hunter22 b"][..],
            &["a hun", "ter", "22 b"],
            &["a ", "h", "u", "n", "t", "e", "r", "2", "2", " b"],
        ] {
            assert_eq!(filtered(&redactor, pieces.iter().map(|piece| piece.as_bytes())), "a ******** b");
        }
    }

    #[test]
    fn a_value_that_another_one_begins_with_does_not_hide_it() {
        let redactor = redactor(&["hunter22", "hunter22-and-more"]);
        let pieces = ["a hunter22", "-and-more b hunter22", "-and"].map(str::as_bytes);
        assert_eq!(filtered(&redactor, pieces), "a ***************** b ********-and");
    }

    /// As large as a key in a file.
    #[test]
    fn a_long_value_is_found_too() {
        let value = (0..8_000).map(|index| char::from(b'a' + (index % 23) as u8)).collect::<String>();
        let redactor = redactor(&[&value]);
        assert_eq!(redactor.redact(&format!("<{value}>")), "<[secret K0]>");
    }

    #[test]
    fn nothing_is_held_back_but_what_may_begin_a_value() {
        let redactor = redactor(&["hunter22"]);
        let mut filter = redactor.filter();
        for (piece, goes_on) in
            [("data: yes\n\n", "data: yes\n\n"), ("the hunt", "the "), ("ing", "hunting"), ("hunter2", "")]
        {
            assert_eq!(filter.feed(piece.into()), goes_on);
        }
        assert_eq!(filter.finish(), "hunter2");
    }

    #[test]
    fn a_value_that_is_used_later_is_masked_in_a_body_that_is_open() {
        let redactor = Redactor::default();
        let mut filter = redactor.filter();
        assert_eq!(filter.feed("a hunter22 ".into()), "a hunter22 ", "nobody has used it yet");
        redactor.learn("K", "hunter22", false);
        assert_eq!(filter.feed("b hunter22 c hunt".into()), "b ******** c ");
        redactor.learn("L", "er-and-more", false);
        // Its last letter may be the beginning of another one.
        assert_eq!(filter.feed("er22 er-and-more".into()), "******** **********");
        assert_eq!(filter.finish(), "*");
    }

    #[test]
    fn a_value_that_was_revealed_is_masked_in_texts_and_not_on_its_way_to_the_agent() {
        let redactor = Redactor::default();
        redactor.learn("K", "hunter22", true);
        assert!(!redactor.is_watchful());
        assert_eq!(filtered(&redactor, [b"hunter22".as_slice()]), "hunter22");
        assert_eq!(redactor.redact("hunter22"), "[secret K]");
        redactor.learn("K", "hunter22", false);
        assert!(!redactor.is_watchful(), "the agent has it already");
    }

    proptest! {
        /// Values that are parts and beginnings of each other, in any pieces.
        #[test]
        fn pieces_make_no_difference(text in "[ab]{0,200}", cuts in prop::collection::vec(1usize..20, 1..40)) {
            let redactor = redactor(&["aaabbb", "aaabbbaaa", "bbbaab", "abababab"]);
            let mut pieces = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, more) = rest.split_at(rest.len().min(*cut));
                pieces.push(piece);
                rest = more;
            }
            let whole = filtered(&redactor, [text.as_bytes()]);
            prop_assert_eq!(whole.len(), text.len());
            prop_assert_eq!(&filtered(&redactor, pieces), &whole);
            prop_assert!(!whole.contains("aaabbb") && !whole.contains("bbbaab"));
        }
    }
}
