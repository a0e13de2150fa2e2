//! The world as an agent's imports reach it.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use molecule_gate::{Act, Denial, Effect, Permit, SecretName};

use crate::appeal::Appeal;
use crate::fetch::{Fetch, FetchError, FetchResponse};
use crate::guest::Call;
use crate::plugins::OpenPlugin;
use crate::wit::plugins::{Installed, Plugin, Setup};
use crate::wit::{Content, Error, Peer, PeerRef, Reply, bytes_of_content};

/// What the imports of one agent do, once the gate has let them pass.
///
/// Every function that has an effect takes the [`Permit`] of the act it does. Errors are the contract's own and go to
/// the agent as they are.
#[async_trait]
pub trait Services: Send + Sync + 'static {
    /// Writes to the user.
    async fn notify(&self, permit: Permit<Notify>, call: &Call) -> Result<(), Error>;

    /// The peers of the workspace; the runtime leaves out those that are not granted.
    async fn list_peers(&self, permit: Permit<ListPeers>, call: &Call) -> Result<Vec<Peer>, Error>;

    /// Finds the peer that an agent named by its id or its name, so that the gate can judge both. Asked only for an
    /// agent that has been granted some peer.
    async fn resolve_peer(&self, written: &str) -> Result<PeerRef, Error>;

    /// Sends a message to a peer and waits for its answer.
    async fn call_peer(&self, permit: Permit<CallPeer>, call: &Call) -> Result<Reply, Error>;

    /// Says what the agent works on.
    fn set_task(&self, permit: Permit<SetTask>);

    /// Sends an HTTP request and waits for the head of the response, whose body is then read frame by frame.
    async fn fetch(&self, permit: Permit<Fetch>, call: &Call) -> Result<FetchResponse, FetchError>;

    /// The secrets that the agent may use in requests, and that have a value.
    fn secret_names(&self) -> Vec<SecretName>;

    /// The value of a secret, for the agent itself.
    async fn reveal(&self, permit: Permit<Reveal>, call: &Call) -> Result<String, Error>;

    /// Installs a plugin, or another version of it.
    async fn install_plugin(&self, permit: Permit<InstallPlugin>, call: &Call) -> Result<Installed, Error>;

    /// The plugins that are installed.
    async fn list_plugins(&self) -> Result<Vec<Plugin>, Error>;

    /// Removes a plugin.
    async fn remove_plugin(&self, permit: Permit<RemovePlugin>, call: &Call) -> Result<(), Error>;

    /// The folder that has one folder for each plugin, if the agent sees one. Asked for every instance.
    fn plugins_folder(&self) -> Option<PathBuf> {
        None
    }

    /// Opens the folder of a plugin as it is now; `None` where there is no such plugin. Called on a guest's thread: return
    /// at once.
    ///
    /// # Errors
    /// What the file system says.
    fn open_plugin(&self, _name: &str) -> io::Result<Option<OpenPlugin>> {
        Ok(None)
    }

    /// Whether there is somebody who may allow what the grants do not. Where there is not, a denial is a denial at once.
    fn hears_appeals(&self) -> bool {
        false
    }

    /// Asks whether what is denied may be done all the same. Only about denials that name a grant, on behalf of imports
    /// that can wait; dropped when the call is canceled.
    async fn appeal(&self, _denial: &Denial, _call: &Call) -> Appeal {
        Appeal::Denied
    }
}

/// Writes to the user.
#[derive(Debug)]
pub struct Notify {
    /// What to write.
    pub content: Content,
}

impl Act for Notify {
    fn effect(&self) -> Effect<'_> {
        Effect::Notify { bytes: bytes_of_content(&self.content) }
    }
}

/// Looks up the peers.
#[derive(Debug)]
pub struct ListPeers;

impl Act for ListPeers {
    fn effect(&self) -> Effect<'_> {
        Effect::ListPeers
    }
}

/// Calls a peer.
#[derive(Debug)]
pub struct CallPeer {
    /// Whom.
    pub peer: PeerRef,
    /// What to say.
    pub content: Content,
    /// The conversation to continue, if any.
    pub context_id: Option<String>,
    /// How long to wait for the answer.
    pub timeout: std::time::Duration,
}

impl Act for CallPeer {
    fn effect(&self) -> Effect<'_> {
        let bytes = bytes_of_content(&self.content) + self.context_id.as_ref().map_or(0, String::len);
        Effect::CallPeer { id: &self.peer.id, name: self.peer.name.as_deref(), bytes }
    }
}

/// Says what the agent works on.
#[derive(Debug)]
pub struct SetTask {
    /// The text; `None` clears it.
    pub task: Option<String>,
}

impl Act for SetTask {
    fn effect(&self) -> Effect<'_> {
        Effect::SetTask { bytes: self.task.as_ref().map_or(0, String::len) }
    }
}

/// Hands the value of a secret to the agent.
#[derive(Debug)]
pub struct Reveal {
    /// Which one.
    pub name: SecretName,
}

impl Act for Reveal {
    fn effect(&self) -> Effect<'_> {
        Effect::RevealSecret { name: self.name.as_str() }
    }
}

/// Installs a plugin.
#[derive(Debug)]
pub struct InstallPlugin {
    /// Its name, as the agent wrote it.
    pub name: String,
    /// Where it comes from, `scheme://...`.
    pub source: String,
    /// When its `setup.sh` is to be run; as the operator allows where nothing is said.
    pub setup: Option<Setup>,
    /// The SHA-256 that its archive must have, as the agent wrote it.
    pub sha256: Option<String>,
}

impl Act for InstallPlugin {
    fn effect(&self) -> Effect<'_> {
        Effect::InstallPlugin { name: &self.name, source: &self.source }
    }
}

/// Removes a plugin.
#[derive(Debug)]
pub struct RemovePlugin {
    /// Its name, as the agent wrote it.
    pub name: String,
}

impl Act for RemovePlugin {
    fn effect(&self) -> Effect<'_> {
        Effect::RemovePlugin { name: &self.name }
    }
}
