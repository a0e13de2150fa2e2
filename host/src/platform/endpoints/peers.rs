//! Who else is there.

use molecule_protocol::PeerId;
use molecule_protocol::discovery::{DiscoverResponse, Peer};

use super::super::client::Client;
use super::super::error::PlatformError;
use super::super::request::Call;

impl Client {
    /// `GET /registry/:own/peers`: the workspaces that this one may talk to. 10 s; repeated.
    ///
    /// # Errors
    /// Told apart, because "nobody is there" is something else than "you may not ask":
    /// [`Unauthorized`](super::super::PlatformFault::Unauthorized), [`NotFound`](super::super::PlatformFault::NotFound),
    /// [`Server`](super::super::PlatformFault::Server), [`Timeout`](super::super::PlatformFault::Timeout), and so on.
    pub async fn peers(&self) -> Result<Vec<Peer>, PlatformError> {
        let own = self.identity().workspace.to_string();
        let call = Call::get(self.identity().platform.segments(["registry", &own, "peers"]));
        self.exchange(call)
            .await?
            .read(|body| Peer::read_list(body).ok_or_else(|| "not a list of peers".to_owned()))
    }

    /// `GET /registry/discover/:peer`: what the platform knows of where a peer is. 10 s; repeated.
    ///
    /// For people to look at: the URL is often one of the platform's inside, and messages go through the platform.
    ///
    /// # Errors
    /// [`Forbidden`](super::super::PlatformFault::Forbidden) for a workspace that is foreign or unknown,
    /// [`Server`](super::super::PlatformFault::Server) with 503 for one that is not connected.
    pub async fn discover(&self, peer: &PeerId) -> Result<DiscoverResponse, PlatformError> {
        let call = Call::get(self.identity().platform.segments(["registry", "discover", peer.as_str()]));
        self.exchange(call).await?.json()
    }
}
