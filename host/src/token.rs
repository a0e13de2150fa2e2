//! The workspace's bearer token: where it comes from, the file that keeps it, and the cell that requests read.
//!
//! A platform shows a token once and keeps only its hash, so losing it costs an operator's visit. Hence
//! [`TokenFile`] writes so that a crash leaves either the old token or the new one, and [`Credentials`] puts a token
//! that the platform has just issued on the disk before it does anything else with the answer.

mod credentials;
mod error;
mod file;
mod source;

pub use self::credentials::Credentials;
pub use self::error::TokenError;
pub use self::file::{LooseFile, TokenFile};
pub use self::source::{TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, TokenInputs, TokenSource};
