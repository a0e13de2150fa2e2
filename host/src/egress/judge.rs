//! Every address that a name has, judged.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use molecule_gate::{Act, Effect, Gate, Host, Permit, Reach, Target};
use molecule_runtime::FetchError;

use super::world::Resolver;

/// Addresses that a name may have. None has more for good reasons, and each leaves a receipt.
const MOST: usize = 64;

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
    resolver: &dyn Resolver,
    gate: &Gate,
    target: &Arc<Target>,
    reach: &Reach,
    message: Option<&str>,
) -> Result<Vec<Permit<Connect>>, FetchError> {
    let judge = |address: IpAddr| {
        let address = SocketAddr::new(address, target.port());
        gate.pass(Connect { target: target.clone(), address, reach: *reach }, message)
    };
    Ok(find(resolver, target.host()).await?.into_iter().map(judge).collect::<Result<_, _>>()?)
}

async fn find(resolver: &dyn Resolver, host: &Host) -> Result<Vec<IpAddr>, FetchError> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name,
    };
    let unresolved = |detail: String| FetchError::Unresolved { host: name.clone(), detail };
    let mut found = resolver.resolve(name).await.map_err(|error| unresolved(error.to_string()))?;
    let mut seen = HashSet::new();
    found.retain(|address| seen.insert(*address));
    match found.len() {
        0 => Err(unresolved("it has no address".to_owned())),
        count if count > MOST => Err(unresolved(format!("it has {count} addresses, of {MOST} at most"))),
        _ => Ok(found),
    }
}
