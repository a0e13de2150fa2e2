//! `molecule:agent/peers`.

use std::time::Duration;

use molecule_gate::{Act, Grants, Permit};
use wasmtime::component::{Access, Accessor, HasSelf};

use super::{Import, act};
use crate::appeal;
use crate::bindings::molecule::agent::peers::{self, DelegateOptions, Delegated, Location};
use crate::guest::Guest;
use crate::services::{CallPeer, Delegate, Discover, ListPeers, ReadDelegations};
use crate::wit::{CallOptions, Content, Error, Peer, PeerRef, Reply};

/// How long `peers.call` waits where the agent does not say.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

impl peers::Host for Guest {}

/// An act on a peer that the agent has named.
trait OnPeer: Act {
    fn peer(&mut self) -> &mut PeerRef;
}

impl OnPeer for CallPeer {
    fn peer(&mut self) -> &mut PeerRef {
        &mut self.peer
    }
}

impl OnPeer for Discover {
    fn peer(&mut self) -> &mut PeerRef {
        &mut self.peer
    }
}

impl OnPeer for Delegate {
    fn peer(&mut self) -> &mut PeerRef {
        &mut self.peer
    }
}

/// A peer as the agent wrote it.
fn written(peer: String) -> PeerRef {
    PeerRef { id: peer, name: None }
}

impl Import {
    /// Finds out which peer is meant, and passes the gate.
    async fn pass_on_peer<A: OnPeer>(&self, mut act: A) -> Result<Permit<A>, Error> {
        let Import { agent, call, .. } = self;
        // Without any grant nothing is looked up: the denial names the peer as the agent wrote it.
        let known = !agent.gate.grants().peers.is_empty();
        if known {
            let peer = act.peer();
            *peer = agent.services.resolve_peer(&peer.id).await?;
        }
        let appealed = appeal::appeal(agent, call, &act.effect());
        let once = appealed.await;
        if !known && (!once.is_empty() || agent.gate.allows(&act.effect())) {
            let peer = act.peer();
            *peer = agent.services.resolve_peer(&peer.id).await?;
        }
        self.pass_once(act, &once)
    }
}

impl peers::HostWithStore<Guest> for HasSelf<Guest> {
    async fn list(accessor: &Accessor<Guest, Self>) -> wasmtime::Result<Result<Vec<Peer>, Error>> {
        let import = Import::enter_async(accessor)?;
        Ok(import
            .unless_canceled(async {
                let once = appeal::appeal(&import.agent, &import.call, &ListPeers.effect()).await;
                let permit = import.pass_once(ListPeers, &once)?;
                let mut peers = import.agent.services.list_peers(permit, &import.call).await?;
                // What may not be called is not shown either.
                let mut grants = Grants::clone(&import.agent.gate.grants());
                once.into_iter().for_each(|grant| grants.add(grant));
                peers.retain(|peer| grants.allow_peer(&peer.id, Some(&peer.name)));
                Ok(peers)
            })
            .await)
    }

    async fn call(
        accessor: &Accessor<Guest, Self>,
        peer: String,
        content: Content,
        options: CallOptions,
    ) -> wasmtime::Result<Result<Reply, Error>> {
        let import = Import::enter_async(accessor)?;
        let timeout = options.timeout_ms.map_or(CALL_TIMEOUT, |ms| Duration::from_millis(ms.into()));
        let act = CallPeer { peer: written(peer), content, context_id: options.context_id, timeout };
        Ok(import
            .unless_canceled(async {
                let permit = import.pass_on_peer(act).await?;
                import.agent.services.call_peer(permit, &import.call).await
            })
            .await)
    }

    async fn discover(
        accessor: &Accessor<Guest, Self>,
        peer: String,
    ) -> wasmtime::Result<Result<Location, Error>> {
        let import = Import::enter_async(accessor)?;
        Ok(import
            .unless_canceled(async {
                let permit = import.pass_on_peer(Discover { peer: written(peer) }).await?;
                import.agent.services.discover(permit).await
            })
            .await)
    }

    fn invalidate(host: Access<'_, Guest, Self>, peer: Option<String>) -> wasmtime::Result<()> {
        Import::enter(host)?.agent.services.invalidate(peer.as_deref());
        Ok(())
    }

    async fn delegate(
        accessor: &Accessor<Guest, Self>,
        peer: String,
        task: String,
        options: DelegateOptions,
    ) -> wasmtime::Result<Result<Delegated, Error>> {
        let import = Import::enter_async(accessor)?;
        Ok(import
            .unless_canceled(async {
                let act = Delegate { peer: written(peer), task, key: options.key };
                let permit = import.pass_on_peer(act).await?;
                import.agent.services.delegate(permit, &import.call).await
            })
            .await)
    }

    async fn delegation(
        accessor: &Accessor<Guest, Self>,
        id: String,
    ) -> wasmtime::Result<Result<Delegated, Error>> {
        act(accessor, ReadDelegations, |agent, _, permit| async move {
            agent.services.delegation(permit, &id).await
        })
        .await
    }

    async fn delegations(
        accessor: &Accessor<Guest, Self>,
    ) -> wasmtime::Result<Result<Vec<Delegated>, Error>> {
        act(
            accessor,
            ReadDelegations,
            |agent, _, permit| async move { agent.services.delegations(permit).await },
        )
        .await
    }
}
