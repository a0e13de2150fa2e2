//! Messages: the inbox, answers to the user, and messages to peers.

use molecule_protocol::proxy::{self, ProxyAnswer};
use molecule_protocol::{
    ActivityPage, ActivityQuery, ActivityReport, Message, NotifyRequest, PeerId, RpcRequest,
};
use serde::de::IgnoredAny;

use super::super::client::Client;
use super::super::error::{PlatformError, PlatformFault};
use super::super::request::{Call, Lane};
use super::super::retry::Repeat;

/// What the activity log answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityAnswer {
    /// The rows that were asked for.
    Page(ActivityPage),
    /// The row of `since_id` is gone: nobody knows what was missed since. Also the sign that a platform knows cursors.
    CursorLost,
}

/// The longest page. Rows carry whole messages of up to 1 MiB each, but a page of nothing but those is a fault.
const PAGE: usize = 16 * 1024 * 1024;

/// The longest answer of a peer: the platform cuts at 10 MiB.
const PEER_ANSWER: usize = 11 * 1024 * 1024;

/// The longest message to a peer. The platform cuts the rest off without a word.
const PEER_MESSAGE: usize = 1024 * 1024;

impl Client {
    /// `GET /workspaces/:own/activity`: rows of the workspace's log. 15 s; repeated; up to 16 MiB.
    ///
    /// # Errors
    /// [`TooLarge`](PlatformFault::TooLarge): ask again with a smaller `limit`. Otherwise whatever keeps the platform
    /// from answering.
    pub async fn activity(&self, query: &ActivityQuery) -> Result<ActivityAnswer, PlatformError> {
        let mut url = self.own(&["activity"]);
        url.set_query(Some(&query.to_query()).filter(|query| !query.is_empty()).map(String::as_str));
        let call = Call::get(url).in_lane(Lane::Polling).within(15).up_to(PAGE);
        let answer = self.exchange(call).await?;
        if answer.status == 410 {
            return Ok(ActivityAnswer::CursorLost);
        }
        answer
            .read(|body| ActivityPage::read(body).map_err(|error| error.to_string()))
            .map(ActivityAnswer::Page)
    }

    /// `POST /workspaces/:own/notify`: a text to the user. 15 s; sent once.
    ///
    /// # Errors
    /// If [`delivery`](PlatformError::delivery) is not certain, look for its echo in the log before sending it again:
    /// two of the same are shown twice.
    pub async fn notify(&self, request: &NotifyRequest) -> Result<(), PlatformError> {
        let own = self.identity().workspace.to_string();
        let call = self.post(&["workspaces", &own, "notify"], Repeat::Once, request)?.within(15);
        self.exchange(call).await?.json::<IgnoredAny>().map(drop)
    }

    /// `POST /workspaces/:own/activity`: a row for the workspace's own log. 10 s; sent once, at the pace of polling.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering; that it does so does not mean that the row is there.
    pub async fn report(&self, row: &ActivityReport) -> Result<(), PlatformError> {
        let own = self.identity().workspace.to_string();
        let call = self.post(&["workspaces", &own, "activity"], Repeat::Once, row)?.in_lane(Lane::Polling);
        self.exchange(call).await?.json::<IgnoredAny>().map(drop)
    }

    /// `POST /workspaces/:peer/a2a`: a message to a peer, through the platform. 330 s: the peer may think for minutes.
    ///
    /// Every answer is judged, refusals included. It is sent again, with the same message id, only where the platform
    /// says that the peer has not got it.
    ///
    /// # Errors
    /// [`Invalid`](PlatformFault::Invalid) for a message without an id or longer than 1 MiB; otherwise there was no
    /// answer, and [`delivery`](PlatformError::delivery) says whether the peer may have the message.
    pub async fn send_to_peer(&self, peer: &PeerId, message: &Message) -> Result<ProxyAnswer, PlatformError> {
        let request = RpcRequest::message_send(message.message_id.as_deref().unwrap_or_default(), message);
        let mut call = self
            .post(&["workspaces", peer.as_str(), "a2a"], Repeat::Message, &request)?
            .within(330)
            .up_to(PEER_ANSWER);
        call.as_source = true;
        let invalid = |why: &str| Err(self.refused(&call, PlatformFault::Invalid(why.to_owned())));
        if message.message_id.is_none() {
            return invalid("the message has no id; give it one, so that a copy can be recognised");
        }
        if call.body.as_ref().is_some_and(|body| body.len() > PEER_MESSAGE) {
            return invalid(
                "the message is longer than 1 MiB; send a shorter one, or what it holds as a file",
            );
        }
        let answer = self.exchange(call).await?;
        // What the peer answers is its own; what anything on the way says may quote what we sent.
        let body = match answer.status.is_success() {
            true => answer.body.clone(),
            false => {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                self.credentials().redact(said).into_bytes().into()
            }
        };
        Ok(proxy::classify(answer.status.as_u16(), answer.content_type(), &body))
    }
}
