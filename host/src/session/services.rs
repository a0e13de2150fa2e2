//! What the agent's imports do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use molecule_gate::{Denial, Permit, Reach, SecretName};
use molecule_protocol::proxy::ProxyAnswer;
use molecule_protocol::{Delivery, Json, Message, Part, PeerId, Role};
use molecule_runtime::wit::approvals::Approval;
use molecule_runtime::wit::memory::{self, SearchQuery};
use molecule_runtime::wit::messages::{Attachment, Entry};
use molecule_runtime::wit::peers::{Delegated, Location};
use molecule_runtime::wit::plugins::{Installed, Plugin};
use molecule_runtime::wit::{
    Content, Error, Failure, FileSource, PartContent, Peer, PeerRef, RemoteError, Reply, Sent, WorkspaceState,
};
use molecule_runtime::{
    AllValues, Appeal, AskApproval, Beat, Call, CallPeer, Checkpoint, ClearCheckpoints, Delegate,
    DeleteValue, Discover, Fetch, FetchBody, FetchError, FetchResponse, ForgetMemory, InstallPlugin, Key,
    LatestCheckpoint, ListPeers, Memory, Notify, OpenFile, OpenPlugin, ReadApprovals, ReadDelegations,
    ReadHistory, ReadMemory, ReadState, Register, RemovePlugin, Reveal, Services, SetTask, SetValue,
    Workflow, WriteMemory,
};
use molecule_store::state::{NewSend, Settlement};
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio_util::task::AbortOnDropHandle;

use super::appeals::Hearings;
use super::context::Context;
use super::errors;
use super::inbox;
use super::lanes::Lane;
use super::letter::{Letter, Receiver};
use super::outbox::{NOTIFY_TIME, notify_until};
use super::{delegations, direct, files, history, kept, plugins, presence};
use crate::events::Event;
use crate::platform::PlatformError;
use crate::secrets::Redactor;

/// The services of one workspace.
///
/// What they do runs on the host's own threads: on those of the guests a connection would stand still while one of them
/// spins.
pub(super) struct WorkspaceServices {
    context: Arc<Context>,
    threads: Handle,
}

impl WorkspaceServices {
    /// Must be made on the threads on which its work shall run.
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, threads: Handle::current() }
    }

    /// Does something on the host's threads, until it is done or the caller has gone.
    async fn here<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let work = AbortOnDropHandle::new(self.threads.spawn(work));
        work.await.unwrap_or_else(|error| Err(broken_off(&error)))
    }
}

fn broken_off(error: &JoinError) -> Error {
    Error::Unavailable(Failure { message: error.to_string(), sent: Sent::Maybe })
}

#[async_trait]
impl Services for WorkspaceServices {
    /// Kept before it is sent, and never sent again: whether it arrived matters to an answer of the same text.
    async fn notify(&self, permit: Permit<Notify>, call: &Call) -> Result<(), Error> {
        let (context, message) = (self.context.clone(), call.message.clone());
        let parts = permit.into_act().content.parts;
        let parts =
            self.here(async move { files::attached(&context, parts, message.as_deref()).await }).await?;
        let letter = Letter::of(&parts).redacted(self.context.redactor());
        if letter.is_empty() {
            return Err(Error::Invalid("a message to the user needs a text or a file".to_owned()));
        }
        let send = letter.clone().into_send(self.context.message_id(), &Receiver::User);
        let lane = match &send.digest {
            None => None,
            Some(digest) => {
                let held = tokio::time::timeout(LANE_TIME, self.context.lanes.hold(digest, &send.id)).await;
                Some(held.map_err(|_| {
                    let message = "an equal text is still on its way to the user".to_owned();
                    Error::Unavailable(Failure { message, sent: Sent::No })
                })?)
            }
        };
        // To its end: the death of the handler must not leave it half done.
        let sending = self.threads.spawn(notify_once(self.context.clone(), letter, send, lane));
        sending.await.unwrap_or_else(|error| Err(broken_off(&error)))
    }

    async fn list_peers(&self, _permit: Permit<ListPeers>, _call: &Call) -> Result<Vec<Peer>, Error> {
        let context = self.context.clone();
        self.here(async move { context.directory.list().await }).await
    }

    async fn resolve_peer(&self, written: &str) -> Result<PeerRef, Error> {
        let (context, written) = (self.context.clone(), written.to_owned());
        self.here(async move { context.directory.resolve(&written).await }).await
    }

    async fn call_peer(&self, permit: Permit<CallPeer>, _call: &Call) -> Result<Reply, Error> {
        let CallPeer { peer, content, context_id, timeout } = permit.into_act();
        let content = redacted(content, self.context.redactor());
        let context_id = context_id.map(|id| self.context.redactor().redact_owned(id));
        let direct = direct::reach(&self.context, &peer);
        let peer: PeerId = peer.id.parse().map_err(|_| Error::Invalid(format!("{} is no peer", peer.id)))?;
        self.here(call_peer(self.context.clone(), peer, direct, content, context_id, timeout)).await
    }

    fn set_task(&self, permit: Permit<SetTask>) {
        self.context.vitals.set_task(permit.into_act().task);
    }

    async fn fetch(&self, permit: Permit<Fetch>, call: &Call) -> Result<FetchResponse, FetchError> {
        let (context, message) = (self.context.clone(), call.message.clone());
        let fetching =
            self.threads.spawn(async move { context.outlet.send(permit, message.as_deref()).await });
        AbortOnDropHandle::new(fetching).await.unwrap_or(Err(FetchError::Canceled(Sent::Maybe)))
    }

    fn secret_names(&self) -> Vec<SecretName> {
        self.context.secrets.names(&self.context.gate.grants())
    }

    async fn reveal(&self, permit: Permit<Reveal>, _call: &Call) -> Result<String, Error> {
        self.context.secrets.reveal(permit)
    }

    async fn register(&self, permit: Permit<Register>) -> Result<(), Error> {
        let context = self.context.clone();
        self.here(async move { presence::register(&context, permit).await }).await
    }

    async fn heartbeat(&self, _permit: Permit<Beat>) -> Result<(), Error> {
        let context = self.context.clone();
        self.here(async move { presence::heartbeat(&context).await }).await
    }

    async fn state(&self, _permit: Permit<ReadState>) -> Result<WorkspaceState, Error> {
        let context = self.context.clone();
        self.here(async move { presence::state(&context).await }).await
    }

    async fn open_file(&self, permit: Permit<OpenFile>) -> Result<(Attachment, FetchBody), Error> {
        let context = self.context.clone();
        self.here(async move { files::open(&context, permit).await }).await
    }

    async fn history(&self, permit: Permit<ReadHistory>) -> Result<Vec<Entry>, Error> {
        let context = self.context.clone();
        self.here(async move { history::read(&context, permit).await }).await
    }

    async fn discover(&self, permit: Permit<Discover>) -> Result<Location, Error> {
        let context = self.context.clone();
        self.here(async move { presence::discover(&context, permit).await }).await
    }

    fn invalidate(&self, _peer: Option<&str>) {
        // Peers come and go together: they are one list.
        self.context.directory.forget();
        self.context.places.forget();
    }

    async fn delegate(&self, permit: Permit<Delegate>, call: &Call) -> Result<Delegated, Error> {
        let slot = delegations::slot(&self.context, permit.act(), call);
        let context = self.context.clone();
        // To its end: the death of the handler must not leave it half done.
        let giving = self.threads.spawn(async move { delegations::delegate(&context, permit, slot).await });
        giving.await.unwrap_or_else(|error| Err(broken_off(&error)))
    }

    async fn delegation(&self, _permit: Permit<ReadDelegations>, id: &str) -> Result<Delegated, Error> {
        let (context, id) = (self.context.clone(), id.to_owned());
        self.here(async move { delegations::one(&context, &id).await }).await
    }

    async fn delegations(&self, _permit: Permit<ReadDelegations>) -> Result<Vec<Delegated>, Error> {
        let context = self.context.clone();
        self.here(async move { delegations::all(&context).await }).await
    }

    async fn value(&self, permit: Permit<ReadMemory<Key>>) -> Result<Option<memory::Entry>, Error> {
        let context = self.context.clone();
        self.here(async move { kept::value(&context, permit).await }).await
    }

    async fn values(&self, _permit: Permit<ReadMemory<AllValues>>) -> Result<Vec<memory::Entry>, Error> {
        let context = self.context.clone();
        self.here(async move { kept::values(&context).await }).await
    }

    async fn set_value(&self, permit: Permit<WriteMemory<SetValue>>) -> Result<u32, Error> {
        let context = self.context.clone();
        self.here(async move { kept::set_value(&context, permit).await }).await
    }

    async fn delete_value(&self, permit: Permit<WriteMemory<DeleteValue>>) -> Result<(), Error> {
        let context = self.context.clone();
        self.here(async move { kept::delete_value(&context, permit).await }).await
    }

    async fn commit_memory(&self, permit: Permit<WriteMemory<Memory>>) -> Result<String, Error> {
        let context = self.context.clone();
        self.here(async move { kept::commit(&context, permit).await }).await
    }

    async fn search_memories(
        &self,
        permit: Permit<ReadMemory<SearchQuery>>,
    ) -> Result<Vec<memory::Memory>, Error> {
        let context = self.context.clone();
        self.here(async move { kept::search(&context, permit).await }).await
    }

    async fn forget_memory(&self, permit: Permit<WriteMemory<ForgetMemory>>) -> Result<(), Error> {
        let context = self.context.clone();
        self.here(async move { kept::forget(&context, permit).await }).await
    }

    async fn save_checkpoint(&self, permit: Permit<WriteMemory<Checkpoint>>) -> Result<(), Error> {
        let context = self.context.clone();
        self.here(async move { kept::save_checkpoint(&context, permit).await }).await
    }

    async fn checkpoints(
        &self,
        permit: Permit<ReadMemory<Workflow>>,
    ) -> Result<Vec<memory::Checkpoint>, Error> {
        let context = self.context.clone();
        self.here(async move { kept::checkpoints(&context, permit).await }).await
    }

    async fn latest_checkpoint(
        &self,
        _permit: Permit<ReadMemory<LatestCheckpoint>>,
    ) -> Result<Option<memory::Checkpoint>, Error> {
        let context = self.context.clone();
        self.here(async move { kept::latest_checkpoint(&context).await }).await
    }

    async fn clear_checkpoints(&self, permit: Permit<WriteMemory<ClearCheckpoints>>) -> Result<(), Error> {
        let context = self.context.clone();
        self.here(async move { kept::clear_checkpoints(&context, permit).await }).await
    }

    async fn ask_approval(&self, permit: Permit<AskApproval>) -> Result<String, Error> {
        let context = self.context.clone();
        self.here(async move { kept::ask(&context, permit).await }).await
    }

    async fn approvals(&self, _permit: Permit<ReadApprovals>) -> Result<Vec<Approval>, Error> {
        let context = self.context.clone();
        self.here(async move { kept::approvals(&context).await }).await
    }

    async fn install_plugin(&self, permit: Permit<InstallPlugin>, call: &Call) -> Result<Installed, Error> {
        let (context, message) = (self.context.clone(), call.message.clone());
        self.here(async move { plugins::install(&context, permit, message).await }).await
    }

    async fn list_plugins(&self) -> Result<Vec<Plugin>, Error> {
        let context = self.context.clone();
        self.here(async move { plugins::list(&context).await }).await
    }

    async fn remove_plugin(&self, permit: Permit<RemovePlugin>, _call: &Call) -> Result<(), Error> {
        let context = self.context.clone();
        self.here(async move { plugins::remove(&context, permit).await }).await
    }

    fn plugins_folder(&self) -> Option<PathBuf> {
        plugins::folder(&self.context)
    }

    fn open_plugin(&self, name: &str) -> io::Result<Option<OpenPlugin>> {
        plugins::open(&self.context, &self.threads, name)
    }

    fn hears_appeals(&self) -> bool {
        self.context.spec.appeals.is_some()
    }

    async fn appeal(&self, denial: &Denial, _call: &Call) -> Appeal {
        let Some(appeals) = self.context.spec.appeals.clone() else { return Appeal::Denied };
        let hearing = self.threads.spawn(Hearings::hear(self.context.clone(), appeals, denial.clone()));
        AbortOnDropHandle::new(hearing).await.unwrap_or(Appeal::Denied)
    }
}

/// What is said to a peer, without the values of secrets.
fn redacted(mut content: Content, redactor: &Redactor) -> Content {
    let clean = |text: &mut String| *text = redactor.redact_owned(std::mem::take(text));
    let clean_json = |json: &mut String| *json = redactor.redact_json(std::mem::take(json));
    for part in &mut content.parts {
        match &mut part.content {
            PartContent::Text(text) => clean(text),
            PartContent::Data(json) => clean_json(json),
            PartContent::File(file) => {
                match &mut file.source {
                    FileSource::Uri(uri) => clean(uri),
                    FileSource::Bytes(bytes) => {
                        redactor.mask_all(bytes);
                    }
                }
                [&mut file.name, &mut file.media_type].into_iter().flatten().for_each(clean);
            }
        }
        part.metadata.iter_mut().for_each(clean_json);
    }
    content.metadata.iter_mut().for_each(clean_json);
    content
}

/// How long a text waits until it is known what became of an equal one.
const LANE_TIME: Duration = Duration::from_secs(30);

async fn notify_once(
    context: Arc<Context>,
    letter: Letter,
    send: NewSend,
    lane: Option<Lane>,
) -> Result<(), Error> {
    let id = send.id.clone();
    let not_sent = |message: String| Error::Unavailable(Failure { message, sent: Sent::No });
    let began = Instant::now();
    context.state.intend(context.fence(), send, notify_until(&context)).await.map_err(|error| {
        context.lost(&error);
        not_sent(error.to_string())
    })?;
    let (settlement, result) = match NOTIFY_TIME.checked_sub(began.elapsed()) {
        Some(left) => judge(tokio::time::timeout(left, context.client.notify(&letter.into_notify())).await),
        None => {
            let slow = "the state takes too long to write".to_owned();
            (Some(Settlement::Abandoned(slow.clone())), Err(not_sent(slow)))
        }
    };
    match settlement {
        Some(settlement) => {
            context
                .keep(|| {
                    context.state.settle(context.fence(), &id, settlement.clone(), context.unix_millis())
                })
                .await;
            if settlement == Settlement::Landed {
                context.say(Event::Delivered { to: Receiver::User.as_str().to_owned() });
            }
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

/// What a request came to, where that is known, and what the agent is told.
fn judge(sent: Result<Result<(), PlatformError>, Elapsed>) -> (Option<Settlement>, Result<(), Error>) {
    match sent {
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
    }
}

/// Sends a message to a peer and waits for the answer, which comes in the response or as a message of its own.
async fn call_peer(
    context: Arc<Context>,
    peer: PeerId,
    direct: Option<Reach>,
    content: Content,
    context_id: Option<String>,
    timeout: Duration,
) -> Result<Reply, Error> {
    let deadline = Instant::now() + timeout;
    let id = context.message_id();
    let message = Message {
        role: Role::User,
        message_id: Some(id.clone()),
        parts: inbox::wire_parts(&content.parts),
        context_id,
        metadata: content.metadata.and_then(|json| Json::from_text(json).ok()),
        ..Message::default()
    };
    if let Some(reach) = direct
        && let Some(reply) = direct::call(&context, &peer, reach, &message, deadline).await
    {
        return reply;
    }
    // Before it is sent: the answer may be faster than the response.
    let mut expected = context.waiting.expect(id.clone(), peer.clone());
    let _eager = context.poll_eagerly();
    let mut sending = tokio::spawn({
        let (context, peer) = (context.clone(), peer.clone());
        async move { context.client.send_to_peer(&peer, &message).await }
    });
    let answered = tokio::select! {
        answered = &mut sending => answered.map_err(|error| broken_off(&error))?,
        // It goes on its way to the peer all the same: only this end waits no longer.
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
        // The peer's, or that of something before the platform.
        Ok(ProxyAnswer::Malformed { raw }) => Err(Error::Unavailable(Failure {
            message: format!("the answer makes no sense: {raw}"),
            sent: Sent::Maybe,
        })),
        Ok(ProxyAnswer::Failed(failure)) => Err(errors::of_proxy(&failure)),
        Err(error) => Err(errors::of_platform(&error)),
    }
}

/// The parts of a direct answer, or its text where it has none.
pub(super) fn answer_of(text: String, result: &Json) -> Content {
    let parts = result.at(&["parts"]).map(|parts| Part::read_list(&parts)).unwrap_or_default();
    let parts = if parts.is_empty() { vec![Part::text(text)] } else { parts };
    Content { parts: inbox::parts(&parts), metadata: result.at(&["metadata"]).map(|it| it.get().to_owned()) }
}
