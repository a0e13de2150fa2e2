//! Files that came with a message.

use crate::http::incoming::{self, Incoming};
use crate::imports::messages as host;
use crate::{Error, File, FileSource};

/// The longest file that [`File::read`] reads: what a platform takes as an upload, 25 MiB.
const MOST: usize = 25 * 1024 * 1024;

/// Opens a file that came with a message, by the URI that stands there. [`File::read`] is shorter where the whole of it is
/// wanted.
///
/// ```
/// # use molecule_guest::{Result, messages};
/// async fn lines(uri: &str) -> Result<usize> {
///     let mut file = messages::open(uri).await?;
///     let mut lines = 0;
///     while let Some(piece) = file.chunk().await? {
///         lines += piece.iter().filter(|byte| **byte == b'\n').count();
///     }
///     Ok(lines)
/// }
/// ```
///
/// # Errors
///
/// [`Error::NotFound`] where no file of this URI has come, or the platform does not have it any more; [`Error::Invalid`]
/// where the URI is that of a server of the web, which is for [`http`](crate::http).
pub async fn open(uri: impl Into<String>) -> Result<Attachment, Error> {
    let (facts, body) = host::open(uri.into()).await?;
    let size = facts.size.map(|size| size as u64);
    Ok(Attachment { name: facts.name, media_type: facts.media_type, size, body: Incoming::new(body) })
}

/// A file that is open, of which the bytes are still to be read. Dropping it gives up what was not read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attachment {
    /// Its name, without a folder.
    pub name: Option<String>,
    /// Its media type, such as `image/png`.
    pub media_type: Option<String>,
    /// Its bytes, where that is known before they are read.
    pub size: Option<u64>,
    body: Incoming,
}

impl Attachment {
    /// The next piece, in the sizes in which it comes; none at its end.
    ///
    /// # Errors
    ///
    /// It breaks off, takes too long, or is longer than the operator allows.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.body.chunk().await
    }

    /// The rest of it, of so many bytes at most.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk), and [`Error::TooLarge`] where there are more.
    pub async fn bytes(self, most: usize) -> Result<Vec<u8>, Error> {
        self.body.bytes(most).await
    }

    /// The rest of it as text, of so many bytes at most.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes), and [`Error::Invalid`] where it is not UTF-8.
    pub async fn text(self, most: usize) -> Result<String, Error> {
        incoming::text(self.bytes(most).await?, "the file")
    }
}

impl File {
    /// Its bytes: those that came with it, or those behind its URI, 25 MiB at most.
    ///
    /// ```
    /// # use molecule_guest::{Message, Result};
    /// # async fn example(message: Message) -> Result<()> {
    /// for file in message.files() {
    ///     let bytes = file.read().await?;
    ///     println!("{}: {} bytes", file.label(), bytes.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`messages::open`](open) and [`Attachment::bytes`].
    pub async fn read(&self) -> Result<Vec<u8>, Error> {
        match &self.source {
            FileSource::Bytes(bytes) => Ok(bytes.clone()),
            FileSource::Uri(uri) => open(uri).await?.bytes(MOST).await,
        }
    }

    /// Its bytes as text.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and [`Error::Invalid`] where it is not UTF-8.
    pub async fn read_text(&self) -> Result<String, Error> {
        incoming::text(self.read().await?, self.label())
    }
}
