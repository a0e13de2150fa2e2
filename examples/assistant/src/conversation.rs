//! What was said, by conversation.

use std::collections::VecDeque;

/// Conversations that are kept; the one that was silent longest is forgotten first.
const CONVERSATIONS: usize = 64;
/// Turns of each.
const TURNS: usize = 20;
/// Bytes of each turn.
const BYTES: usize = 500;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speaker {
    They,
    I,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub speaker: Speaker,
    pub text: String,
}

/// All conversations, the latest last.
#[derive(Default)]
pub struct Conversations(VecDeque<(String, VecDeque<Turn>)>);

impl Conversations {
    /// What was said in a conversation, in order.
    pub fn of(&self, conversation: &str) -> impl Iterator<Item = &Turn> {
        self.0.iter().filter(move |(id, _)| id == conversation).flat_map(|(_, turns)| turns)
    }

    /// Keeps what was said.
    pub fn add(&mut self, conversation: &str, speaker: Speaker, text: &str) {
        let known = self.0.iter().position(|(id, _)| id == conversation).and_then(|at| self.0.remove(at));
        let (id, mut turns) = known.unwrap_or_else(|| (conversation.to_owned(), VecDeque::new()));
        turns.push_back(Turn { speaker, text: cut(text) });
        if turns.len() > TURNS {
            turns.pop_front();
        }
        self.0.push_back((id, turns));
        if self.0.len() > CONVERSATIONS {
            self.0.pop_front();
        }
    }
}

fn cut(text: &str) -> String {
    match text.len() > BYTES {
        true => format!("{}…", &text[..text.floor_char_boundary(BYTES)]),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_conversation_has_its_own_turns() {
        let mut conversations = Conversations::default();
        conversations.add("a", Speaker::They, "hello");
        conversations.add("b", Speaker::They, "good day");
        conversations.add("a", Speaker::I, "hello yourself");
        let texts = |id: &str| conversations.of(id).map(|turn| turn.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts("a"), ["hello", "hello yourself"]);
        assert_eq!(texts("b"), ["good day"]);
        assert!(texts("c").is_empty());
    }

    #[test]
    fn turns_conversations_and_texts_are_bounded() {
        let mut conversations = Conversations::default();
        for id in 0..CONVERSATIONS + 10 {
            for turn in 0..TURNS + 10 {
                conversations.add(&id.to_string(), Speaker::They, &turn.to_string());
            }
        }
        assert_eq!(conversations.0.len(), CONVERSATIONS);
        assert_eq!(conversations.of("9").count(), 0);
        let kept: Vec<_> = conversations.of("10").map(|turn| turn.text.as_str()).collect();
        assert_eq!((kept.len(), kept[0]), (TURNS, "10"));

        conversations.add("long", Speaker::They, &"ü".repeat(BYTES));
        assert_eq!(conversations.of("long").next().unwrap().text.len(), BYTES + "…".len());
    }
}
