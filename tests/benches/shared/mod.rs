//! What the agents of all benchmarks live in.

use async_trait::async_trait;
use molecule_gate::{Permit, SecretName};
use molecule_runtime::wit::plugins::{Installed, Plugin};
use molecule_runtime::wit::{Error, Peer, PeerRef, Reply};
use molecule_runtime::{
    AgentEvent, Call, CallPeer, Fetch, FetchError, FetchResponse, InstallPlugin, Line, ListPeers, Notify,
    Observer, RemovePlugin, Reveal, Services, SetTask,
};

/// No world, and nobody who watches: these agents ask nothing of it.
pub(crate) struct Nothing;

impl Observer for Nothing {
    fn line(&self, _: Line<'_>) {}
    fn event(&self, _: AgentEvent) {}
}

#[async_trait]
impl Services for Nothing {
    async fn notify(&self, _: Permit<Notify>, _: &Call) -> Result<(), Error> {
        Err(Error::NotFound("no world".into()))
    }

    async fn list_peers(&self, _: Permit<ListPeers>, _: &Call) -> Result<Vec<Peer>, Error> {
        Err(Error::NotFound("no world".into()))
    }

    async fn resolve_peer(&self, _: &str) -> Result<PeerRef, Error> {
        Err(Error::NotFound("no world".into()))
    }

    async fn call_peer(&self, _: Permit<CallPeer>, _: &Call) -> Result<Reply, Error> {
        Err(Error::NotFound("no world".into()))
    }

    fn set_task(&self, _: Permit<SetTask>) {}

    async fn fetch(&self, _: Permit<Fetch>, _: &Call) -> Result<FetchResponse, FetchError> {
        Err(FetchError::Invalid("no world".into()))
    }

    fn secret_names(&self) -> Vec<SecretName> {
        Vec::new()
    }

    async fn reveal(&self, _: Permit<Reveal>, _: &Call) -> Result<String, Error> {
        Err(Error::NotFound("no world".into()))
    }

    async fn install_plugin(&self, _: Permit<InstallPlugin>, _: &Call) -> Result<Installed, Error> {
        Err(Error::NotFound("no world".into()))
    }

    async fn list_plugins(&self) -> Result<Vec<Plugin>, Error> {
        Ok(Vec::new())
    }

    async fn remove_plugin(&self, _: Permit<RemovePlugin>, _: &Call) -> Result<(), Error> {
        Err(Error::NotFound("no world".into()))
    }
}
