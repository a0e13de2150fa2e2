//! The types of the contract, `molecule:agent@0.1.0`, as the rest of the host uses them.

pub use crate::bindings::molecule::agent::log::Level;
pub use crate::bindings::molecule::agent::peers::{CallOptions, Peer, Reply};
pub use crate::bindings::molecule::agent::types::{
    Artifact, Asks, Backoff, Caller, Card, Content, Denial, Error, Failure, File, FileSource, Identity,
    Message, OnDeath, Outcome, Part, PartContent, PeerRef, RemoteError, Sender, Sent, Skill, Start,
    StartReason, StopReason, Task, TaskState,
};

/// Bytes of what a list of parts holds, as the gate counts them.
pub fn bytes_of(parts: &[Part]) -> usize {
    parts
        .iter()
        .map(|part| {
            let content = match &part.content {
                PartContent::Text(text) => text.len(),
                PartContent::Data(json) => json.len(),
                PartContent::File(file) => match &file.source {
                    FileSource::Uri(uri) => uri.len(),
                    FileSource::Bytes(bytes) => bytes.len(),
                },
            };
            content + part.metadata.as_ref().map_or(0, String::len)
        })
        .sum()
}
