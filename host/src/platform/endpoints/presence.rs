//! Being there: health, registration, heartbeats, and whether the workspace still exists.

use molecule_protocol::card::UpdateCardRequest;
use molecule_protocol::state::{self, Existence, StateAnswer};
use molecule_protocol::{
    BearerToken, DeliveryMode, HeartbeatRequest, HeartbeatResponse, Json, NotFound, RegisterRequest,
    RegisterResponse, Workspace, WorkspaceId, heartbeat,
};
use serde::de::IgnoredAny;
use url::Url;

use super::super::client::Client;
use super::super::error::{PlatformError, PlatformFault};
use super::super::request::{Call, Lane};
use super::super::retry::Repeat;
use crate::token::TokenError;

/// How messages shall reach the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The host fetches them.
    Poll,
    /// The platform posts them to this URL, whose path nobody can guess: pushes carry no credentials.
    Push(Url),
}

/// What a registration came to. A token that the platform issued is kept and in use by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// True if the platform issued a token: the workspace had none that was alive.
    pub token_issued: bool,
    /// How messages will come. `None` from a server that may not know of poll mode.
    pub delivery_mode: Option<DeliveryMode>,
}

impl Client {
    /// `GET /health`: is there a platform? Sends no token. 5 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn health(&self) -> Result<(), PlatformError> {
        let call = Call::get(self.identity().platform.join("/health")).anonymous().within(5);
        self.exchange(call).await?.json::<IgnoredAny>().map(drop)
    }

    /// `POST /registry/register`: this host is there now, with this card. 10 s.
    ///
    /// Never for a workspace that is paused or removed: it would un-pause the one, and bring the other back as a ghost.
    /// Repeated if a token is known. Without one it is sent once, because the platform shows a new token only once.
    ///
    /// # Errors
    /// [`NotKept`](PlatformFault::NotKept) if the platform issued a token that the disk did not take; then the
    /// registration itself has succeeded. [`Unauthorized`](PlatformFault::Unauthorized) if the workspace has a token
    /// and it is not ours, [`Rejected`](PlatformFault::Rejected) with 400 from a platform that does not know poll mode.
    pub async fn register(&self, card: &Json, reach: &Reach) -> Result<Registration, PlatformError> {
        let (mode, url) = match reach {
            Reach::Poll => (DeliveryMode::Poll, None),
            Reach::Push(url) => (DeliveryMode::Push, Some(url.to_string())),
        };
        let request = RegisterRequest {
            id: self.identity().workspace.to_string(),
            url,
            agent_card: card.clone(),
            delivery_mode: Some(mode.as_str().to_owned()),
        };
        let bootstrap = self.credentials().token().is_none();
        let repeat = if bootstrap { Repeat::Once } else { Repeat::Idempotent };
        let mut call = self.post(&["registry", "register"], repeat, &request)?;
        call.if_lost = bootstrap.then_some(
            "the platform may have issued a token that is lost with the answer; if it refuses the next registration, have a new token issued and give it with --token-file",
        );
        let answer = self.exchange(call.clone()).await?;
        let said: RegisterResponse = answer.json()?;

        // Before anything else: the platform will not say it again.
        let token_issued = said.auth_token.is_some();
        if let Some(token) = said.auth_token {
            let kept = self.keep(move |credentials| credentials.issued(token)).await;
            kept.map_err(|error| self.refused(&call, PlatformFault::NotKept(error)))?;
        }
        self.keep_inbound_secret(said.platform_inbound_secret).await;
        Ok(Registration { token_issued, delivery_mode: said.delivery_mode })
    }

    /// `POST /registry/heartbeat`: the host is alive. 10 s, over connections that nothing else uses; once more at once
    /// if it fails.
    ///
    /// The workspace's id is filled in; texts are cut to what the platform can hold. Success does not prove that the
    /// workspace exists.
    ///
    /// # Errors
    /// [`Unauthorized`](PlatformFault::Unauthorized) means: find out by [`state`](Self::state).
    pub async fn heartbeat(&self, beat: HeartbeatRequest) -> Result<(), PlatformError> {
        let beat = HeartbeatRequest {
            workspace_id: self.identity().workspace.to_string(),
            current_task: heartbeat::clip(&beat.current_task),
            sample_error: heartbeat::clip(&beat.sample_error),
            ..beat
        };
        let call = self.post(&["registry", "heartbeat"], Repeat::Heartbeat, &beat)?.in_lane(Lane::Heartbeat);
        let said: HeartbeatResponse = self.exchange(call).await?.json()?;
        // The next heartbeat waits for no disk.
        let client = self.clone();
        tokio::spawn(async move { client.keep_inbound_secret(said.platform_inbound_secret).await });
        Ok(())
    }

    /// `POST /registry/update-card`: another card; nothing else of the workspace changes. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn update_card(&self, card: &Json) -> Result<(), PlatformError> {
        let request = UpdateCardRequest {
            workspace_id: self.identity().workspace.to_string(),
            agent_card: card.clone(),
        };
        self.done(self.post(&["registry", "update-card"], Repeat::Idempotent, &request)?).await
    }

    /// `GET /workspaces/:own/state`: may this workspace work? The only call that answers that. 10 s; repeated.
    ///
    /// # Errors
    /// [`RouteMissing`](PlatformFault::RouteMissing) from a platform without this endpoint, and whatever keeps the
    /// platform from answering at all. What it does answer, refusals included, is a [`StateAnswer`].
    pub async fn state(&self) -> Result<StateAnswer, PlatformError> {
        let call = Call::get(self.own(&["state"])).in_lane(Lane::Polling);
        let answer = self.exchange(call).await?;
        if answer.status == 404 && NotFound::of(&answer.body) == NotFound::Route {
            return Err(answer.refusal());
        }
        Ok(state::classify(answer.status.as_u16(), &answer.body))
    }

    /// `GET /workspaces/:own` without a token: is the workspace there at all? To be asked after a 401, which is also
    /// what a removed workspace's token gets. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn probe(&self) -> Result<Existence, PlatformError> {
        let call = Call::get(self.own(&[])).anonymous().in_lane(Lane::Polling);
        let answer = self.exchange(call).await?;
        Ok(state::probe(answer.status.as_u16(), &answer.body))
    }

    /// `GET /workspaces/:id`: what a workspace shows to everybody. 10 s; repeated.
    ///
    /// # Errors
    /// [`NotFound`](PlatformFault::NotFound), or [`Gone`](PlatformFault::Gone) after its removal.
    pub async fn workspace(&self, id: WorkspaceId) -> Result<Workspace, PlatformError> {
        let url = self.identity().platform.segments(["workspaces", &id.to_string()]);
        self.exchange(Call::get(url).anonymous()).await?.json()
    }

    async fn keep_inbound_secret(&self, secret: Option<BearerToken>) {
        let known = self.credentials().inbound_secret();
        if let Some(secret) = secret.filter(|secret| known.as_ref() != Some(secret))
            && let Err(error) = self.keep(move |credentials| credentials.inbound_issued(secret)).await
        {
            // In use all the same, and the platform repeats it: nothing to stop for.
            tracing::warn!("the platform's inbound secret could not be kept: {error}");
        }
    }

    /// Writes to the disk without holding up the tasks of this thread.
    async fn keep(
        &self,
        write: impl FnOnce(&crate::token::Credentials) -> Result<(), TokenError> + Send + 'static,
    ) -> Result<(), TokenError> {
        let credentials = self.credentials().clone();
        match tokio::task::spawn_blocking(move || write(&credentials)).await {
            Ok(kept) => kept,
            // Only a panic of `write` or the end of the runtime gets here.
            Err(error) => Err(TokenError::Interrupted(error.to_string())),
        }
    }
}
