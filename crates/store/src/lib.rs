//! One durable SQLite writer, and the state of a workspace on it.
//!
//! Two things that are used apart or together:
//!
//! - [`Database`]: a SQLite file with one writer thread, which takes whatever waits into one transaction, and
//!   readers beside it. For any tables: the local platform keeps its own in one.
//! - [`State`](state::State): what a host must remember about a workspace so that no message is lost, handled
//!   for ever or answered twice, as a trait of small verbs. [`SqliteState`] keeps it in a [`Database`],
//!   [`MemoryState`] in memory, and the cargo feature `contract` brings the test that any other
//!   implementation has to pass.
//!
//! # What is promised
//!
//! When a write (or a verb) returns, it is on the disk: the log was synced after the commit that holds it,
//! and a kill or a loss of power does not take it back, as far as the disk keeps what it was told to sync.
//! Until then it happens whole or not at all. Many writes at once share one sync, so that durability costs a
//! busy host little: see `benches/store.rs`.
//!
//! Several processes may share a file. A write waits while another process writes; a workspace belongs to
//! whoever took its newest [lease](state::State::lease).
//!
//! A full disk is an error ([`StoreError::DiskFull`]) that changes nothing, and is over when there is room.
//!
//! # A message's way
//!
//! ```
//! use molecule_store::state::{Incoming, NewSend, Page, Row, RowKind, Settlement, State, StateError};
//! use molecule_store::{Options, SqliteState};
//!
//! # async fn live(folder: &std::path::Path) -> Result<(), StateError> {
//! let state = SqliteState::open(&folder.join("host.db"), Options::default())?;
//! let fence = state.lease("0f9d7a52-6a0e-4c0e-9d53-2f5f7c1b8a11").await?;
//!
//! // What came in is durable, and taken once, before it is handled.
//! let message = Incoming { sender: "user".into(), message_id: Some("m1".into()), body: "hello".into() };
//! let row = Row { id: "r1".into(), kind: RowKind::Message(message) };
//! let page = Page { rows: vec![row], cursor: Some("r1".into()), at: 1_760_000_000_000, ..Page::default() };
//! assert_eq!(state.accept(&fence, page.clone()).await?.messages, ["r1"]);
//! assert_eq!(state.accept(&fence, page).await?.duplicates, 1);
//!
//! // Its end and the answer are one step.
//! for message in state.claim(&fence, 1).await? {
//!     let answer = NewSend { id: "a1".into(), to: "user".into(), digest: None, body: "hello, you".into() };
//!     state.finish(&fence, message.key, Some(answer)).await?;
//! }
//!
//! // An answer is begun before it is sent, so that the next process knows which may have landed.
//! for unsettled in state.unsettled(&fence, 10).await? {
//!     state.begin(&fence, &unsettled.send.id, 1_760_000_030_000).await?;
//!     // ... sent ...
//!     state.settle(&fence, &unsettled.send.id, Settlement::Landed, 1_760_000_000_400).await?;
//! }
//! # Ok(())
//! # }
//! # let folder = tempfile::tempdir().expect("a folder");
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
//! # runtime.block_on(live(folder.path())).expect("the example runs");
//! ```

mod backup;
#[cfg(feature = "contract")]
pub mod contract;
mod database;
mod error;
mod memory_state;
mod sqlite_state;
pub mod state;

pub use rusqlite;

pub use crate::backup::backup;
pub use crate::database::{Database, Options, Schema};
pub use crate::error::StoreError;
pub use crate::memory_state::MemoryState;
pub use crate::sqlite_state::SqliteState;
