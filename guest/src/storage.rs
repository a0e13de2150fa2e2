//! The folder that is the agent's own, and survives restarts.
//!
//! It is there where the operator grants it (`--allow-storage 64MiB`), at [`PATH`], and is used with [`std::fs`]:
//!
//! ```no_run
//! use std::fs;
//! use molecule_guest::{Result, storage};
//!
//! fn remember(note: &str) -> Result<()> {
//!     let file = format!("{}/notes.txt", storage::PATH);
//!     let notes = fs::read_to_string(&file).unwrap_or_default();
//!     // A crash between the two leaves the old notes, not half of the new ones.
//!     fs::write(format!("{file}.new"), notes + note + "\n")?;
//!     fs::rename(format!("{file}.new"), &file)?;
//!     Ok(())
//! }
//! ```
//!
//! Files are read and written at once, while the agent's other messages wait. What would go beyond the quota fails: with
//! `ENOSPC` where a file is made or resized, and with `EIO` where it is written, since the C library of this target knows
//! no other error there. The operator's log says how much would have been needed.

use crate::imports::storage as host;

/// Where the folder is.
pub const PATH: &str = "/data";

/// How much storage there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes in use, each file counted in blocks of 4 KiB.
    pub used: u64,
    /// Bytes that may be.
    pub quota: u64,
}

/// How much is in use; none where no storage is granted, or where that cannot be told.
pub async fn usage() -> Option<Usage> {
    let usage = host::measure().await?;
    Some(Usage { used: usage.used as u64, quota: usage.quota as u64 })
}
