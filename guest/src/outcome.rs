//! What comes of a message.

pub use crate::bindings::molecule::agent::types::TaskState;
use crate::{Content, Part};

/// What came of a [`Message`](crate::Message): nothing, an answer, or an answer that has a state.
///
/// Text and content convert, so that a handler ends with `Ok("done".into())`:
///
/// ```
/// use molecule_guest::{Artifact, Outcome, Part, Task};
///
/// let answer = Outcome::from("the answer is 42");
/// let silence = Outcome::Nothing;
/// let question = Outcome::input_required("Which of the two accounts?");
/// let report = Outcome::from(
///     Task::completed("Here is the report.")
///         .artifact(Artifact::new("report", Part::file_bytes(b"a,b\n1,2\n".as_slice()).name("report.csv"))),
/// );
/// assert_eq!(report.text(), "Here is the report.");
/// ```
///
/// An `Err` is an answer, too: the sender is told that the message failed, and why.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// No answer.
    Nothing,
    /// An answer.
    Message(Content),
    /// An answer that has a state.
    Task(Task),
}

impl Outcome {
    /// The work is done.
    pub fn completed(message: impl Into<Content>) -> Self {
        Task::completed(message).into()
    }

    /// The work was given up; the message says why.
    pub fn failed(message: impl Into<Content>) -> Self {
        Task::new(TaskState::Failed).message(message).into()
    }

    /// The work was not taken on; the message says why.
    pub fn rejected(message: impl Into<Content>) -> Self {
        Task::new(TaskState::Rejected).message(message).into()
    }

    /// The work was stopped because somebody asked for it.
    pub fn canceled(message: impl Into<Content>) -> Self {
        Task::new(TaskState::Canceled).message(message).into()
    }

    /// The sender must say more before the work can go on; the message is the question. The answer comes as a
    /// message whose [`task_id`](crate::Message::task_id) says what it continues.
    pub fn input_required(message: impl Into<Content>) -> Self {
        Task::new(TaskState::InputRequired).message(message).into()
    }

    /// The sender must authorize something before the work can go on; the message says what.
    pub fn auth_required(message: impl Into<Content>) -> Self {
        Task::new(TaskState::AuthRequired).message(message).into()
    }

    /// The text of its message; empty where there is none.
    pub fn text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Message(content) => content.text(),
            Self::Task(task) => task.message.as_ref().map(Content::text).unwrap_or_default(),
        }
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Nothing
    }
}

impl From<&str> for Outcome {
    fn from(text: &str) -> Self {
        Self::Message(text.into())
    }
}

impl From<String> for Outcome {
    fn from(text: String) -> Self {
        Self::Message(text.into())
    }
}

impl From<Part> for Outcome {
    fn from(part: Part) -> Self {
        Self::Message(part.into())
    }
}

impl From<Content> for Outcome {
    fn from(content: Content) -> Self {
        Self::Message(content)
    }
}

impl From<Task> for Outcome {
    fn from(task: Task) -> Self {
        Self::Task(task)
    }
}

/// Work that has ended, or that waits.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Where it stands.
    pub state: TaskState,
    /// What to tell the sender.
    pub message: Option<Content>,
    /// What was made.
    pub artifacts: Vec<Artifact>,
}

impl Task {
    /// A task in this state, without a message.
    pub fn new(state: TaskState) -> Self {
        Self { state, message: None, artifacts: Vec::new() }
    }

    /// A task that is done.
    pub fn completed(message: impl Into<Content>) -> Self {
        Self::new(TaskState::Completed).message(message)
    }

    /// What to tell the sender.
    #[must_use]
    pub fn message(mut self, message: impl Into<Content>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds something that was made.
    #[must_use]
    pub fn artifact(mut self, artifact: Artifact) -> Self {
        self.artifacts.push(artifact);
        self
    }
}

/// Something that was made: a document, a table, a picture.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Artifact {
    /// Unique within its task.
    pub id: String,
    /// A name to show.
    pub name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its content.
    pub parts: Vec<Part>,
    /// Facts about it, a JSON object.
    pub metadata: Option<String>,
}

impl Artifact {
    /// An artifact with this id, unique within its task.
    pub fn new(id: impl Into<String>, content: impl Into<Content>) -> Self {
        let Content { parts, metadata } = content.into();
        Self { id: id.into(), name: None, description: None, parts, metadata }
    }

    /// A name to show.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What it is.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds facts about it: the text of a JSON object.
    #[must_use]
    pub fn metadata(mut self, json: impl Into<String>) -> Self {
        self.metadata = Some(json.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_constructor_that_carries_its_message() {
        let cases = [
            (Outcome::completed("m"), TaskState::Completed),
            (Outcome::failed("m"), TaskState::Failed),
            (Outcome::rejected("m"), TaskState::Rejected),
            (Outcome::canceled("m"), TaskState::Canceled),
            (Outcome::input_required("m"), TaskState::InputRequired),
            (Outcome::auth_required("m"), TaskState::AuthRequired),
        ];
        for (outcome, state) in cases {
            assert_eq!(outcome, Outcome::Task(Task { state, message: Some("m".into()), artifacts: vec![] }));
        }
    }

    #[test]
    fn the_text_of_an_outcome_is_the_text_of_its_message() {
        let cases = [
            (Outcome::from(()), ""),
            (Outcome::from("a"), "a"),
            (Outcome::from(String::from("b")), "b"),
            (Outcome::from(Part::data("{}")), ""),
            (Outcome::from(Content::from("c").part("d")), "c\nd"),
            (Outcome::failed("e"), "e"),
            (
                Outcome::from(
                    Task::new(TaskState::Completed).artifact(Artifact::new("1", "not the message")),
                ),
                "",
            ),
        ];
        for (outcome, text) in cases {
            assert_eq!(outcome.text(), text, "{outcome:?}");
        }
    }
}
