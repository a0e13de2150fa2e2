//! What was said before.

use std::pin::Pin;

pub use crate::bindings::molecule::agent::messages::Direction;
use crate::content::text_of;
use crate::imports::messages as host;
use crate::{Content, Error, Part, Sender};

/// What was said, oldest first, as far as the platform's log of this workspace has it (a week). What was sent to a peer
/// stands in the log of that peer and not here.
///
/// It is asked for when this is awaited; before that it can be narrowed.
///
/// ```
/// # use molecule_guest::{Result, messages};
/// async fn last_words_of(peer: &str) -> Result<Option<String>> {
///     let said = messages::history().with_peer(peer).limit(20).await?;
///     Ok(said.last().map(|entry| entry.text()))
/// }
/// ```
pub fn history() -> History {
    History(host::HistoryQuery { correspondent: None, before: None, limit: None })
}

/// A [look](history()) at what was said that has not been taken yet. Awaiting it takes it.
///
/// # Errors
///
/// Awaiting fails where the platform cannot be reached or refuses, and with [`Error::NotFound`] where there is no such
/// peer.
#[derive(Debug)]
#[must_use = "the platform is asked when this is awaited"]
pub struct History(host::HistoryQuery);

impl History {
    /// With the user only.
    pub fn with_user(mut self) -> Self {
        self.0.correspondent = Some(host::Correspondent::User);
        self
    }

    /// With this peer only, by id or by name.
    pub fn with_peer(mut self, peer: impl Into<String>) -> Self {
        self.0.correspondent = Some(host::Correspondent::Peer(peer.into()));
        self
    }

    /// Older than this only, RFC 3339: the [time](Entry::at) of the oldest entry of a page gives the page before it.
    pub fn before(mut self, time: impl Into<String>) -> Self {
        self.0.before = Some(time.into());
        self
    }

    /// So many rows of the platform's log at most, 1 to 500; 50 where not said. A row with an answer is two entries.
    pub fn limit(mut self, rows: u32) -> Self {
        self.0.limit = Some(rows);
        self
    }
}

impl IntoFuture for History {
    type Output = Result<Vec<Entry>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(host::history(self.0))
    }
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The platform's id for it; an answer has that of its question.
    pub id: String,
    /// When, RFC 3339.
    pub at: Option<String>,
    /// Which way.
    pub direction: Direction,
    /// Who the other side is.
    pub other: Sender,
    /// What was said.
    pub parts: Vec<Part>,
}

impl Entry {
    /// Something that was said, without a time, for tests.
    pub fn new(
        id: impl Into<String>,
        direction: Direction,
        other: Sender,
        content: impl Into<Content>,
    ) -> Self {
        Self { id: id.into(), at: None, direction, other, parts: content.into().parts }
    }

    /// Its text parts, joined by newlines; empty where there are none.
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }
}
