//! Who am I, and what do I work on.

use crate::imports::workspace as host;
use crate::{Card, Error, Identity};

/// Who this workspace is.
pub fn me() -> Identity {
    host::me()
}

/// One value of the operator's configuration (`--config key=value`); none where the operator gave none.
///
/// ```
/// # use molecule_guest::{Result, workspace};
/// fn greeting() -> String {
///     workspace::config("greeting").unwrap_or_else(|| "Hello".into())
/// }
/// ```
pub fn config(key: &str) -> Option<String> {
    host::config(key)
}

/// Says what the agent works on, for people to see; the next heartbeat carries it. At most 200 characters are shown.
///
/// # Errors
///
/// The host refuses it.
pub fn set_task(task: &str) -> Result<(), Error> {
    host::set_task(Some(task))
}

/// Says that the agent works on nothing.
///
/// # Errors
///
/// The host refuses it.
pub fn clear_task() -> Result<(), Error> {
    host::set_task(None)
}

/// Announces the agent again: with `None` as it is, with a [`Card`] where its skills have changed meanwhile. What that
/// one asks for is not heard; an agent asks once, in [`describe`](crate::Agent::describe).
///
/// ```
/// # use molecule_guest::{Card, Result, Skill, workspace};
/// async fn learned(what: &str) -> Result<()> {
///     let card = Card::new("scholar").skill(Skill::new("explain", format!("Explain {what}")));
///     workspace::register(card).await?;
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// The platform cannot be reached, or does not take the card ([`Error::Invalid`], [`Error::TooLarge`]).
pub async fn register(card: impl Into<Option<Card>>) -> Result<(), Error> {
    host::register(card.into()).await
}

/// Sends a heartbeat now. The host sends them all the time: this is for a [task](set_task) that shall be seen at once.
///
/// # Errors
///
/// The platform cannot be reached, or [`Error::RateLimited`] where it was just asked.
pub async fn heartbeat() -> Result<(), Error> {
    host::heartbeat().await
}

/// Asks the platform where the workspace stands.
///
/// # Errors
///
/// The platform cannot be reached or refuses.
pub async fn state() -> Result<State, Error> {
    host::state().await
}

/// Where the workspace stands, as the platform sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// In the platform's words, such as `online`; any word may come.
    pub status: String,
    /// Whether an operator of the platform has paused it.
    pub paused: bool,
}

impl State {
    /// A state that is not paused, for tests.
    pub fn new(status: impl Into<String>) -> Self {
        Self { status: status.into(), paused: false }
    }
}
