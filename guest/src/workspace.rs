//! Who am I, and what do I work on.

use crate::imports::workspace as host;
use crate::{Error, Identity};

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
