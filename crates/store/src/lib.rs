//! One durable SQLite writer, and the state of a workspace on it.

#[cfg(feature = "contract")]
pub mod contract;
mod database;
mod error;
mod memory_state;
mod sqlite_state;
pub mod state;

pub use rusqlite;

pub use crate::database::{Database, Options, Schema};
pub use crate::error::StoreError;
pub use crate::memory_state::MemoryState;
pub use crate::sqlite_state::SqliteState;
