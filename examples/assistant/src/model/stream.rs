//! An answer that comes in pieces.

use super::wire::{Call, CallDelta, Choice, Chunk, ToolCall};
use super::{Answer, Trouble};

/// Bytes of an answer, its calls included.
const MOST_BYTES: usize = 64 * 1024;
/// Calls of an answer.
const MOST_CALLS: usize = 16;

/// What has come of an answer.
#[derive(Debug, Default)]
pub struct Assembly {
    text: String,
    /// By the number that the pieces carry, in the order in which they began.
    calls: Vec<(usize, String, Call)>,
    finished: Option<String>,
}

impl Assembly {
    /// Adds the data of an event.
    pub fn add(&mut self, data: &str) -> Result<(), Trouble> {
        let chunk: Chunk =
            serde_json::from_str(data).map_err(|error| Trouble::Nonsense(error.to_string()))?;
        if let Some(error) = chunk.error {
            return Err(Trouble::Said(error.message));
        }
        // There is one, unless more are asked for. The last chunk of some servers has none.
        let Some(Choice { delta, finish_reason }) = chunk.choices.into_iter().next() else { return Ok(()) };
        for text in [delta.content, delta.refusal].into_iter().flatten() {
            self.text.push_str(&text);
        }
        for piece in delta.tool_calls.into_iter().flatten() {
            self.add_to_call(piece)?;
        }
        self.finished = finish_reason.or(self.finished.take());
        let held: usize = self.calls.iter().map(|(_, _, call)| call.name.len() + call.arguments.len()).sum();
        if self.text.len() + held > MOST_BYTES {
            return Err(Trouble::TooLong);
        }
        Ok(())
    }

    fn add_to_call(&mut self, piece: CallDelta) -> Result<(), Trouble> {
        let CallDelta { index, id, function } = piece;
        let id = id.filter(|id| !id.is_empty());
        let index = index.unwrap_or(match id {
            Some(_) => self.calls.len(),
            None => self.calls.len().saturating_sub(1),
        });
        let at = match self.calls.iter().position(|(known, ..)| *known == index) {
            Some(at) => at,
            None if self.calls.len() == MOST_CALLS => return Err(Trouble::TooLong),
            None => {
                self.calls.push((index, String::new(), Call::default()));
                self.calls.len() - 1
            }
        };
        let (_, known_id, call) = &mut self.calls[at];
        if let Some(id) = id {
            *known_id = id;
        }
        call.name.push_str(&function.name.unwrap_or_default());
        call.arguments.push_str(&function.arguments.unwrap_or_default());
        Ok(())
    }

    /// The whole answer. It is whole where the server said how it ended: a connection that is cut ends as well.
    pub fn end(mut self) -> Result<Answer, Trouble> {
        match self.finished.as_deref() {
            None => return Err(Trouble::Cut),
            Some("length") => self.text.push_str("… (The model stopped here, at the most that it may say.)"),
            Some("content_filter") => self.text.push_str("… (The model's server kept back the rest.)"),
            Some(_) => {}
        }
        let calls = self.calls.into_iter().enumerate().map(|(at, (_, id, call))| {
            // What came of it is told under this id; a server that gives none does not care which.
            let id = if id.is_empty() { format!("call-{at}") } else { id };
            ToolCall::new(id, call)
        });
        Ok(Answer { text: self.text, calls: calls.collect() })
    }
}
