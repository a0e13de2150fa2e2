//! Every address that a name has, judged.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use molecule_gate::{Act, Effect, Gate, Host, Permit, Reach, Target};
use molecule_runtime::FetchError;
use tokio::sync::Semaphore;

use super::world::Resolver;

/// Addresses that a name may have. None has more for good reasons, and each leaves a receipt.
const MOST: usize = 64;

/// Names that one agent has looked for at once: a look-up cannot be given up, and all agents share the threads for it.
const AT_ONCE: usize = 8;

/// Looks names up for one agent.
pub(super) struct Names {
    resolver: Arc<dyn Resolver>,
    turns: Arc<Semaphore>,
}

impl Names {
    pub(super) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.turns.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (resolver, name) = (self.resolver.clone(), name.to_owned());
        let looking = tokio::spawn(async move {
            // Kept until the look-up is over, whether or not somebody still waits for it.
            let _turn = turn;
            resolver.resolve(&name).await
        });
        looking.await.map_err(io::Error::other)?
    }
}

/// A connection to one address, on behalf of a request that is allowed.
#[derive(Debug)]
pub(super) struct Connect {
    target: Arc<Target>,
    /// Where to.
    pub(super) address: SocketAddr,
    reach: Reach,
}

impl Act for Connect {
    fn effect(&self) -> Effect<'_> {
        Effect::Connect { target: &self.target, address: self.address.ip(), reach: &self.reach }
    }
}

/// The addresses that a request may connect to. One that it may not refuses all of them.
pub(super) async fn addresses(
    names: &Names,
    gate: &Gate,
    target: &Arc<Target>,
    reach: &Reach,
    message: Option<&str>,
) -> Result<Vec<Permit<Connect>>, FetchError> {
    let judge = |address: IpAddr| {
        let address = SocketAddr::new(address, target.port());
        gate.pass(Connect { target: target.clone(), address, reach: *reach }, message)
    };
    Ok(find(names, target.host()).await?.into_iter().map(judge).collect::<Result<_, _>>()?)
}

async fn find(names: &Names, host: &Host) -> Result<Vec<IpAddr>, FetchError> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name,
    };
    let unresolved = |detail: String| FetchError::Unresolved { host: name.clone(), detail };
    let mut found = names.resolve(name).await.map_err(|error| unresolved(error.to_string()))?;
    let mut seen = HashSet::new();
    found.retain(|address| seen.insert(*address));
    match found.len() {
        0 => Err(unresolved("it has no address".to_owned())),
        count if count > MOST => Err(unresolved(format!("it has {count} addresses, of {MOST} at most"))),
        _ => Ok(found),
    }
}
