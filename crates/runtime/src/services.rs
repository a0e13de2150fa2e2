//! The world as an agent's imports reach it.

mod approvals;
mod memory;
mod messages;
mod peers;
mod plugins;
mod secrets;
mod workspace;

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use molecule_gate::{Denial, Permit, SecretName};

pub use self::approvals::{AskApproval, ReadApprovals};
pub use self::memory::{
    AllValues, Checkpoint, ClearCheckpoints, DeleteValue, ForgetMemory, Kept, Key, LatestCheckpoint, Memory,
    ReadMemory, SetValue, Workflow, WriteMemory,
};
pub use self::messages::{Attach, Notify, OpenFile, Progress, ReadHistory};
pub use self::peers::{CallPeer, Delegate, Discover, ListPeers, ReadDelegations};
pub use self::plugins::{InstallPlugin, RemovePlugin};
pub use self::secrets::Reveal;
pub use self::workspace::{Beat, ReadState, Register, SetTask};

use crate::appeal::Appeal;
use crate::fetch::{Fetch, FetchBody, FetchError, FetchResponse};
use crate::guest::Call;
use crate::plugins::OpenPlugin;
use crate::wit::approvals::Approval;
use crate::wit::memory::{self as kept, SearchQuery};
use crate::wit::messages::{Attachment, Entry, Update};
use crate::wit::peers::{Delegated, Location};
use crate::wit::plugins::{Installed, Plugin};
use crate::wit::{Error, Peer, PeerRef, Reply, WorkspaceState};

/// What the imports of one agent do, once the gate has let them pass.
///
/// Every function that has an effect takes the [`Permit`] of the act it does. Errors are the contract's own and go to
/// the agent as they are. What a host does not have it leaves as it is here: the agent is told that there is none.
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

    /// Announces the agent again.
    async fn register(&self, _permit: Permit<Register>) -> Result<(), Error> {
        Err(absent())
    }

    /// Sends a heartbeat now.
    async fn heartbeat(&self, _permit: Permit<Beat>) -> Result<(), Error> {
        Err(absent())
    }

    /// Where the workspace stands.
    async fn state(&self, _permit: Permit<ReadState>) -> Result<WorkspaceState, Error> {
        Err(absent())
    }

    /// Opens a file that came with a message: what is known of it, and what is in it.
    async fn open_file(&self, _permit: Permit<OpenFile>) -> Result<(Attachment, FetchBody), Error> {
        Err(absent())
    }

    /// What was said, oldest first. A peer that the query names has been [resolved](Self::resolve_peer).
    async fn history(&self, _permit: Permit<ReadHistory>) -> Result<Vec<Entry>, Error> {
        Err(absent())
    }

    /// Tells whoever follows the message that the call is for how it goes. The runtime keeps it, too, for the
    /// [`Delivery`](crate::Delivery).
    fn progress(&self, _update: &Update, _call: &Call) {}

    /// Asks where a peer is.
    async fn discover(&self, _permit: Permit<Discover>) -> Result<Location, Error> {
        Err(absent())
    }

    /// Forgets what is remembered of a peer, of all where none is named.
    fn invalidate(&self, _peer: Option<&str>) {}

    /// Gives a task to a peer.
    async fn delegate(&self, _permit: Permit<Delegate>, _call: &Call) -> Result<Delegated, Error> {
        Err(absent())
    }

    /// One delegation of the workspace.
    async fn delegation(&self, _permit: Permit<ReadDelegations>, _id: &str) -> Result<Delegated, Error> {
        Err(absent())
    }

    /// The delegations of the workspace, newest first.
    async fn delegations(&self, _permit: Permit<ReadDelegations>) -> Result<Vec<Delegated>, Error> {
        Err(absent())
    }

    /// A value that the platform keeps.
    async fn value(&self, _permit: Permit<ReadMemory<Key>>) -> Result<Option<kept::Entry>, Error> {
        Err(absent())
    }

    /// All of them.
    async fn values(&self, _permit: Permit<ReadMemory<AllValues>>) -> Result<Vec<kept::Entry>, Error> {
        Err(absent())
    }

    /// Sets a value; its version.
    async fn set_value(&self, _permit: Permit<WriteMemory<SetValue>>) -> Result<u32, Error> {
        Err(absent())
    }

    /// Removes a value.
    async fn delete_value(&self, _permit: Permit<WriteMemory<DeleteValue>>) -> Result<(), Error> {
        Err(absent())
    }

    /// Commits something to memory; its id.
    async fn commit_memory(&self, _permit: Permit<WriteMemory<Memory>>) -> Result<String, Error> {
        Err(absent())
    }

    /// Searches memories.
    async fn search_memories(
        &self,
        _permit: Permit<ReadMemory<SearchQuery>>,
    ) -> Result<Vec<kept::Memory>, Error> {
        Err(absent())
    }

    /// Removes a memory.
    async fn forget_memory(&self, _permit: Permit<WriteMemory<ForgetMemory>>) -> Result<(), Error> {
        Err(absent())
    }

    /// Saves a checkpoint.
    async fn save_checkpoint(&self, _permit: Permit<WriteMemory<Checkpoint>>) -> Result<(), Error> {
        Err(absent())
    }

    /// The checkpoints of a piece of work, first step first.
    async fn checkpoints(
        &self,
        _permit: Permit<ReadMemory<Workflow>>,
    ) -> Result<Vec<kept::Checkpoint>, Error> {
        Err(absent())
    }

    /// The newest checkpoint of all.
    async fn latest_checkpoint(
        &self,
        _permit: Permit<ReadMemory<LatestCheckpoint>>,
    ) -> Result<Option<kept::Checkpoint>, Error> {
        Err(absent())
    }

    /// Removes the checkpoints of a piece of work.
    async fn clear_checkpoints(&self, _permit: Permit<WriteMemory<ClearCheckpoints>>) -> Result<(), Error> {
        Err(absent())
    }

    /// Asks a person for leave; the id of the question.
    async fn ask_approval(&self, _permit: Permit<AskApproval>) -> Result<String, Error> {
        Err(absent())
    }

    /// The questions of the workspace, newest first.
    async fn approvals(&self, _permit: Permit<ReadApprovals>) -> Result<Vec<Approval>, Error> {
        Err(absent())
    }
}

/// What an agent is told that asks for something its host does not have.
fn absent() -> Error {
    Error::NotFound("this host has no such thing".to_owned())
}
