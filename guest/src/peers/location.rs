//! Where a peer is.

use crate::Error;
use crate::imports::peers as host;

/// Asks the platform where a peer is, by id or by name. To talk with it, [`call`](super::call()) it: that finds the way by
/// itself.
///
/// ```
/// # use molecule_guest::{Error, Result, peers};
/// async fn is_there(peer: &str) -> Result<bool> {
///     match peers::discover(peer).await {
///         Ok(_) => Ok(true),
///         Err(Error::Unavailable(_) | Error::NotFound(_)) => Ok(false),
///         Err(other) => Err(other.into()),
///     }
/// }
/// ```
///
/// # Errors
///
/// [`Error::Denied`] where the operator has not granted the peer, [`Error::NotFound`] where there is none,
/// [`Error::Unavailable`] where it is not connected.
pub async fn discover(peer: impl Into<String>) -> Result<Location, Error> {
    host::discover(peer.into()).await
}

/// Forgets what is remembered of a peer: the next call asks the platform again.
pub fn invalidate(peer: &str) {
    host::invalidate(Some(peer));
}

/// Forgets what is remembered of all peers.
pub fn invalidate_all() {
    host::invalidate(None);
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// Its workspace id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The address that the platform knows, if any; often one inside the platform.
    pub url: Option<String>,
}

impl Location {
    /// A peer whose address is not known, for tests.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), url: None }
    }
}
