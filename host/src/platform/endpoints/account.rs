//! What the platform says of a workspace: what it may do, what it has spent, what it did.

use molecule_protocol::PeerId;
use molecule_protocol::budget::{self, Budget};
use molecule_protocol::connection::ExternalConnection;
use molecule_protocol::discovery::{CheckAccessRequest, CheckAccessResponse};
use molecule_protocol::queue::QueueStatus;
use molecule_protocol::search::SessionHit;

use super::super::client::Client;
use super::super::error::PlatformError;
use super::super::request::Call;
use super::super::retry::Repeat;

impl Client {
    /// `GET /workspaces/:own/external/connection`: how an operator connects the workspace, without its token. 10 s;
    /// repeated.
    ///
    /// # Errors
    /// [`RouteMissing`](super::super::PlatformFault::RouteMissing) from a platform that cannot rotate tokens.
    pub async fn external_connection(&self) -> Result<ExternalConnection, PlatformError> {
        let answer = self.exchange(Call::get(self.own(&["external", "connection"]))).await?;
        answer.read(|body| ExternalConnection::read(body).ok_or_else(|| "not a connection".to_owned()))
    }

    /// `POST /registry/check-access`: may this workspace talk to that one? 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn check_access(&self, peer: &PeerId) -> Result<bool, PlatformError> {
        let caller_id = self.identity().workspace.to_string();
        let request = CheckAccessRequest { caller_id, target_id: peer.as_str().to_owned() };
        let call = self.post(&["registry", "check-access"], Repeat::Idempotent, &request)?;
        Ok(self.exchange(call).await?.json::<CheckAccessResponse>()?.allowed)
    }

    /// `GET /workspaces/:peer/a2a/queue/:id`: what became of a message that waits for a busy peer. 10 s; repeated.
    ///
    /// # Errors
    /// [`NotFound`](super::super::PlatformFault::NotFound) where it is not ours to see, or no more.
    pub async fn queue_status(&self, peer: &PeerId, id: &str) -> Result<QueueStatus, PlatformError> {
        let route = ["workspaces", peer.as_str(), "a2a", "queue", id];
        let answer = self.exchange(Call::get(self.identity().platform.segments(route))).await?;
        answer.read(|body| QueueStatus::read(body).ok_or_else(|| "no status".to_owned()))
    }

    /// `GET /workspaces/:own/session-search`: what the workspace did and remembers, by a word. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn session_search(&self, text: &str, limit: u32) -> Result<Vec<SessionHit>, PlatformError> {
        let mut url = self.own(&["session-search"]);
        url.query_pairs_mut().append_pair("q", text).append_pair("limit", &limit.to_string());
        let answer = self.exchange(Call::get(url)).await?;
        answer
            .read(|body| SessionHit::read_list(body).ok_or_else(|| "not a list of what was found".to_owned()))
    }

    /// `GET /workspaces/:own/budget`: what the workspace has spent, and may. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn budget(&self) -> Result<Budget, PlatformError> {
        let answer = self.exchange(Call::get(self.own(&["budget"]))).await?;
        answer.read(|body| Budget::read(body).ok_or_else(|| "not a budget".to_owned()))
    }

    /// `GET /workspaces/:own/model`: the model that the operator chose, if one did. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn model(&self) -> Result<Option<String>, PlatformError> {
        self.exchange(Call::get(self.own(&["model"]))).await?.read(|body| Ok(budget::read_model(body)))
    }
}
