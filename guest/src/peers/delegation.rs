//! Work that is given to a peer.

use std::pin::Pin;

use crate::imports::peers as host;
use crate::{Content, Error, PeerRef};

/// Gives a task to a peer (by id, or by name where it is unique) and does not wait for it.
///
/// The result comes by [`on_message`](crate::Agent::on_message), with the delegation's id as
/// [`in_reply_to`](crate::Message::in_reply_to), also when the host was restarted meanwhile. [`delegation()`] says whether
/// it is a success.
///
/// ```
/// # use molecule_guest::{DelegationStatus, Message, Outcome, Result, messages, peers};
/// async fn begin(order: &str) -> Result<Outcome> {
///     // However often this is run, bob gets the order once.
///     let given = peers::delegate("bob", format!("Pack order {order}.")).key(format!("pack {order}")).await?;
///     Ok(format!("{} packs it.", given.peer.label()).into())
/// }
///
/// async fn hear(message: Message) -> Result<Outcome> {
///     if let Some(id) = &message.in_reply_to {
///         match peers::delegation(id).await?.status {
///             DelegationStatus::Failed(why) => messages::notify(format!("It was not packed: {why}")).await?,
///             _ => messages::notify(format!("Packed: {}", message.text())).await?,
///         }
///     }
///     Ok(Outcome::Nothing)
/// }
/// ```
pub fn delegate(peer: impl Into<String>, task: impl Into<String>) -> Delegate {
    Delegate { peer: peer.into(), task: task.into(), options: host::DelegateOptions { key: None } }
}

/// A [task](delegate()) that has not been given yet. Awaiting it gives it.
///
/// # Errors
///
/// Awaiting fails with [`Error::Denied`] where the operator has not granted the peer, [`Error::NotFound`] where there is
/// none or more than one of that name, [`Error::Invalid`] where there is no task. That the peer cannot be reached does not
/// show here: such a delegation becomes [`Failed`](DelegationStatus::Failed).
#[derive(Debug)]
#[must_use = "a task is given when this is awaited"]
pub struct Delegate {
    peer: String,
    task: String,
    options: host::DelegateOptions,
}

impl Delegate {
    /// Names the delegation: one key is one delegation, whatever peer and task say, for as long as the platform remembers
    /// it (a week). Where not said, the host makes one that a second run of the same message uses again.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.options.key = Some(key.into());
        self
    }
}

impl IntoFuture for Delegate {
    type Output = Result<Delegation, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(host::delegate(self.peer, self.task, self.options))
    }
}

/// One delegation of this workspace, as it stands now.
///
/// # Errors
///
/// [`Error::NotFound`] where there is none of this id, or the platform cannot be reached.
pub async fn delegation(id: impl Into<String>) -> Result<Delegation, Error> {
    host::delegation(id.into()).await
}

/// The delegations of this workspace that the host remembers, newest first, 50 at most.
///
/// # Errors
///
/// The platform cannot be reached or refuses.
pub async fn delegations() -> Result<Vec<Delegation>, Error> {
    host::delegations().await
}

/// A task that was given to a peer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delegation {
    /// Names it. A message with the result has it as [`in_reply_to`](crate::Message::in_reply_to).
    pub id: String,
    /// To whom.
    pub peer: PeerRef,
    /// What is to be done.
    pub task: String,
    /// Where it stands.
    pub status: DelegationStatus,
    /// When it was given, RFC 3339.
    pub at: Option<String>,
}

/// Where a [`Delegation`] stands.
#[derive(Clone, Debug, PartialEq)]
pub enum DelegationStatus {
    /// Under way to the peer, or being worked on.
    Pending,
    /// The peer has it, and answers in its own time.
    Queued,
    /// Done; the answer.
    Completed(Content),
    /// It came to nothing; why.
    Failed(String),
}

impl DelegationStatus {
    /// Whether nothing more is to come.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_))
    }
}

impl From<&str> for DelegationStatus {
    fn from(answer: &str) -> Self {
        Self::Completed(answer.into())
    }
}

impl From<String> for DelegationStatus {
    fn from(answer: String) -> Self {
        Self::Completed(answer.into())
    }
}

impl From<Content> for DelegationStatus {
    fn from(answer: Content) -> Self {
        Self::Completed(answer)
    }
}
