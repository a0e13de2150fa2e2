//! What an operator gives to a workspace: secrets and instructions.

use molecule_protocol::Secrets;
use molecule_protocol::instructions::InstructionsResponse;

use super::super::client::Client;
use super::super::error::PlatformError;
use super::super::request::{Call, Lane};

impl Client {
    /// `GET /workspaces/:own/secrets/values`: all secrets of the workspace, those of the whole platform included. 10 s;
    /// repeated.
    ///
    /// # Errors
    /// [`Server`](super::super::PlatformFault::Server) names the secrets that the platform could not decrypt; it then
    /// gives out none.
    pub async fn secrets(&self) -> Result<Secrets, PlatformError> {
        let call = Call::get(self.own(&["secrets", "values"])).in_lane(Lane::Polling);
        Ok(self.exchange(call).await?.json::<Option<Secrets>>()?.unwrap_or_default())
    }

    /// `GET /workspaces/:own/instructions/resolve`: the operator's word to the agent, if there is one. 10 s; repeated.
    ///
    /// # Errors
    /// [`RouteMissing`](super::super::PlatformFault::RouteMissing) from a platform without this endpoint.
    pub async fn instructions(&self) -> Result<Option<String>, PlatformError> {
        let call = Call::get(self.own(&["instructions", "resolve"])).in_lane(Lane::Polling);
        let said = self.exchange(call).await?.json::<Option<InstructionsResponse>>()?;
        Ok(said.and_then(|said| said.instructions).filter(|text| !text.trim().is_empty()))
    }
}
