//! Acts on messages.

use molecule_gate::{Act, Effect};

use crate::wit::messages::{HistoryQuery, Update};
use crate::wit::{Content, bytes_of_content, bytes_of_files, bytes_of_update};

/// Writes to the user. Files that it holds as bytes are uploaded, each by an [`Attach`] of its own.
#[derive(Debug)]
pub struct Notify {
    /// What to write.
    pub content: Content,
}

impl Act for Notify {
    fn effect(&self) -> Effect<'_> {
        Effect::Notify { bytes: bytes_of_content(&self.content) - bytes_of_files(&self.content.parts) }
    }
}

/// Uploads a file for the user.
#[derive(Debug)]
pub struct Attach {
    /// Its name, without a folder.
    pub name: String,
    /// Its media type.
    pub media_type: Option<String>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Act for Attach {
    fn effect(&self) -> Effect<'_> {
        Effect::Attach { bytes: self.bytes.len() }
    }
}

/// Opens a file that came with a message.
#[derive(Debug)]
pub struct OpenFile {
    /// Its address, as it stands in the message.
    pub uri: String,
}

impl Act for OpenFile {
    fn effect(&self) -> Effect<'_> {
        Effect::OpenFile { uri: &self.uri }
    }
}

/// Reads what was said.
#[derive(Debug)]
pub struct ReadHistory {
    /// Which part of it. A peer stands there by its id.
    pub query: HistoryQuery,
}

impl Act for ReadHistory {
    fn effect(&self) -> Effect<'_> {
        Effect::History
    }
}

/// Tells the sender of a message how it goes.
#[derive(Debug)]
pub struct Progress {
    /// What is told.
    pub update: Update,
}

impl Act for Progress {
    fn effect(&self) -> Effect<'_> {
        Effect::Progress { bytes: bytes_of_update(&self.update) }
    }
}
