//! The types of the contract, `molecule:agent@0.1.0`, as the rest of the host uses them.

pub use crate::bindings::molecule::agent::log::Level;
pub use crate::bindings::molecule::agent::peers::{CallOptions, Peer, Reply};
pub use crate::bindings::molecule::agent::types::{
    Artifact, Asks, Backoff, Caller, Card, Content, Denial, Error, Failure, File, FileSource, Identity,
    Message, OnDeath, Outcome, Part, PartContent, PeerRef, RemoteError, Sender, Sent, Skill, Start,
    StartReason, StopReason, Task, TaskState,
};

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
