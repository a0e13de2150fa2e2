//! Messages beside the answer: to the user, about how it goes, files that came along, and what was said before.
//!
//! ```
//! use molecule_guest::{Message, Outcome, Result, messages};
//!
//! async fn on_message(message: Message) -> Result<Outcome> {
//!     let mut words = 0;
//!     for file in message.files() {
//!         messages::progress(format!("Reading {}.", file.label())).await?;
//!         words += file.read_text().await?.split_whitespace().count();
//!     }
//!     Ok(format!("{words} words").into())
//! }
//! ```
//!
//! None of it needs a grant.

mod attachment;
mod history;
mod progress;

pub use attachment::{Attachment, open};
pub use history::{Direction, Entry, History, history};
pub use progress::{Chunk, Update, is_canceled, progress};

use crate::imports::messages as host;
use crate::{Content, Error};

/// Writes to the user now, whoever wrote the message in hand. Text parts become the text; a file goes by its URI, or as
/// its bytes, which the host uploads (25 MiB at most).
///
/// ```
/// # use molecule_guest::{Content, Part, Result, messages};
/// # async fn work() -> Result<()> {
/// messages::notify("Half of it is done.").await?;
/// let table = Part::file_bytes("a,b\n1,2\n").name("half.csv").media_type("text/csv");
/// messages::notify(Content::from("The numbers so far:").part(table)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The content is empty ([`Error::Invalid`]), a file is too long ([`Error::TooLarge`]), or the platform did not take it.
pub async fn notify(content: impl Into<Content>) -> Result<(), Error> {
    host::notify(content.into()).await
}
