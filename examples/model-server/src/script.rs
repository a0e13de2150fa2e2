//! What the model says to what it is told: rules instead of a model.

use serde_json::{Value, json};

/// What the model does next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Move {
    /// It says this.
    Say(String),
    /// It calls this tool with these arguments.
    Call(&'static str, Value),
}

/// The next move in a conversation, given as the `messages` and the `tools` of a request.
pub(crate) fn next(messages: &[Value], tools: &[Value]) -> Move {
    let last = messages.last();
    let text = last.map(content).unwrap_or_default();
    match last.and_then(role) {
        Some("tool") => Move::Say(sum_up(messages)),
        _ => call(text, tools).unwrap_or_else(|| Move::Say(small_talk(text, messages))),
    }
}

fn role(message: &Value) -> Option<&str> {
    message.get("role")?.as_str()
}

fn content(message: &Value) -> &str {
    message.get("content").and_then(Value::as_str).unwrap_or_default()
}

/// The results of the tools that were called last.
fn sum_up(messages: &[Value]) -> String {
    let results = messages.iter().rev().take_while(|message| role(message) == Some("tool")).map(content);
    let mut results: Vec<&str> = results.collect();
    results.reverse();
    match results.as_slice() {
        [one] => format!("Done. {one}"),
        several => format!("Done. {}", several.join(" ")),
    }
}

/// The tool that a text asks for, where there is one of that name.
fn call(text: &str, tools: &[Value]) -> Option<Move> {
    let (name, arguments) = match split(text) {
        (word, rest) if word.eq_ignore_ascii_case("ask") => {
            let (peer, question) = split(rest);
            let peer = peer.trim_end_matches([':', ',']);
            if question.is_empty() {
                return None;
            }
            ("ask_peer", json!({ "peer": peer, "question": question }))
        }
        (word, rest) if word.eq_ignore_ascii_case("remind") => {
            let (after_seconds, what) = reminder(rest)?;
            ("remind", json!({ "after_seconds": after_seconds, "what": what }))
        }
        (word, rest) if word.eq_ignore_ascii_case("remember") => {
            let what = after_word("that", rest).unwrap_or(rest).trim_end_matches('.');
            ("remember", json!({ "what": what }))
        }
        (word, about) if word.eq_ignore_ascii_case("forget") => ("forget", json!({ "about": about })),
        (word, _) if word.eq_ignore_ascii_case("what") => ("know", json!({ "about": about(text)? })),
        (word, _) if word.eq_ignore_ascii_case("status") => ("status", json!({})),
        _ => return None,
    };
    let is_offered =
        tools.iter().any(|tool| tool.pointer("/function/name").and_then(Value::as_str) == Some(name));
    is_offered.then_some(Move::Call(name, arguments))
}

/// `me in 10 minutes to stretch`
fn reminder(text: &str) -> Option<(u64, &str)> {
    let rest = after_word("me", text)?;
    let rest = after_word("in", rest)?;
    let (number, rest) = split(rest);
    let (unit, rest) = split(rest);
    let what = after_word("to", rest)?.trim_end_matches('.');
    let number: u64 = if matches!(number, "a" | "an" | "one") { 1 } else { number.parse().ok()? };
    let seconds = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        _ => return None,
    };
    (!what.is_empty()).then_some((number.saturating_mul(seconds), what))
}

/// `what do you know about tea?`
fn about(text: &str) -> Option<&str> {
    let words = ["what", "do", "you", "know", "about"];
    words.iter().try_fold(text.trim_end_matches(['?', '.']), |rest, word| after_word(word, rest))
}

fn small_talk(text: &str, messages: &[Value]) -> String {
    let before = messages.iter().rev().skip(1).find(|message| role(message) == Some("user")).map(content);
    match text.trim_end_matches(['?', '!', '.']).to_lowercase().as_str() {
        "" | "hi" | "hello" | "help" => {
            "Hello! I am a few rules in the place of a language model. Try: remind me in 1 minute to stretch; \
             remember that the door code is 4711; what do you know about the door; ask bob how far are you; what did I say?"
                .to_owned()
        }
        "what did i say" => match before {
            Some(before) => format!("You said: {before}"),
            None => "Nothing yet.".to_owned(),
        },
        _ => format!("You say: {text}. A language model would know what to answer."),
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

    fn tools() -> Vec<Value> {
        ["ask_peer", "remind", "remember", "know", "forget", "status"]
            .map(|name| json!({ "function": { "name": name } }))
            .into()
    }

    fn user(text: &str) -> Value {
        json!({ "role": "user", "content": text })
    }

    #[test]
    fn tools_are_called_where_the_text_asks_for_it_and_they_are_offered() {
        for (text, name, arguments) in [
            ("ask bob: ready?", "ask_peer", json!({ "peer": "bob", "question": "ready?" })),
            ("Remind me in 1 minute to stretch", "remind", json!({ "after_seconds": 60, "what": "stretch" })),
            ("remind me in an hour to drink.", "remind", json!({ "after_seconds": 3600, "what": "drink" })),
            ("remember that tea is hot.", "remember", json!({ "what": "tea is hot" })),
            ("What do you know about tea?", "know", json!({ "about": "tea" })),
            ("forget tea", "forget", json!({ "about": "tea" })),
            ("status", "status", json!({})),
        ] {
            assert_eq!(next(&[user(text)], &tools()), Move::Call(name, arguments), "{text}");
            assert!(matches!(next(&[user(text)], &[]), Move::Say(_)), "{text}");
        }
        for text in ["ask bob", "remind me to stretch", "remind me in two days to stretch"] {
            assert!(matches!(next(&[user(text)], &tools()), Move::Say(_)), "{text}");
        }
    }

    #[test]
    fn what_came_of_the_tools_is_summed_up() {
        let result = |text: &str| json!({ "role": "tool", "content": text });
        let said = next(&[user("both"), result("old"), user("x"), result("one."), result("two.")], &tools());
        assert_eq!(said, Move::Say("Done. one. two.".into()));
    }

    #[test]
    fn it_remembers_what_the_request_tells_it() {
        let said = next(&[user("I am Ada"), json!({ "role": "assistant" }), user("What did I say?")], &[]);
        assert_eq!(said, Move::Say("You said: I am Ada".into()));
    }
}
