//! Calls of peers at their own address, where the operator wants that (`--direct-peer`).
//!
//! The address is the one that the peer has told the platform. What goes there says nothing of us: no token, no id, no
//! header of the platform's. Where it certainly did not arrive the address is forgotten, and the call goes through the
//! platform; else it is over, since the peer may have it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt as _;
use molecule_gate::Reach;
use molecule_protocol::proxy::{self, ProxyAnswer};
use molecule_protocol::{Message, PeerId, RpcRequest};
use molecule_runtime::FetchError;
use molecule_runtime::wit::{Error, Failure, PeerRef, RemoteError, Reply, Sent};
use tokio::time::Instant;

use super::context::Context;
use super::services::answer_of;
use crate::events::Event;

/// How long an address is good for.
const FRESH: Duration = Duration::from_secs(300);
/// The longest answer, in bytes.
const ANSWER: u64 = 10 * 1024 * 1024;

/// Where peers are that are asked directly.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<PeerId, Place>>);

#[derive(Debug)]
struct Place {
    at: Instant,
    /// None where the platform knows no address.
    url: Option<String>,
}

impl Places {
    /// Forgets where everybody is.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which addresses a peer may be asked at; `None` for one that is asked through the platform.
pub(super) fn reach(context: &Context, peer: &PeerRef) -> Option<Reach> {
    let mut direct = context.spec.direct_peers.iter();
    direct.find(|it| it.matches(&peer.id, peer.name.as_deref())).map(|it| it.reach())
}

/// What the peer answers; `None` where the message certainly has not reached it.
pub(super) async fn call(
    context: &Context,
    peer: &PeerId,
    reach: Reach,
    message: &Message,
    deadline: Instant,
) -> Option<Result<Reply, Error>> {
    let url = place(context, peer).await?;
    let id = message.message_id.as_deref().unwrap_or_default();
    let body = serde_json::to_string(&RpcRequest::message_send(id, message)).ok()?;
    let time = deadline.saturating_duration_since(Instant::now());
    match asked(context, &url, body, reach, time).await {
        Ok(answer) => Some(read(answer)),
        Err(error) if error.sent() == Sent::No => {
            context.places.lock().remove(peer);
            let name = context.directory.name_of(peer.as_str()).unwrap_or_else(|| peer.to_string());
            context.say(Event::Trouble(format!(
                "{name} cannot be reached at its own address ({error}); it is asked through the platform"
            )));
            None
        }
        Err(error @ FetchError::Timeout { .. }) => {
            Some(Err(Error::Timeout(Failure { sent: error.sent(), message: error.to_string() })))
        }
        Err(error) => {
            Some(Err(Error::Unavailable(Failure { sent: error.sent(), message: error.to_string() })))
        }
    }
}

/// Where it is, as the platform says, or has said a short while ago.
async fn place(context: &Context, peer: &PeerId) -> Option<String> {
    if let Some(place) = context.places.lock().get(peer).filter(|it| it.at.elapsed() < FRESH) {
        return place.url.clone();
    }
    // Whatever is wrong with it is said by the platform when it is asked to pass the message on.
    let found = context.client.discover(peer).await.ok()?;
    let url = Some(found.url).filter(|url| !url.is_empty());
    context.places.lock().insert(peer.clone(), Place { at: Instant::now(), url: url.clone() });
    url
}

async fn asked(
    context: &Context,
    url: &str,
    body: String,
    reach: Reach,
    time: Duration,
) -> Result<ProxyAnswer, FetchError> {
    let response = context.outlet.post_json(url, body, reach, time, ANSWER).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let content_type = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(proxy::classify(head.status.as_u16(), content_type, &body))
}

/// Nobody queues anything here: what is no answer is the peer's own error.
fn read(answer: ProxyAnswer) -> Result<Reply, Error> {
    let remote = |code: Option<i32>, message: String| Err(Error::Remote(RemoteError { code, message }));
    match answer {
        ProxyAnswer::Answer { text, result } => Ok(Reply::Answer(answer_of(text, &result))),
        ProxyAnswer::RemoteError { code, message } => {
            remote(code.and_then(|code| i32::try_from(code).ok()), message)
        }
        ProxyAnswer::Failed(failure) => {
            remote(Some(failure.status.into()), format!("its own server answered {}", failure.status))
        }
        ProxyAnswer::QueuedPoll | ProxyAnswer::QueuedBusy { .. } => {
            remote(None, "its own server took the message and gave no answer".to_owned())
        }
        ProxyAnswer::Malformed { raw } => remote(None, format!("the answer makes no sense: {raw}")),
    }
}
