//! The types of the contract, `molecule:agent@0.1.0`, as the rest of the host uses them.

pub use crate::bindings::molecule::agent::log::Level;
pub use crate::bindings::molecule::agent::peers::{CallOptions, Peer, Reply};
pub use crate::bindings::molecule::agent::types::{
    Artifact, Asks, Backoff, Caller, Card, Content, Denial, Error, Failure, File, FileSource, Identity,
    Message, OnDeath, Outcome, Part, PartContent, PeerRef, RemoteError, Sender, Sent, Skill, Start,
    StartReason, StopReason, Task, TaskState,
};

pub use crate::bindings::molecule::agent::workspace::WorkspaceState;

/// Of the interface `messages`.
pub mod messages {
    pub use crate::bindings::molecule::agent::messages::{
        Attachment, Chunk, Correspondent, Direction, Entry, HistoryQuery, Update,
    };
}

/// Of the interface `peers`, as far as it is about delegations and places.
pub mod peers {
    pub use crate::bindings::molecule::agent::peers::{
        DelegateOptions, Delegated, DelegationStatus, Location,
    };
}

/// Of the interface `memory`.
pub mod memory {
    pub use crate::bindings::molecule::agent::memory::{
        Checkpoint, Entry, Memory, Scope, SearchQuery, SetOptions,
    };
}

/// Of the interface `approvals`.
pub mod approvals {
    pub use crate::bindings::molecule::agent::approvals::{Approval, Decision, Request};
}

/// Of the interface `plugins`.
pub mod plugins {
    pub use crate::bindings::molecule::agent::plugins::{
        InstallOptions, Installed, Plugin, Setup, SetupOutcome, Skill,
    };
}

/// Bytes of what a list of parts holds, as the gate counts them: all that an agent can fill as it likes.
pub fn bytes_of(parts: &[Part]) -> usize {
    parts
        .iter()
        .map(|part| {
            let content = match &part.content {
                PartContent::Text(text) => text.len(),
                PartContent::Data(json) => json.len(),
                PartContent::File(file) => bytes_of_file(file),
            };
            content + length(&part.metadata)
        })
        .sum()
}

/// Bytes of a content, its metadata included.
pub fn bytes_of_content(content: &Content) -> usize {
    bytes_of(&content.parts) + length(&content.metadata)
}

/// Of these, the bytes of files that are there as bytes.
pub fn bytes_of_files(parts: &[Part]) -> usize {
    let of = |part: &Part| match &part.content {
        PartContent::File(File { source: FileSource::Bytes(bytes), .. }) => bytes.len(),
        _ => 0,
    };
    parts.iter().map(of).sum()
}

/// Bytes of what is told while a message is worked on.
pub fn bytes_of_update(update: &messages::Update) -> usize {
    match update {
        messages::Update::Status(content) => bytes_of_content(content),
        messages::Update::Artifact(messages::Chunk { artifact, .. }) => {
            let texts = [&artifact.name, &artifact.description, &artifact.metadata];
            let words: usize = texts.into_iter().map(length).sum();
            artifact.id.len() + words + bytes_of(&artifact.parts)
        }
    }
}

/// Bytes of what a card says of its agent; what it asks for is not said to anybody.
pub fn bytes_of_card(card: &Card) -> usize {
    let skills = card.skills.iter().map(|skill| {
        let tags: usize = skill.tags.iter().map(String::len).sum();
        skill.id.len() + skill.name.len() + skill.description.len() + tags
    });
    card.name.len() + card.description.len() + card.version.len() + skills.sum::<usize>()
}

fn bytes_of_file(file: &File) -> usize {
    let source = match &file.source {
        FileSource::Uri(uri) => uri.len(),
        FileSource::Bytes(bytes) => bytes.len(),
    };
    source + length(&file.name) + length(&file.media_type)
}

fn length(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

/// An error of the contract, for a person.
pub fn words(error: &Error) -> String {
    match error {
        Error::Denied(denial) => match &denial.grant {
            Some(grant) => format!("{} (the operator can allow it with {grant})", denial.message),
            None => denial.message.clone(),
        },
        Error::Unauthorized(words)
        | Error::NotFound(words)
        | Error::Forbidden(words)
        | Error::Conflict(words)
        | Error::Invalid(words)
        | Error::TooLarge(words) => words.clone(),
        Error::RateLimited(backoff) => backoff.message.clone(),
        Error::Unavailable(failure) | Error::Timeout(failure) => failure.message.clone(),
        Error::Canceled(_) => "it was canceled".to_owned(),
        Error::Remote(error) => error.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_an_agent_can_fill_counts() {
        let text = |bytes: usize| "x".repeat(bytes);
        let file = |source| File { name: Some(text(10)), media_type: Some(text(100)), source };
        let parts = [
            PartContent::Text(text(1)),
            PartContent::Data(text(1)),
            PartContent::File(file(FileSource::Uri(text(1)))),
            PartContent::File(file(FileSource::Bytes(vec![0]))),
        ]
        .map(|content| Part { content, metadata: Some(text(1000)) });
        assert_eq!(
            parts.each_ref().map(|part| bytes_of(std::slice::from_ref(part))),
            [1001, 1001, 1111, 1111]
        );
        let content = Content { parts: parts.to_vec(), metadata: Some(text(10_000)) };
        assert_eq!(bytes_of_content(&content), 14_224);
    }
}
