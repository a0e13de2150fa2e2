//! [`SqliteState`]: the state in a database file.
//!
//! Each verb is one job of the database's writer (or a reader's, if it changes nothing), which looks at the
//! fence first. What the verbs do to the tables stands in the modules below, by table; the tables in
//! `schema.sql`.

mod dead_letters;
mod delegations;
mod inbox;
mod leases;
mod outbox;
mod retention;

#[cfg(test)]
mod cost;

use std::path::Path;

use async_trait::async_trait;
use rusqlite::Connection;

use crate::state::{
    Accepted, Backlog, Claimed, DeadLetter, Delegation, DelegationStep, Dropped, Fence, MessageKey,
    NewDelegation, NewSend, Page, Position, Retention, Runs, Settlement, State, StateError, UnixMillis,
    Unsettled,
};
use crate::{Database, Options, Schema, StoreError};

/// The [`State`] of workspaces in a SQLite database.
///
/// Holds any number of workspaces. Verbs that are called at the same time, for whichever workspace, share a
/// commit.
#[derive(Debug, Clone)]
pub struct SqliteState {
    database: Database,
}

/// A workspace's row, found by a fence that holds. Has to be fetched anew in every transaction.
#[derive(Debug, Clone, Copy)]
struct WorkspaceRow(i64);

impl SqliteState {
    /// What makes the tables, for a program that keeps them in a database with tables of its own.
    pub const MIGRATIONS: &'static [&'static str] =
        &[include_str!("schema.sql"), include_str!("schema-2.sql")];

    /// A database with these tables alone.
    pub const SCHEMA: Schema = Schema { application_id: 0x6d6f_6c73, migrations: Self::MIGRATIONS };

    /// Opens or creates a file of [`SCHEMA`](Self::SCHEMA).
    ///
    /// # Errors
    ///
    /// As [`Database::open`].
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        Ok(Self::new(Database::open(path, &Self::SCHEMA, options)?))
    }

    /// The state in a database whose schema contains [`MIGRATIONS`](Self::MIGRATIONS).
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The database it is in.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The dead letters of all workspaces, or of one, or the one of this key; each with the name of its workspace, the
    /// newest first. For an operator who looks on beside whoever holds the lease: it needs none, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`StateError::Store`].
    pub async fn all_dead_letters(
        &self,
        workspace: Option<&str>,
        key: Option<MessageKey>,
    ) -> Result<Vec<(String, DeadLetter)>, StateError> {
        let workspace = workspace.map(str::to_owned);
        self.database.read(move |db| dead_letters::of_all(db, workspace.as_deref(), key)).await
    }

    async fn change<T, F>(&self, fence: &Fence, verb: F) -> Result<T, StateError>
    where
        F: FnOnce(&Connection, WorkspaceRow) -> Result<T, StateError> + Send + 'static,
        T: Send + 'static,
    {
        let fence = fence.clone();
        self.database.write(move |db| verb(db, leases::check(db, &fence)?)).await
    }

    async fn look<T, F>(&self, fence: &Fence, verb: F) -> Result<T, StateError>
    where
        F: FnOnce(&Connection, WorkspaceRow) -> Result<T, StateError> + Send + 'static,
        T: Send + 'static,
    {
        let fence = fence.clone();
        self.database.read(move |db| verb(db, leases::check(db, &fence)?)).await
    }
}

#[async_trait]
impl State for SqliteState {
    async fn lease(&self, workspace: &str) -> Result<Fence, StateError> {
        let workspace = workspace.to_owned();
        self.database.write(move |db| leases::lease(db, workspace)).await
    }

    async fn position(&self, fence: &Fence) -> Result<Position, StateError> {
        self.look(fence, inbox::position).await
    }

    async fn accept(&self, fence: &Fence, page: Page) -> Result<Accepted, StateError> {
        self.change(fence, move |db, workspace| inbox::accept(db, workspace, &page)).await
    }

    async fn claim(&self, fence: &Fence, max: usize) -> Result<Vec<Claimed>, StateError> {
        self.change(fence, move |db, workspace| inbox::claim(db, workspace, max)).await
    }

    async fn finish(
        &self,
        fence: &Fence,
        key: MessageKey,
        answer: Option<NewSend>,
    ) -> Result<(), StateError> {
        self.change(fence, move |db, workspace| inbox::finish(db, workspace, key, answer.as_ref())).await
    }

    async fn fault(&self, fence: &Fence, key: MessageKey, reason: &str) -> Result<Runs, StateError> {
        let reason = reason.to_owned();
        self.change(fence, move |db, workspace| inbox::fault(db, workspace, key, &reason)).await
    }

    async fn release(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError> {
        self.change(fence, move |db, workspace| inbox::release(db, workspace, key)).await
    }

    async fn bury(
        &self,
        fence: &Fence,
        key: MessageKey,
        reason: &str,
        notice: Option<NewSend>,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        let reason = reason.to_owned();
        let bury = move |db: &Connection, workspace| {
            dead_letters::bury(db, workspace, key, &reason, notice.as_ref(), at)
        };
        self.change(fence, bury).await
    }

    async fn intend(&self, fence: &Fence, send: NewSend, until: UnixMillis) -> Result<(), StateError> {
        self.change(fence, move |db, workspace| outbox::intend(db, workspace, &send, until)).await
    }

    async fn unsettled(&self, fence: &Fence, max: usize) -> Result<Vec<Unsettled>, StateError> {
        self.look(fence, move |db, workspace| outbox::unsettled(db, workspace, max)).await
    }

    async fn begin(&self, fence: &Fence, id: &str, until: UnixMillis) -> Result<(), StateError> {
        let id = id.to_owned();
        self.change(fence, move |db, workspace| outbox::begin(db, workspace, &id, until)).await
    }

    async fn settle(
        &self,
        fence: &Fence,
        id: &str,
        settlement: Settlement,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        let id = id.to_owned();
        self.change(fence, move |db, workspace| outbox::settle(db, workspace, &id, &settlement, at)).await
    }

    async fn backlog(&self, fence: &Fence) -> Result<Backlog, StateError> {
        self.look(fence, inbox::backlog).await
    }

    async fn dead_letters(&self, fence: &Fence, max: usize) -> Result<Vec<DeadLetter>, StateError> {
        self.look(fence, move |db, workspace| dead_letters::newest(db, workspace, max)).await
    }

    async fn revive(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError> {
        self.change(fence, move |db, workspace| dead_letters::revive(db, workspace, key)).await
    }

    async fn discard(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError> {
        self.change(fence, move |db, workspace| dead_letters::discard(db, workspace, key)).await
    }

    async fn open_delegation(&self, fence: &Fence, new: NewDelegation) -> Result<Delegation, StateError> {
        self.change(fence, move |db, workspace| delegations::open(db, workspace, new)).await
    }

    async fn delegation_step(
        &self,
        fence: &Fence,
        slot: &str,
        step: DelegationStep,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        let slot = slot.to_owned();
        self.change(fence, move |db, workspace| delegations::step(db, workspace, &slot, step, at)).await
    }

    async fn delegation(&self, fence: &Fence, id: &str) -> Result<Option<Delegation>, StateError> {
        let id = id.to_owned();
        self.look(fence, move |db, workspace| delegations::by_id(db, workspace, &id)).await
    }

    async fn delegations(&self, fence: &Fence, max: usize) -> Result<Vec<Delegation>, StateError> {
        self.look(fence, move |db, workspace| delegations::newest(db, workspace, max)).await
    }

    async fn open_delegations(&self, fence: &Fence) -> Result<Vec<Delegation>, StateError> {
        self.look(fence, delegations::all_open).await
    }

    async fn retain(
        &self,
        fence: &Fence,
        retention: Retention,
        now: UnixMillis,
    ) -> Result<Dropped, StateError> {
        let mut dropped = Dropped::default();
        let mut piece = retention::Piece::first();
        loop {
            let taken = self.change(fence, move |db, workspace| {
                retention::drop_piece(db, workspace, piece, &retention, now)
            });
            let (in_piece, next) = taken.await?;
            dropped.seen += in_piece.seen;
            dropped.done += in_piece.done;
            dropped.sends += in_piece.sends;
            dropped.dead += in_piece.dead;
            dropped.delegations += in_piece.delegations;
            match next {
                Some(next) => piece = next,
                None => return Ok(dropped),
            }
        }
    }
}

/// The first of `count` numbers that nothing had, and that are higher than all before.
fn new_numbers(db: &Connection, count: usize) -> rusqlite::Result<i64> {
    if count == 0 {
        return Ok(0);
    }
    db.prepare_cached("UPDATE sequence SET last = last + ?1 RETURNING last - ?1 + 1")?
        .query_row([signed(count)], |row| row.get(0))
}

/// A count or size as SQLite takes it.
fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
