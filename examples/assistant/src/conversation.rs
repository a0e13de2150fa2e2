//! What was said, by conversation: in memory, and in a file where the operator grants storage.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Conversations that are kept; the one that was silent longest is forgotten first.
const CONVERSATIONS: usize = 64;
/// Turns of each.
const TURNS: usize = 40;
/// Bytes of each turn.
const BYTES: usize = 4 * 1024;
/// Bytes of all turns of a conversation.
const ALL_BYTES: usize = 16 * 1024;
/// The file, in the folder of the agent.
const FILE: &str = "conversations.json";

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Speaker {
    They,
    I,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    pub speaker: Speaker,
    pub text: String,
}

/// All conversations, the latest last.
#[derive(Default)]
pub struct Conversations {
    all: VecDeque<(String, VecDeque<Turn>)>,
    file: Option<PathBuf>,
}

impl Conversations {
    /// Those that were kept in a folder. They are kept there from now on, also where they could not be read.
    pub fn open(folder: &Path) -> (Self, io::Result<()>) {
        let file = folder.join(FILE);
        let (all, read) = match fs::read(&file) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(all) => (all, Ok(())),
                Err(error) => (VecDeque::new(), Err(error.into())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (VecDeque::new(), Ok(())),
            Err(error) => (VecDeque::new(), Err(error)),
        };
        (Self { all, file: Some(file) }, read)
    }

    /// What was said in a conversation, in order.
    pub fn of(&self, conversation: &str) -> impl Iterator<Item = &Turn> {
        self.all.iter().filter(move |(id, _)| id == conversation).flat_map(|(_, turns)| turns)
    }

    /// Keeps what was said.
    pub fn add(&mut self, conversation: &str, speaker: Speaker, text: &str) {
        let known = self.all.iter().position(|(id, _)| id == conversation).and_then(|at| self.all.remove(at));
        let (id, mut turns) = known.unwrap_or_else(|| (conversation.to_owned(), VecDeque::new()));
        turns.push_back(Turn { speaker, text: cut(text, BYTES) });
        let bytes = |turns: &VecDeque<Turn>| turns.iter().map(|turn| turn.text.len()).sum::<usize>();
        while turns.len() > TURNS || bytes(&turns) > ALL_BYTES {
            turns.pop_front();
        }
        self.all.push_back((id, turns));
        if self.all.len() > CONVERSATIONS {
            self.all.pop_front();
        }
    }

    /// Writes all of it, where there is a file. A crash meanwhile leaves what was there before.
    pub fn save(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let new = file.with_extension("new");
        fs::write(&new, serde_json::to_vec(&self.all)?)?;
        fs::rename(new, file)
    }
}

/// A text of so many bytes at most, and a mark where it was longer.
pub fn cut(text: &str, bytes: usize) -> String {
    match text.len() > bytes {
        true => format!("{}…", &text[..text.floor_char_boundary(bytes)]),
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
        assert_eq!(conversations.all.len(), CONVERSATIONS);
        assert_eq!(conversations.of("9").count(), 0);
        let kept: Vec<_> = conversations.of("10").map(|turn| turn.text.as_str()).collect();
        assert_eq!((kept.len(), kept[0]), (TURNS, "10"));

        for _ in 0..10 {
            conversations.add("long", Speaker::They, &"ü".repeat(BYTES));
        }
        let lengths: Vec<_> = conversations.of("long").map(|turn| turn.text.len()).collect();
        assert_eq!(lengths, [BYTES + "…".len(); 3]);
    }

    #[test]
    fn what_was_said_is_there_again_and_a_file_that_is_broken_is_not_in_the_way() {
        let folder = std::env::temp_dir().join(format!("assistant-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (mut conversations, read) = Conversations::open(&folder);
        read.unwrap();
        conversations.add("a", Speaker::They, "my sister is called Ada");
        conversations.save().unwrap();
        let (again, read) = Conversations::open(&folder);
        read.unwrap();
        assert_eq!(again.of("a").next().unwrap().text, "my sister is called Ada");
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(files, [FILE], "what was written beside it has taken its place");

        fs::write(folder.join(FILE), "[half").unwrap();
        let (mut broken, read) = Conversations::open(&folder);
        assert!(read.is_err() && broken.of("a").next().is_none());
        broken.add("a", Speaker::They, "hello");
        broken.save().unwrap();
        assert!(Conversations::open(&folder).1.is_ok());
        fs::remove_dir_all(&folder).unwrap();
    }
}
