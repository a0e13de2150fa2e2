//! Messages beside the answer.

use crate::imports::messages as host;
use crate::{Content, Error};

/// Writes to the user now, whoever wrote the message in hand. Text parts become the text; a file part needs a URI.
///
/// ```
/// # use molecule_guest::{Result, messages};
/// # async fn work() -> Result<()> {
/// messages::notify("Half of it is done.").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The content is empty or holds a file's bytes ([`Error::Invalid`]), or the platform did not take it.
pub async fn notify(content: impl Into<Content>) -> Result<(), Error> {
    host::notify(content.into()).await
}
