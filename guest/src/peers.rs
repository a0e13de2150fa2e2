//! The other workspaces: who they are, asking them, and giving them work.
//!
//! ```
//! use molecule_guest::{Reply, Result, peers};
//!
//! async fn plan(question: &str, task: &str) -> Result<String> {
//!     // Waits for the answer.
//!     let Reply::Answer(opinion) = peers::call("ada", question).await? else { return Ok("later".into()) };
//!     // Does not: the result comes as a message.
//!     let given = peers::delegate("bob", format!("{task}: {}", opinion.text())).await?;
//!     Ok(format!("bob is at it ({})", given.id))
//! }
//! ```
//!
//! The operator grants each peer, by id or by name: `--allow-peer bob`, or `--allow-peer '*'` for all.

mod delegation;
mod location;

pub use delegation::{Delegate, Delegation, DelegationStatus, delegate, delegation, delegations};
pub use location::{Location, discover, invalidate, invalidate_all};

use std::pin::Pin;
use std::time::Duration;

use crate::imports::peers as host;
use crate::time::millis;
use crate::{Content, Error};

/// The peers that this agent may call.
///
/// # Errors
///
/// The platform cannot be reached or refuses the list.
pub async fn list() -> Result<Vec<Peer>, Error> {
    host::list().await
}

/// Sends a message to a peer (by id, or by name where it is unique) and waits for its answer.
///
/// The call is made when it is awaited; before that it can be given a [timeout](Call::timeout) and a
/// [conversation](Call::context_id).
///
/// ```
/// # use molecule_guest::{Reply, Result, peers};
/// # use std::time::Duration;
/// # async fn ask() -> Result<String> {
/// let reply = peers::call("bob", "How far are you?").timeout(Duration::from_secs(10)).await?;
/// Ok(match reply {
///     Reply::Answer(content) => content.text(),
///     Reply::Queued(id) => format!("Bob has message {id} and will answer later"),
/// })
/// # }
/// ```
pub fn call(peer: impl Into<String>, content: impl Into<Content>) -> Call {
    Call { peer: peer.into(), content: content.into(), options: CallOptions::default() }
}

/// A [call](call()) that has not been made yet. Awaiting it makes it.
///
/// # Errors
///
/// Awaiting fails with [`Error::Denied`] where the operator has not granted the peer, [`Error::NotFound`] where there
/// is none or more than one of that name, [`Error::Remote`] where the peer answered with an error.
#[derive(Debug)]
#[must_use = "a call is made when it is awaited"]
pub struct Call {
    peer: String,
    content: Content,
    options: CallOptions,
}

/// How to call.
#[derive(Clone, Debug, Default)]
struct CallOptions {
    timeout: Option<Duration>,
    context_id: Option<String>,
}

impl Call {
    /// How long to wait for the answer; a minute where not said. After that the reply is [`Reply::Queued`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// The conversation to continue, such as the [`context_id`](crate::Message::context_id) of an earlier message.
    pub fn context_id(mut self, id: impl Into<String>) -> Self {
        self.options.context_id = Some(id.into());
        self
    }
}

impl IntoFuture for Call {
    type Output = Result<Reply, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        let CallOptions { timeout, context_id } = self.options;
        let options = host::CallOptions { timeout_ms: timeout.map(millis), context_id };
        Box::pin(host::call(self.peer, self.content, options))
    }
}

/// What came of a [call](call()).
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The peer's answer.
    Answer(Content),
    /// The peer has the message and has not answered within the time; the id is the message's. A late answer comes by
    /// [`on_message`](crate::Agent::on_message), with this id as [`in_reply_to`](crate::Message::in_reply_to).
    Queued(String),
}

impl Reply {
    /// The peer's answer, if it came in time.
    pub fn answer(self) -> Option<Content> {
        match self {
            Self::Answer(content) => Some(content),
            Self::Queued(_) => None,
        }
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Answer(text.into())
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::Answer(text.into())
    }
}

impl From<Content> for Reply {
    fn from(content: Content) -> Self {
        Self::Answer(content)
    }
}

/// Another workspace, as the platform lists it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Peer {
    /// Its workspace id.
    pub id: String,
    /// Its name. Names are not unique.
    pub name: String,
    /// What it is for, if it has a role.
    pub role: Option<String>,
    /// Its status in the platform's words, such as `online`.
    pub status: String,
    /// Its agent card, the text of a JSON object, if it has one.
    pub card: Option<String>,
}
