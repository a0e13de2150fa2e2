//! What happens while a message is worked on.

use crate::imports::messages as host;
use crate::{Artifact, Content, Error};

/// Tells the sender of the message in hand how it goes: a text is what the agent is doing, an [`Artifact`] or a [`Chunk`]
/// of one what it has made.
///
/// Who follows sees it at once; who waits for the answer finds it at the beginning of that, in the order in which it was
/// told. Nothing is kept of a handler that dies.
///
/// ```
/// # use molecule_guest::{Artifact, Result, messages};
/// # async fn work() -> Result<()> {
/// messages::progress("Looking it up.").await?;
/// messages::progress(Artifact::new("sources", "three books and a letter")).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] where it holds nothing, or outside a message; [`Error::TooLarge`] where more was told than fits into
/// an answer.
pub async fn progress(update: impl Into<Update>) -> Result<(), Error> {
    host::progress(update.into()).await
}

/// Whether the sender has canceled the message in hand. What is waited for in its name ends with [`Error::Canceled`], too;
/// this is for a long computation, between two of its steps.
pub fn is_canceled() -> bool {
    host::is_canceled()
}

/// What happens while a message is worked on.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// What the agent is doing.
    Status(Content),
    /// What it has made.
    Artifact(Chunk),
}

impl Update {
    /// The text of it; empty where there is none.
    pub fn text(&self) -> String {
        match self {
            Self::Status(content) => content.text(),
            Self::Artifact(chunk) => crate::content::text_of(&chunk.artifact.parts),
        }
    }
}

impl From<&str> for Update {
    fn from(text: &str) -> Self {
        Self::Status(text.into())
    }
}

impl From<String> for Update {
    fn from(text: String) -> Self {
        Self::Status(text.into())
    }
}

impl From<Content> for Update {
    fn from(content: Content) -> Self {
        Self::Status(content)
    }
}

impl From<Artifact> for Update {
    fn from(artifact: Artifact) -> Self {
        Self::Artifact(Chunk::whole(artifact))
    }
}

impl From<Chunk> for Update {
    fn from(chunk: Chunk) -> Self {
        Self::Artifact(chunk)
    }
}

/// A piece of an artifact. All pieces of one have its id.
///
/// ```
/// # use molecule_guest::{Artifact, Result, messages};
/// use molecule_guest::messages::Chunk;
///
/// async fn tell(chapters: Vec<String>) -> Result<()> {
///     let count = chapters.len();
///     for (number, chapter) in chapters.into_iter().enumerate() {
///         let piece = Artifact::new("story", chapter).name("The story");
///         messages::progress(match number {
///             0 => Chunk::first(piece),
///             last if last + 1 == count => Chunk::last(piece),
///             _ => Chunk::next(piece),
///         })
///         .await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Chunk {
    /// The artifact.
    pub artifact: Artifact,
    /// Its parts go behind those of the pieces before, instead of in their place.
    pub append: bool,
    /// It is complete with this one.
    pub last: bool,
}

impl Chunk {
    /// The whole of it.
    pub fn whole(artifact: Artifact) -> Self {
        Self { artifact, append: false, last: true }
    }

    /// The first piece of several.
    pub fn first(artifact: Artifact) -> Self {
        Self { artifact, append: false, last: false }
    }

    /// A piece behind others.
    pub fn next(artifact: Artifact) -> Self {
        Self { artifact, append: true, last: false }
    }

    /// The last piece.
    pub fn last(artifact: Artifact) -> Self {
        Self { artifact, append: true, last: true }
    }
}
