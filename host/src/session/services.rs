//! What the agent's imports do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use molecule_gate::Permit;
use molecule_protocol::proxy::ProxyAnswer;
use molecule_protocol::{Delivery, Json, Message, Part, PeerId, Role};
use molecule_runtime::wit::{Content, Error, Failure, Peer, PeerRef, RemoteError, Reply, Sent};
use molecule_runtime::{Call, CallPeer, ListPeers, Notify, Services, SetTask};
use molecule_store::state::{Settlement, StateError};
use tokio::time::Instant;
use uuid::Uuid;

use super::context::{Context, unix_millis};
use super::errors;
use super::inbox;
use super::letter::{Letter, Receiver};
use super::outbox::{NOTIFY_TIME, notify_until};

/// The services of one workspace.
pub(super) struct WorkspaceServices(pub(super) Arc<Context>);

#[async_trait]
impl Services for WorkspaceServices {
    /// Kept before it is sent, and never sent again: whether it arrived matters to an answer of the same text.
    async fn notify(&self, permit: Permit<Notify>, _call: &Call) -> Result<(), Error> {
        let letter = Letter::of(&permit.into_act().content.parts);
        if letter.is_empty() {
            return Err(Error::Invalid("a message to the user needs a text or a file".to_owned()));
        }
        // On its own: the death of the handler must not leave it half done.
        let sent = tokio::spawn(notify_once(self.0.clone(), letter)).await;
        sent.unwrap_or_else(|error| {
            Err(Error::Unavailable(Failure { message: error.to_string(), sent: Sent::Maybe }))
        })
    }

    async fn list_peers(&self, _permit: Permit<ListPeers>, _call: &Call) -> Result<Vec<Peer>, Error> {
        self.0.directory.list().await
    }

    async fn resolve_peer(&self, written: &str) -> Result<PeerRef, Error> {
        self.0.directory.resolve(written).await
    }

    async fn call_peer(&self, permit: Permit<CallPeer>, _call: &Call) -> Result<Reply, Error> {
        let CallPeer { peer, content, context_id, timeout } = permit.into_act();
        let peer: PeerId = peer.id.parse().map_err(|_| Error::Invalid(format!("{} is no peer", peer.id)))?;
        call_peer(&self.0, peer, content, context_id, timeout).await
    }

    fn set_task(&self, permit: Permit<SetTask>) {
        self.0.vitals.set_task(permit.into_act().task);
    }
}

async fn notify_once(context: Arc<Context>, letter: Letter) -> Result<(), Error> {
    let id = Uuid::new_v4().to_string();
    let send = letter.clone().into_send(id.clone(), &Receiver::User);
    let lane = match &send.digest {
        Some(digest) => Some(context.lanes.hold(digest, &id).await),
        None => None,
    };
    let failed = |error: StateError| {
        context.lost(&error);
        Error::Unavailable(Failure { message: error.to_string(), sent: Sent::No })
    };
    context.state.intend(&context.fence, send, notify_until()).await.map_err(failed)?;
    let sent = tokio::time::timeout(NOTIFY_TIME, context.client.notify(&letter.into_notify())).await;
    let (settlement, result) = match sent {
        Ok(Ok(())) => (Some(Settlement::Landed), Ok(())),
        Ok(Err(error)) => {
            let settlement = match error.delivery() {
                Delivery::No => Some(Settlement::Abandoned(error.to_string())),
                Delivery::Yes => Some(Settlement::Landed),
                Delivery::Unknown => None,
            };
            (settlement, Err(errors::of_platform(&error)))
        }
        Err(_) => {
            let message = format!("the platform did not answer within {NOTIFY_TIME:?}");
            (None, Err(Error::Timeout(Failure { message, sent: Sent::Maybe })))
        }
    };
    match settlement {
        Some(settlement) => {
            let settle = || context.state.settle(&context.fence, &id, settlement.clone(), unix_millis());
            context.keep(settle).await;
        }
        // The outbox finds out what became of it.
        None => {
            if let Some(lane) = lane {
                lane.leave_to(&id);
            }
        }
    }
    result
}

/// Sends a message to a peer and waits for the answer, which comes in the response or as a message of its own.
async fn call_peer(
    context: &Context,
    peer: PeerId,
    content: Content,
    context_id: Option<String>,
    timeout: Duration,
) -> Result<Reply, Error> {
    let deadline = Instant::now() + timeout;
    let id = Uuid::new_v4().to_string();
    let message = Message {
        role: Role::User,
        message_id: Some(id.clone()),
        parts: inbox::wire_parts(&content.parts),
        context_id,
        metadata: content.metadata.and_then(|json| Json::from_text(json).ok()),
        ..Message::default()
    };
    // Before it is sent: the answer may be faster than the response.
    let mut expected = context.waiting.expect(id.clone(), peer.clone());
    let _eager = context.poll_eagerly();
    let answered = tokio::select! {
        answered = context.client.send_to_peer(&peer, &message) => answered,
        // The peer has it or will have it: this end only stops waiting.
        answer = expected.until(deadline) => return Ok(answer.map_or(Reply::Queued(id), Reply::Answer)),
    };
    match answered {
        Ok(ProxyAnswer::Answer { text, result }) => Ok(Reply::Answer(answer_of(text, &result))),
        Ok(ProxyAnswer::QueuedPoll | ProxyAnswer::QueuedBusy { .. }) => {
            context.poll.notify_one();
            Ok(expected.until(deadline).await.map_or(Reply::Queued(id), Reply::Answer))
        }
        Ok(ProxyAnswer::RemoteError { code, message }) => {
            Err(Error::Remote(RemoteError { code: code.and_then(|code| i32::try_from(code).ok()), message }))
        }
        Ok(ProxyAnswer::Malformed { raw }) => Err(Error::Unavailable(Failure {
            message: format!("the peer's answer makes no sense: {raw}"),
            sent: Sent::Yes,
        })),
        Ok(ProxyAnswer::Failed(failure)) => Err(errors::of_proxy(&failure)),
        Err(error) => Err(errors::of_platform(&error)),
    }
}

/// The parts of a direct answer, or its text where it has none.
fn answer_of(text: String, result: &Json) -> Content {
    let parts = result.at(&["parts"]).map(|parts| Part::read_list(&parts)).unwrap_or_default();
    let parts = if parts.is_empty() { vec![Part::text(text)] } else { parts };
    Content { parts: inbox::parts(&parts), metadata: result.at(&["metadata"]).map(|it| it.get().to_owned()) }
}
