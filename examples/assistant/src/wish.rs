//! What somebody wants: as a language model says it by calling a tool, or read from a sentence where there is no model.

use std::time::Duration;

/// What the assistant understands.
pub const HELP: &str = "\
You can say:
- ask bob how far are you: I ask the sibling bob and tell you what it says.
- remind me in 10 minutes to stretch: I write to you when it is time.
- remember that the door code is 4711; what do you know about the door; forget the door: I keep it for you, also when I
  am started again.
- recall: I tell what we have said in this conversation.
- status: I tell what I am working on.
Anything else I keep in mind, for recall. A text file that comes along I read.
I understand no more than that: no language model is set up for me. Whoever runs me gives me one with --config model-url=URL, \
or with the secret OPENAI_API_KEY.";

const HOW_TO_ASK: &str = "Whom shall I ask what? Say it like: ask bob how far are you";
const HOW_TO_NOTE: &str = "What? Say it like: remember that the door code is 4711";
const HOW_TO_REMIND: &str = "When, and of what? Say it like: remind me in 10 minutes to stretch";

/// What somebody wants.
#[derive(Debug, PartialEq)]
pub enum Wish<'t> {
    Ask {
        peer: &'t str,
        question: &'t str,
    },
    Remind {
        after: Duration,
        what: &'t str,
    },
    /// Something to be known from now on.
    Note(&'t str),
    /// What is known about this; everything where it is empty.
    Know(&'t str),
    /// What is known about this is not to be known any more.
    Forget(&'t str),
    Recall,
    Status,
    Help,
    /// Something that is worth remembering, and nothing to do.
    Remember,
    /// Half a wish; the question that is left.
    Unclear(&'static str),
}

impl<'t> Wish<'t> {
    /// Reads a text.
    pub fn read(text: &'t str) -> Self {
        let text = text.trim();
        match text.trim_end_matches(['?', '!', '.']).to_lowercase().as_str() {
            "" | "help" | "hi" | "hello" => return Self::Help,
            "recall" | "what did i say" | "what did we say" => return Self::Recall,
            "status" | "how far are you" | "what are you working on" => return Self::Status,
            _ => {}
        }
        match split(text) {
            (word, rest) if word.eq_ignore_ascii_case("ask") => match split(rest) {
                (peer, question) if !question.is_empty() => {
                    Self::Ask { peer: peer.trim_end_matches([':', ',']), question }
                }
                _ => Self::Unclear(HOW_TO_ASK),
            },
            (word, rest) if word.eq_ignore_ascii_case("remind") => {
                Self::reminder(rest).unwrap_or(Self::Unclear(HOW_TO_REMIND))
            }
            (word, rest) if word.eq_ignore_ascii_case("remember") => {
                match after_word("that", rest).unwrap_or(rest).trim_end_matches('.') {
                    "" => Self::Unclear(HOW_TO_NOTE),
                    fact => Self::Note(fact),
                }
            }
            (word, about) if word.eq_ignore_ascii_case("forget") && !about.is_empty() => Self::Forget(about),
            _ => Self::known_about(text).map_or(Self::Remember, Self::Know),
        }
    }

    /// `what do you know about the door?`
    fn known_about(text: &'t str) -> Option<&'t str> {
        let words = ["what", "do", "you", "know"];
        let rest =
            words.iter().try_fold(text.trim_end_matches(['?', '.']), |rest, word| after_word(word, rest))?;
        if rest.is_empty() { Some(rest) } else { after_word("about", rest) }
    }

    /// `me in 10 minutes to stretch`
    fn reminder(text: &'t str) -> Option<Self> {
        let rest = after_word("me", text)?;
        let rest = after_word("in", rest)?;
        let (number, rest) = split(rest);
        let (unit, rest) = split(rest);
        let what = after_word("to", rest).or_else(|| after_word("of", rest))?;
        let number: u64 = match number {
            "a" | "an" | "one" => 1,
            digits => digits.parse().ok()?,
        };
        let seconds = match unit.trim_end_matches('s') {
            "second" => 1,
            "minute" => 60,
            "hour" => 3600,
            "day" => 24 * 3600,
            _ => return None,
        };
        let what = what.trim_end_matches('.');
        let after = Duration::from_secs(number.saturating_mul(seconds));
        (!what.is_empty()).then_some(Self::Remind { after, what })
    }
}

/// The first word, and the rest without the blanks around it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn after_word<'t>(word: &str, text: &'t str) -> Option<&'t str> {
    let (first, rest) = split(text);
    first.eq_ignore_ascii_case(word).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_from_sentences() {
        let remind = |seconds, what| Wish::Remind { after: Duration::from_secs(seconds), what };
        for (text, wish) in [
            ("", Wish::Help),
            ("Help!", Wish::Help),
            ("ask bob how far are you?", Wish::Ask { peer: "bob", question: "how far are you?" }),
            ("Ask bob: ready?", Wish::Ask { peer: "bob", question: "ready?" }),
            ("ask bob", Wish::Unclear(HOW_TO_ASK)),
            ("ask", Wish::Unclear(HOW_TO_ASK)),
            ("remind me in 10 minutes to stretch", remind(600, "stretch")),
            ("Remind me in an hour to call Ada.", remind(3600, "call Ada")),
            ("remind me in 0 seconds to breathe", remind(0, "breathe")),
            ("remind me in 99999999999999999999 days to wait", Wish::Unclear(HOW_TO_REMIND)),
            ("remind me in 9999999999999999999 days to wait", remind(u64::MAX, "wait")),
            ("remind me to stretch", Wish::Unclear(HOW_TO_REMIND)),
            ("remind me in ten minutes to stretch", Wish::Unclear(HOW_TO_REMIND)),
            ("remind me in 10 minutes to", Wish::Unclear(HOW_TO_REMIND)),
            ("What did I say?", Wish::Recall),
            ("recall", Wish::Recall),
            ("remember that the code is 4711.", Wish::Note("the code is 4711")),
            ("Remember Ada's birthday", Wish::Note("Ada's birthday")),
            ("remember that", Wish::Unclear(HOW_TO_NOTE)),
            ("What do you know about the code?", Wish::Know("the code")),
            ("what do you know?", Wish::Know("")),
            ("what do you know of him", Wish::Remember),
            ("forget the code", Wish::Forget("the code")),
            ("forget", Wish::Remember),
            ("How far are you?", Wish::Status),
            ("my sister is called Ada", Wish::Remember),
            ("asking is free", Wish::Remember),
        ] {
            assert_eq!(Wish::read(text), wish, "{text:?}");
        }
    }
}
