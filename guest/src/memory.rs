//! What the platform keeps for this workspace: [values](self#values) by key, [memories](self#memories) that are searched,
//! and [checkpoints](self#checkpoints) of work that takes long.
//!
//! The operator allows it: `--allow-memory local` for what this workspace alone sees, `team` or `global` for memories that
//! others see as well. Every function fails with [`Error::Denied`](crate::Error::Denied) where that is missing. What
//! others have written is not to be trusted.
//!
//! # Values
//!
//! A value is any JSON, and has a version that grows with every change: who sets it [over the version](Set::if_version) it
//! has read overwrites nobody else's change, and gets an [`Error::Conflict`](crate::Error::Conflict) instead.
//!
//! ```
//! use molecule_guest::{Error, Result, memory};
//! use std::time::Duration;
//!
//! async fn greet(name: &str) -> Result<String> {
//!     let first = memory::set("greeted", format!("{name:?}")).if_absent().ttl(Duration::from_secs(3600)).await;
//!     match first {
//!         Ok(_) => Ok(format!("Good day, {name}.")),
//!         Err(Error::Conflict(_)) => Ok("We have met within the hour.".into()),
//!         Err(other) => Err(other.into()),
//!     }
//! }
//! ```
//!
//! With the feature `json`, `set_json`, `get_json` and `Entry::parse` take and give types of serde, and `update` reads,
//! changes and sets a value until nobody was faster.
//!
//! # Memories
//!
//! ```
//! use molecule_guest::{Result, memory};
//!
//! async fn remember(fact: &str) -> Result<()> {
//!     memory::commit(fact).namespace("people").await?;
//!     Ok(())
//! }
//!
//! async fn recall(about: &str) -> Result<Vec<String>> {
//!     let found = memory::search(about).namespace("people").limit(5).await?;
//!     Ok(found.into_iter().map(|memory| memory.content).collect())
//! }
//! ```
//!
//! # Checkpoints
//!
//! A checkpoint says how far a piece of work has come, so that an agent that is started again goes on from there:
//!
//! ```
//! use molecule_guest::{Result, memory};
//!
//! async fn pack(orders: &[&str]) -> Result<()> {
//!     let done = memory::checkpoints("pack").await?.last().map_or(0, |last| last.index + 1);
//!     for (index, order) in (0..).zip(orders).skip(done as usize) {
//!         // ... packs it ...
//!         memory::save_checkpoint("pack", *order, index).await?;
//!     }
//!     memory::clear_checkpoints("pack").await?;
//!     Ok(())
//! }
//! ```

mod checkpoints;
mod memories;
mod values;

pub use checkpoints::{
    Checkpoint, SaveCheckpoint, checkpoints, clear_checkpoints, latest_checkpoint, save_checkpoint,
};
pub use memories::{Commit, Memory, Scope, Search, commit, forget, latest, search};
pub use values::{Entry, Set, delete, get, list, set};
#[cfg(feature = "json")]
pub use values::{get_json, set_json, update};
