//! Bodies that come in: of a response, and of a file.

use crate::Error;
use crate::imports::http as host;

/// What is still to be read. Dropping it gives that up.
#[derive(Debug)]
pub(crate) struct Incoming(host::Body);

impl Incoming {
    pub(crate) fn new(body: host::Body) -> Self {
        Self(body)
    }

    /// The next piece, in the sizes in which it comes; none at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.0.read().await
    }

    /// The rest of it, of so many bytes at most.
    pub(crate) async fn bytes(mut self, most: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if bytes.len().saturating_add(chunk.len()) > most {
                return Err(Error::TooLarge(format!("there are more than {most} bytes to read")));
            }
            bytes.extend(chunk);
        }
        Ok(bytes)
    }
}

/// Bytes that are text.
pub(crate) fn text(bytes: Vec<u8>, what: &str) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| Error::Invalid(format!("{what} is not text: {error}")))
}
