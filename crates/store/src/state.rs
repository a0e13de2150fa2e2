//! What a host must remember about a workspace, as a trait of small atomic verbs.
//!
//! A message's life, and the verb that makes each move:
//!
//! ```text
//!             accept            claim              finish
//!   (wire) ───────────▶ waiting ───────▶ claimed ─────────▶ done (+ at most one answer to send)
//!                          ▲               │ │ ▲
//!                          │    release    │ │ │ fault (counts a run, stays claimed)
//!                          ├───────────────┘ └─┘
//!                          │ lease (the last holder died: an interruption is counted)
//!                          │
//!                          └── revive ── dead ◀── bury (+ at most one notice to send)
//! ```
//!
//! A send's life (an answer, a notice, or a text the agent sent while it worked):
//!
//! ```text
//!   finish, bury ──▶ ready ── begin ──▶ in doubt ── settle(Landed)    ──▶ landed
//!                      ▲                  │  ▲   ── settle(Abandoned) ──▶ abandoned
//!                      └─ settle(NotSent) ┘  └── intend (born in doubt, never sent again)
//! ```
//!
//! A delegation's life (a task given to another workspace), by `open_delegation` and the steps that follow:
//!
//! ```text
//!   open ── Accepted (named) ──▶ open ── Queued ──▶ queued ── Completed ──▶ completed
//!    │  ▲                          └──────────────────┴──── Failed ──────▶ failed
//!    └──┴─ Refused, and made again
//! ```
//!
//! Every verb is atomic, durable when it returns, and may be repeated: a verb that finds its work done does
//! nothing and says so. Every verb but the first carries the [`Fence`] of a [`lease`](State::lease), so that
//! a holder which was presumed dead and comes back changes nothing. There is no transaction across verbs:
//! that is what lets a replicated log implement this trait as well as a local database does.
//!
//! The cargo feature `contract` brings these promises as a property test for any implementation.

mod delegation;

use std::fmt;

use async_trait::async_trait;

pub use self::delegation::{Delegation, DelegationProgress, DelegationStep, NewDelegation};

/// Milliseconds since the Unix epoch, by the host's wall clock.
///
/// Only used for ages (retention, recovery windows); nothing is ordered by it.
pub type UnixMillis = i64;

/// The right to change one workspace's state, until somebody else takes the lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The workspace it is for.
    pub workspace: String,
    /// Grows with every lease of that workspace.
    pub token: i64,
}

/// One row of an activity page, as the inbound side classified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The platform's id of the row; remembered, so that the row is taken once.
    pub id: String,
    /// What to do with it.
    pub kind: RowKind,
}

/// What a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowKind {
    /// A message for the agent.
    Message(Incoming),
    /// The platform's echo of a text that this workspace sent to its user; the digest is that of [`NewSend`].
    ///
    /// It confirms the send of that digest which has no echo yet and is in doubt or has landed, if there is
    /// one: of several the one whose newest attempt was begun first, since texts are echoed in the order in
    /// which they arrive. One that has landed, too: otherwise of two equal texts the first one's echo would
    /// confirm the second.
    Echo(String),
    /// Nothing for the agent: only its id is remembered.
    Skip,
}

/// A message as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Who sent it. Part of the dedupe key: otherwise one peer could silence another.
    pub sender: String,
    /// The sender's id for it. `None` when the wire had none; then only the row id tells copies apart.
    pub message_id: Option<String>,
    /// The message, in a form that only the dispatcher reads.
    pub body: String,
}

/// One page of the activity log, taken at once: rows, remembered ids, cursor and the results of delegations become durable
/// together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Oldest first.
    pub rows: Vec<Row>,
    /// Where the next page starts; `None` leaves the cursor where it is.
    pub cursor: Option<String>,
    /// When the page was fetched.
    pub at: UnixMillis,
    /// What its rows say of delegations, by slot. A slot that is not known is passed over.
    pub delegations: Vec<(String, DelegationStep)>,
}

/// What became of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The rows whose messages are waiting now.
    pub messages: Vec<String>,
    /// Rows or messages that were known already.
    pub duplicates: usize,
}

/// Where inbound stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// Id of the newest row taken, if any.
    pub cursor: Option<String>,
    /// When the newest page was fetched, if any was.
    pub at: Option<UnixMillis>,
}

/// A message in this workspace's inbox, unique within the state.
pub type MessageKey = i64;

/// How often a message was tried, and why that was not enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Runs {
    /// Times it was handed out by `claim` or `fault`, this one included.
    pub deliveries: u32,
    /// Runs in which its own handler died or timed out.
    pub faults: u32,
    /// Runs that ended with the host's own death.
    pub interruptions: u32,
}

impl Runs {
    /// Runs a message gets in all.
    pub const MAX: u32 = 3;
    /// Deaths of the host that are not held against the message; later ones count, so that a message which
    /// kills its host is not immortal.
    pub const FORGIVEN_INTERRUPTIONS: u32 = 9;

    /// Runs that count against [`Runs::MAX`].
    pub fn counted(self) -> u32 {
        self.faults + self.interruptions.saturating_sub(Self::FORGIVEN_INTERRUPTIONS)
    }

    /// True when the message may not be run again.
    pub fn exhausted(self) -> bool {
        self.counted() >= Self::MAX
    }
}

/// A message handed out to be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Names it in the verbs that end the claim.
    pub key: MessageKey,
    /// [`Incoming::body`].
    pub body: String,
    /// This run and those before it.
    pub runs: Runs,
}

/// Something to send, durable before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSend {
    /// Chosen by the caller, unique in the workspace; a peer sees it as the message id, so that a second copy
    /// is recognised. A send whose id is known already is not queued again.
    pub id: String,
    /// Who gets it, in a form that only the sender reads.
    pub to: String,
    /// Digest of the text where the receiver's copies can be seen as echoes (the user's); `None` elsewhere.
    pub digest: Option<String>,
    /// What is sent, in a form that only the sender reads.
    pub body: String,
}

/// Where an unsettled send stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Certainly not sent.
    Ready,
    /// Begun: it may have landed.
    InDoubt {
        /// By then it has landed or never will (wall clock; clamp against a clock that jumped).
        until: UnixMillis,
        /// Its echo was seen: it has landed.
        echoed: bool,
        /// Born by [`State::intend`]: never to be sent again.
        once: bool,
    },
}

/// A send that is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// What to send.
    pub send: NewSend,
    /// Where it stands.
    pub progress: Progress,
    /// Times it was begun.
    pub attempts: u32,
}

/// How an attempt to send ended.
///
/// Where the send has an echo but did not land, the echo was that of an equal text: the next send that it may
/// confirm gets it. If there is none, an earlier attempt has landed after all, and so has the send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The receiver has it.
    Landed,
    /// The receiver certainly does not have it: back to [`Progress::Ready`], or abandoned if it was born by
    /// [`State::intend`].
    NotSent,
    /// The receiver does not have it, and it will never be sent; the reason is kept for the operator.
    Abandoned(String),
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it in `revive` and `discard`.
    pub key: MessageKey,
    /// Who sent it.
    pub sender: String,
    /// [`Incoming::body`].
    pub body: String,
    /// Why it was given up.
    pub reason: String,
    /// What its sender was told ([`NewSend::body`] of the notice), if anything.
    pub notice: Option<String>,
    /// How often it was tried.
    pub runs: Runs,
    /// When it was given up.
    pub at: UnixMillis,
}

/// What waits and works now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages waiting to be claimed.
    pub waiting: u64,
    /// Messages claimed and not ended.
    pub claimed: u64,
    /// Bytes of the bodies of both.
    pub bytes: u64,
    /// Sends not settled.
    pub unsettled: u64,
    /// Dead letters kept.
    pub dead: u64,
}

/// How long ended things are remembered. What is not ended is never dropped, nor are the ids of a message
/// that waits, is claimed or is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Rows taken longer ago than this are forgotten, and with them that their messages are done; sends
    /// settled and delegations ended longer ago, too (milliseconds).
    pub ended_ms: i64,
    /// Dead letters given up longer ago than this go (milliseconds).
    pub dead_ms: i64,
    /// So many of the newest remembered rows stay whatever their age: a clock that jumped forward must not
    /// make the host forget what it has just handled.
    pub keep_newest: u64,
}

impl Default for Retention {
    /// Seven days, which is as long as the platform keeps rows; thirty days for dead letters.
    fn default() -> Self {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        Self { ended_ms: 7 * DAY, dead_ms: 30 * DAY, keep_newest: 10_000 }
    }
}

/// What retention dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Remembered rows.
    pub seen: u64,
    /// Of these, messages that were done.
    pub done: u64,
    /// Settled sends.
    pub sends: u64,
    /// Dead letters.
    pub dead: u64,
    /// Delegations that had ended.
    pub delegations: u64,
}

/// Why a verb did nothing.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Somebody else holds the workspace now.
    #[error("another host took over workspace {workspace}; stop one of the two")]
    Fenced {
        /// The workspace.
        workspace: String,
    },
    /// A message, send or delegation that the state does not hold, or not in a state in which the verb makes sense.
    #[error("no {what} {id} for which that makes sense: there is none, or its life has moved on; look again")]
    Unknown {
        /// `message`, `send` or `delegation`.
        what: &'static str,
        /// Its key.
        id: String,
    },
    /// The storage failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] crate::StoreError),
}

impl From<rusqlite::Error> for StateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The state of workspaces. See the [module](self) for the lives of a message and of a send.
#[async_trait]
pub trait State: Send + Sync + fmt::Debug + 'static {
    /// Takes over a workspace: older fences end, what was claimed waits again, with one interruption more.
    async fn lease(&self, workspace: &str) -> Result<Fence, StateError>;

    /// Where inbound stands.
    async fn position(&self, fence: &Fence) -> Result<Position, StateError>;

    /// Takes a page. A row whose id is remembered, or whose (sender, message id) is, is a duplicate.
    async fn accept(&self, fence: &Fence, page: Page) -> Result<Accepted, StateError>;

    /// Hands out up to `max` waiting messages, oldest first.
    async fn claim(&self, fence: &Fence, max: usize) -> Result<Vec<Claimed>, StateError>;

    /// Ends a claimed message; its answer, if any, is ready to send in the same instant. On a message that is
    /// done already: nothing, so that there is at most one answer.
    ///
    /// # Errors
    ///
    /// [`StateError::Unknown`], here and below, when there is no such message or it is elsewhere in its life,
    /// such as waiting or dead here.
    async fn finish(&self, fence: &Fence, key: MessageKey, answer: Option<NewSend>)
    -> Result<(), StateError>;

    /// Counts a run in which the message's own handler died or timed out. It stays claimed; the runs returned
    /// are those of its next delivery.
    async fn fault(&self, fence: &Fence, key: MessageKey, reason: &str) -> Result<Runs, StateError>;

    /// Puts a claimed message back in its place without blame: it was a bystander, or the host stops. On a
    /// waiting message: nothing.
    async fn release(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError>;

    /// Gives a claimed message up: a dead letter, and the line to its sender, if any, in the same instant. On
    /// a dead letter: nothing.
    async fn bury(
        &self,
        fence: &Fence,
        key: MessageKey,
        reason: &str,
        notice: Option<NewSend>,
        at: UnixMillis,
    ) -> Result<(), StateError>;

    /// Records a send that is under way from now on and is never to be repeated: a text that the agent itself
    /// sent.
    async fn intend(&self, fence: &Fence, send: NewSend, until: UnixMillis) -> Result<(), StateError>;

    /// The sends that are not settled, at most `max`: first those in doubt, since others may have to wait for what
    /// becomes of them; then those whose echoes can be seen; then the others. Among their like the oldest come first.
    async fn unsettled(&self, fence: &Fence, max: usize) -> Result<Vec<Unsettled>, StateError>;

    /// A ready (or doubtful) send is under way from now on; by `until` it has landed or never will.
    ///
    /// Of sends with equal digests only one at a time may be in doubt, or an echo could be counted for one
    /// that never arrived: that is the caller's to see to, here and with [`intend`](State::intend).
    ///
    /// # Errors
    ///
    /// [`StateError::Unknown`] when it must not be sent (again): it is settled, its echo was seen, or it was
    /// born by [`intend`](State::intend).
    async fn begin(&self, fence: &Fence, id: &str, until: UnixMillis) -> Result<(), StateError>;

    /// Says how a send that was begun has ended. On a settled send: nothing. A ready one can be abandoned.
    async fn settle(
        &self,
        fence: &Fence,
        id: &str,
        settlement: Settlement,
        at: UnixMillis,
    ) -> Result<(), StateError>;

    /// What waits and works now.
    async fn backlog(&self, fence: &Fence) -> Result<Backlog, StateError>;

    /// The dead letters, newest first, at most `max`.
    async fn dead_letters(&self, fence: &Fence, max: usize) -> Result<Vec<DeadLetter>, StateError>;

    /// A dead letter waits again, in its old place, its runs forgotten. On a waiting or claimed message:
    /// nothing.
    async fn revive(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError>;

    /// A dead letter is gone (its ids stay remembered). On one that is gone: nothing.
    async fn discard(&self, fence: &Fence, key: MessageKey) -> Result<(), StateError>;

    /// A task is to be given to another workspace. Whoever knows the slot gets what is there, with its old key: that a
    /// message is handled twice gives its task once. One that was refused is open again.
    async fn open_delegation(&self, fence: &Fence, new: NewDelegation) -> Result<Delegation, StateError>;

    /// Something became known of a delegation. What makes no sense any more changes nothing: one that has ended has, and
    /// a name is given once.
    ///
    /// # Errors
    ///
    /// [`StateError::Unknown`] for a slot that the state does not hold.
    async fn delegation_step(
        &self,
        fence: &Fence,
        slot: &str,
        step: DelegationStep,
        at: UnixMillis,
    ) -> Result<(), StateError>;

    /// The delegation of the platform's name, if there is one.
    async fn delegation(&self, fence: &Fence, id: &str) -> Result<Option<Delegation>, StateError>;

    /// The delegations, newest first, at most `max`.
    async fn delegations(&self, fence: &Fence, max: usize) -> Result<Vec<Delegation>, StateError>;

    /// Those that have not ended, oldest first.
    async fn open_delegations(&self, fence: &Fence) -> Result<Vec<Delegation>, StateError>;

    /// Drops what has ended long ago, and says how much.
    async fn retain(
        &self,
        fence: &Fence,
        retention: Retention,
        now: UnixMillis,
    ) -> Result<Dropped, StateError>;
}
