//! What an agent told while it worked and what it gave back at the end, folded into one message: whoever waits for an
//! answer gets all of it at once.

use molecule_runtime::wit::messages::{Chunk, Update};
use molecule_runtime::wit::{self, Artifact, Outcome, Part, PartContent, TaskState};

/// The parts of the answer to a message; `None` if there is none.
pub(super) fn parts(told: Vec<Update>, outcome: Outcome) -> Option<Vec<Part>> {
    let (before, last) = match outcome {
        Outcome::Nothing => (progress(told, &[]), Vec::new()),
        Outcome::Message(content) => (progress(told, &[]), content.parts),
        Outcome::Task(wit::Task { state, message, artifacts }) => {
            let before = progress(told, &artifacts);
            let mut parts = message.map(|content| content.parts).unwrap_or_default();
            parts.extend(artifacts.into_iter().flat_map(|artifact| artifact.parts));
            if !says_something(&parts) {
                parts.push(text(in_words(state)));
            }
            (before, parts)
        }
    };
    let parts = [before, last].concat();
    says_something(&parts).then_some(parts)
}

/// The same where the handler returned an error.
pub(super) fn with_error(told: Vec<Update>, error: &wit::Error) -> Vec<Part> {
    let mut parts = progress(told, &[]);
    parts.push(text(&format!("That did not work: {}", wit::words(error))));
    parts
}

/// What was told, in order; an artifact stands where it was first told of, unless it comes whole at the end.
fn progress(told: Vec<Update>, whole: &[Artifact]) -> Vec<Part> {
    enum Told {
        Status(Vec<Part>),
        Artifact(String, Vec<Part>),
    }
    let mut pieces: Vec<Told> = Vec::new();
    for update in told {
        match update {
            Update::Status(content) => pieces.push(Told::Status(content.parts)),
            Update::Artifact(Chunk { artifact: Artifact { id, parts, .. }, append, .. }) => {
                let known = pieces.iter_mut().find_map(|piece| match piece {
                    Told::Artifact(known, parts) if *known == id => Some(parts),
                    _ => None,
                });
                match known {
                    Some(known) if append => known.extend(parts),
                    Some(known) => *known = parts,
                    None => pieces.push(Told::Artifact(id, parts)),
                }
            }
        }
    }
    let parts = pieces.into_iter().flat_map(|piece| match piece {
        Told::Status(parts) => parts,
        Told::Artifact(id, _) if whole.iter().any(|artifact| artifact.id == id) => Vec::new(),
        Told::Artifact(_, parts) => parts,
    });
    parts.collect()
}

fn says_something(parts: &[Part]) -> bool {
    parts.iter().any(|part| match &part.content {
        PartContent::Text(text) => !text.trim().is_empty(),
        PartContent::Data(_) | PartContent::File(_) => true,
    })
}

fn in_words(state: TaskState) -> &'static str {
    match state {
        TaskState::Completed => "Done.",
        TaskState::Failed => "The task failed.",
        TaskState::Rejected => "The task was not taken on.",
        TaskState::Canceled => "The task was canceled.",
        TaskState::InputRequired => "More input is needed.",
        TaskState::AuthRequired => "An authorization is needed.",
    }
}

fn text(text: &str) -> Part {
    Part { content: PartContent::Text(text.to_owned()), metadata: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(texts: &[&str]) -> wit::Content {
        wit::Content { parts: texts.iter().map(|it| text(it)).collect(), metadata: None }
    }

    fn artifact(id: &str, texts: &[&str]) -> Artifact {
        let parts = content(texts).parts;
        Artifact { id: id.to_owned(), name: None, description: None, parts, metadata: None }
    }

    fn chunk(id: &str, texts: &[&str], append: bool) -> Update {
        Update::Artifact(Chunk { artifact: artifact(id, texts), append, last: false })
    }

    fn task(state: TaskState, message: Option<wit::Content>, artifacts: Vec<Artifact>) -> Outcome {
        Outcome::Task(wit::Task { state, message, artifacts })
    }

    fn folded(told: Vec<Update>, outcome: Outcome) -> Option<String> {
        let texts = parts(told, outcome)?.into_iter().map(|part| match part.content {
            PartContent::Text(text) => text,
            other => panic!("{other:?}"),
        });
        Some(texts.collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn an_outcome_is_folded_into_its_parts() {
        for (outcome, expected) in [
            (Outcome::Nothing, None),
            (Outcome::Message(content(&["a", "b"])), Some("a|b")),
            (Outcome::Message(content(&[" "])), None),
            (Outcome::Message(content(&[])), None),
            (task(TaskState::Completed, Some(content(&["m"])), vec![artifact("1", &["a"])]), Some("m|a")),
            (task(TaskState::Failed, None, vec![]), Some("The task failed.")),
            (task(TaskState::InputRequired, Some(content(&["which one?"])), vec![]), Some("which one?")),
        ] {
            assert_eq!(folded(vec![], outcome.clone()).as_deref(), expected, "{outcome:?}");
        }
    }

    #[test]
    fn what_was_told_stands_first_and_an_artifact_once() {
        let status = |text: &str| Update::Status(content(&[text]));
        for (told, outcome, expected) in [
            (vec![status("one"), status("two")], Outcome::Nothing, "one|two"),
            (vec![status("one")], Outcome::Message(content(&["done"])), "one|done"),
            (
                vec![chunk("a", &["1"], false), status("s"), chunk("a", &["2"], true)],
                Outcome::Nothing,
                "1|2|s",
            ),
            (vec![chunk("a", &["1"], false), chunk("a", &["2"], false)], Outcome::Nothing, "2"),
            (
                vec![chunk("a", &["half"], false), chunk("b", &["b"], false)],
                task(TaskState::Completed, None, vec![artifact("a", &["whole"])]),
                "b|whole",
            ),
            (vec![status("s")], task(TaskState::Completed, None, vec![]), "s|Done."),
        ] {
            assert_eq!(folded(told, outcome).as_deref(), Some(expected));
        }
        let parts = with_error(vec![status("s")], &wit::Error::Invalid("no".into()));
        assert_eq!(parts, [text("s"), text("That did not work: no")]);
    }
}
