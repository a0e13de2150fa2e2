//! Plugins on disk. No wasm and no network here: an archive comes in as a reader, and what is done with it stays within
//! one folder.
//!
//! An install runs downhill: a reader of bytes -> [`archive`] (gzip, tar, the judgment) -> a staging folder of the
//! [`Shelf`] -> [`facts`] and [`manifest`] (what it says of itself, and whether that holds) -> the swap -> [`setup`] (its
//! script, in a cage).

pub mod archive;
mod digest;
pub mod facts;
pub mod manifest;
mod name;
mod read;
pub mod setup;
mod shelf;
pub mod skills;
mod yaml;

pub use digest::{Digest, InvalidDigest};
pub use name::{InvalidName, PluginName};
pub use shelf::{Installed, Pin, PluginLock, Record, Shelf, ShelfError, Staging, Swept};
