//! The peers, as the platform lists them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use molecule_protocol::discovery::Peer;
use molecule_runtime::wit::{self, Error, PeerRef};
use tokio::time::Instant;

use super::errors;
use crate::platform::Client;

/// How long a list is good for.
const FRESH: Duration = Duration::from_secs(300);
/// A name that is not in a list is looked for once more, but not in a list that is younger than this.
const JUST_ASKED: Duration = Duration::from_secs(2);

/// The peers of one workspace, remembered for five minutes.
#[derive(Debug)]
pub(super) struct Directory {
    client: Client,
    known: Mutex<Option<(Instant, Vec<Peer>)>>,
    /// Held while the platform is asked: whoever else wants to know waits for that answer.
    asking: tokio::sync::Mutex<()>,
}

impl Directory {
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// All peers.
    pub(super) async fn list(&self) -> Result<Vec<wit::Peer>, Error> {
        let peers = self.at_most(FRESH).await?;
        Ok(peers
            .into_iter()
            .map(|peer| wit::Peer {
                id: peer.id.as_str().to_owned(),
                name: peer.name,
                role: peer.role,
                status: peer.status.as_str().to_owned(),
                card: peer.agent_card.map(|card| card.get().to_owned()),
            })
            .collect())
    }

    /// The peer of this id or of this name.
    pub(super) async fn resolve(&self, written: &str) -> Result<PeerRef, Error> {
        for age in [FRESH, JUST_ASKED] {
            let peers = self.at_most(age).await?;
            if let Some(peer) = find(&peers, written)? {
                return Ok(peer);
            }
        }
        Err(Error::NotFound(format!("no peer of this workspace has the id or the name {written}")))
    }

    /// Forgets the list: the next question is asked of the platform again.
    pub(super) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The name of a peer, where it is known already.
    pub(super) fn name_of(&self, id: &str) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, peers) = known.as_ref()?;
        peers.iter().find(|peer| peer.id.as_str() == id).map(|peer| peer.name.clone())
    }

    async fn at_most(&self, age: Duration) -> Result<Vec<Peer>, Error> {
        if let Some(peers) = self.remembered(age) {
            return Ok(peers);
        }
        let _asking = self.asking.lock().await;
        if let Some(peers) = self.remembered(age) {
            return Ok(peers);
        }
        let peers = self.client.peers().await.map_err(|error| errors::of_platform(&error))?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), peers.clone()));
        Ok(peers)
    }

    fn remembered(&self, age: Duration) -> Option<Vec<Peer>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(at, _)| at.elapsed() < age).map(|(_, peers)| peers.clone())
    }
}

fn find(peers: &[Peer], written: &str) -> Result<Option<PeerRef>, Error> {
    let of = |peer: &Peer| PeerRef { id: peer.id.as_str().to_owned(), name: Some(peer.name.clone()) };
    if let Some(peer) = peers.iter().find(|peer| peer.id.as_str().eq_ignore_ascii_case(written)) {
        return Ok(Some(of(peer)));
    }
    let named: Vec<&Peer> = peers.iter().filter(|peer| peer.name == written).collect();
    match named.as_slice() {
        [] => Ok(None),
        [peer] => Ok(Some(of(peer))),
        several => {
            let ids: Vec<&str> = several.iter().map(|peer| peer.id.as_str()).collect();
            Err(Error::Conflict(format!(
                "several peers are called {written}; name one by its id: {}",
                ids.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_found_by_id_or_by_a_name_that_only_one_has() {
        let peers = Peer::read_list(
            br#"[{"id":"7c1e2b9a-1111-4222-8333-444455556666","name":"bob"},
                 {"id":"7c1e2b9a-1111-4222-8333-444455557777","name":"twin"},
                 {"id":"7c1e2b9a-1111-4222-8333-444455558888","name":"twin"}]"#,
        )
        .unwrap();
        let found = |written: &str| find(&peers, written).map(|peer| peer.map(|peer| peer.id));
        let bob = "7c1e2b9a-1111-4222-8333-444455556666";
        assert_eq!(found("bob"), Ok(Some(bob.to_owned())));
        assert_eq!(found(bob), Ok(Some(bob.to_owned())));
        assert_eq!(found(&bob.to_uppercase()), Ok(Some(bob.to_owned())));
        assert_eq!(found("Bob"), Ok(None));
        assert!(matches!(found("twin"), Err(Error::Conflict(_))));
    }
}
