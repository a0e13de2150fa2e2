//! Tasks that were given to peers, and what came of them.
//!
//! A delegation is kept before the platform is asked for it, under a key by which the platform knows a copy: a message
//! that is handled twice gives its task once, and one whose answer was lost is asked for again. The results come in two
//! ways, and the agent hears of each once:
//!
//! - a peer that polls answers with a message, which names the delegation;
//! - for others the platform keeps the result, which is looked for as long as there is one to come.
//!
//! Either becomes a message to the agent, marked as a reply, in one step with what is remembered of it.

use std::sync::Arc;
use std::time::Duration;

use molecule_gate::Permit;
use molecule_protocol::delegation::{self, DelegateRequest, Outcome};
use molecule_protocol::{Delivery, Message, Part, PeerId, Role};
use molecule_runtime::wit::peers::{Delegated, DelegationStatus};
use molecule_runtime::wit::{self, Error, PeerRef, Sender};
use molecule_runtime::{Call, Delegate};
use molecule_store::state::{
    Delegation, DelegationProgress, DelegationStep, NewDelegation, Page, Row, RowKind,
};

use super::context::Context;
use super::errors;
use super::inbox::Received;
use crate::clock;
use crate::events::Event;
use crate::platform::{PlatformError, PlatformFault};
use crate::spec::DelegationKeys;

/// How often results are looked for while there are some to come, in polls.
const EVERY: u32 = 4;
/// And so often at least.
const SELDOM: Duration = Duration::from_secs(60);
/// What an agent is shown of its delegations.
const SHOWN: usize = 50;

/// What names a delegation on this host: the agent's own key; or the message that it was made for, so that a second run of
/// that makes the same one; or nothing but itself.
pub(super) fn slot(context: &Context, act: &Delegate, call: &Call) -> String {
    let hash = |parts: &[&str]| {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    };
    match (&act.key, &call.message, &call.sender) {
        (Some(key), _, _) => format!("key:{}", hash(&[key])),
        (None, Some(message), Some(sender)) => {
            let sender = match sender {
                Sender::Peer(peer) => peer.id.as_str(),
                Sender::Caller(caller) => caller.id.as_str(),
                Sender::User | Sender::Schedule(_) => "user",
            };
            format!("message:{}", hash(&[sender, message, &act.peer.id, &act.task]))
        }
        _ => format!("once:{}", context.message_id()),
    }
}

/// Gives a task to a peer.
pub(super) async fn delegate(
    context: &Context,
    permit: Permit<Delegate>,
    slot: String,
) -> Result<Delegated, Error> {
    let Delegate { peer, task, key } = permit.into_act();
    let target: PeerId = peer.id.parse().map_err(|_| Error::Invalid(format!("{} is no peer", peer.id)))?;
    let task = context.redactor().redact_owned(task).replace('\0', "");
    if task.trim().is_empty() {
        return Err(Error::Invalid("a delegation needs a task".to_owned()));
    }
    let key = key.unwrap_or_else(|| idempotency_key(context, &slot, &target, &task));
    let new =
        NewDelegation { slot, key, target: target.as_str().to_owned(), task, at: context.unix_millis() };
    let kept = context.keep(|| context.state.open_delegation(context.fence(), new.clone())).await;
    let kept = kept.ok_or(Error::Canceled(wit::Sent::No))?;
    if kept.id.is_some() {
        return Ok(shown(context, kept));
    }
    let asked = ask(context, &kept).await;
    // Its result is looked for, or it is asked for again.
    context.delegated.notify_one();
    match asked {
        Ok(id) => Ok(shown(context, Delegation { id: Some(id), ..kept })),
        Err(error) => Err(errors::of_platform(&error)),
    }
}

fn idempotency_key(context: &Context, slot: &str, target: &PeerId, task: &str) -> String {
    match context.spec.delegation_keys {
        DelegationKeys::Unique => {
            let own = context.spec.workspace_id.to_string();
            delegation::unique_key(&own, target.as_str(), task, slot)
        }
        DelegationKeys::CompatMinute => {
            delegation::compat_minute_key(task, clock::unix_millis(&context.clock).div_euclid(1000))
        }
    }
}

/// Asks the platform to pass a task on, and keeps what it says.
async fn ask(context: &Context, kept: &Delegation) -> Result<String, PlatformError> {
    let request = DelegateRequest {
        target_id: kept.made.target.clone(),
        task: kept.made.task.clone(),
        idempotency_key: Some(kept.made.key.clone()),
    };
    let (step, result) = match context.client.delegate(&request).await {
        Ok(answer) => {
            (DelegationStep::Accepted { id: answer.delegation_id.clone() }, Ok(answer.delegation_id))
        }
        // Nobody can tell, or it will work later: it is asked for again, under the same key.
        Err(error) if error.delivery() != Delivery::No => return Err(error),
        Err(error) => (DelegationStep::Refused { reason: error.to_string() }, Err(error)),
    };
    step_to(context, &kept.made.slot, step).await;
    result
}

async fn step_to(context: &Context, slot: &str, step: DelegationStep) {
    let at = context.unix_millis();
    context.keep(|| context.state.delegation_step(context.fence(), slot, step.clone(), at)).await;
}

/// One delegation, as it stands now.
pub(super) async fn one(context: &Context, id: &str) -> Result<Delegated, Error> {
    let found = context.state.delegation(context.fence(), id).await.map_err(|error| unreadable(&error))?;
    let found =
        found.ok_or_else(|| Error::NotFound(format!("this workspace has made no delegation {id}")))?;
    if found.progress != DelegationProgress::Open {
        return Ok(shown(context, found));
    }
    look_for(context, std::slice::from_ref(&found)).await.map_err(|error| errors::of_platform(&error))?;
    let found = context.state.delegation(context.fence(), id).await.map_err(|error| unreadable(&error))?;
    found.map(|found| shown(context, found)).ok_or_else(|| Error::NotFound(id.to_owned()))
}

/// Those that are remembered.
pub(super) async fn all(context: &Context) -> Result<Vec<Delegated>, Error> {
    let kept = context.state.delegations(context.fence(), SHOWN).await.map_err(|error| unreadable(&error))?;
    Ok(kept.into_iter().filter(|kept| kept.id.is_some()).map(|kept| shown(context, kept)).collect())
}

fn unreadable(error: &molecule_store::state::StateError) -> Error {
    Error::Unavailable(wit::Failure { message: error.to_string(), sent: wit::Sent::No })
}

fn shown(context: &Context, kept: Delegation) -> Delegated {
    let name = context.directory.name_of(&kept.made.target);
    Delegated {
        id: kept.id.unwrap_or_default(),
        peer: PeerRef { id: kept.made.target, name },
        task: kept.made.task,
        status: match kept.progress {
            DelegationProgress::Open => DelegationStatus::Pending,
            DelegationProgress::Queued => DelegationStatus::Queued,
            DelegationProgress::Completed { text } => {
                let part = wit::Part { content: wit::PartContent::Text(text), metadata: None };
                DelegationStatus::Completed(wit::Content { parts: vec![part], metadata: None })
            }
            DelegationProgress::Refused { reason } | DelegationProgress::Failed { reason } => {
                DelegationStatus::Failed(reason)
            }
        },
        at: molecule_protocol::Timestamp::from_millisecond(kept.made.at).ok().map(|at| at.to_string()),
    }
}

/// Looks for results as long as there are some to come, and asks again for what nobody knows the fate of.
pub(super) async fn run(context: Arc<Context>) {
    loop {
        context.working().await;
        let open = context.keep(|| context.state.open_delegations(context.fence())).await;
        let open = open.unwrap_or_default();
        if open.is_empty() {
            context.delegated.notified().await;
            continue;
        }
        // In a box: hardly any agent has one, and each would keep the room for it.
        Box::pin(reconcile(&context, open)).await;
        let wait = (context.spec.intervals.poll * EVERY).min(SELDOM);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // A new one: its answer may be there at once.
            () = context.delegated.notified() => tokio::time::sleep(wait.min(Duration::from_secs(1))).await,
        }
    }
}

/// Asks again for those that nobody knows the fate of, and looks for the results of the others.
async fn reconcile(context: &Context, open: Vec<Delegation>) {
    let (named, unnamed): (Vec<_>, Vec<_>) = open.into_iter().partition(|kept| kept.id.is_some());
    let mut failed = None;
    for kept in &unnamed {
        if let Err(error) = ask(context, kept).await {
            failed = Some(error);
        }
    }
    if !named.is_empty()
        && let Err(error) = look_for(context, &named).await
    {
        failed = Some(error);
    }
    if let Some(error) = failed {
        match error.fault {
            PlatformFault::Unauthorized { .. } => context.look.notify_one(),
            _ => tracing::debug!("results of delegations could not be asked for: {error}"),
        }
    }
}

/// Asks the platform what became of these, and takes in the results that there are.
async fn look_for(context: &Context, open: &[Delegation]) -> Result<(), PlatformError> {
    let rows = context.client.delegations().await?;
    for kept in open {
        let Some(id) = &kept.id else { continue };
        match delegation::result_of(&rows, id) {
            Outcome::Pending => {}
            Outcome::Queued => step_to(context, &kept.made.slot, DelegationStep::Queued).await,
            Outcome::Completed { preview } => {
                let text = context.client.delegation_text(&kept.made.target, &preview).await?;
                came(context, kept, id, Ok(text)).await;
            }
            Outcome::Failed { error } => came(context, kept, id, Err(error)).await,
        }
    }
    Ok(())
}

/// A result has come: a message to the agent, in one step with what is remembered of the delegation.
async fn came(context: &Context, kept: &Delegation, id: &str, result: Result<String, String>) {
    let text = match &result {
        Ok(text) => text.clone(),
        Err(reason) => format!("The delegation failed: {reason}"),
    };
    let Ok(peer) = kept.made.target.parse::<PeerId>() else { return };
    let received = Received {
        row: row(id),
        peer: Some(peer),
        stranger: None,
        message: Message {
            role: Role::Agent,
            message_id: Some(row(id)),
            parts: vec![Part::text(text)],
            metadata: molecule_protocol::Json::of(&serde_json::json!({
                "in_reply_to": id,
                "delegation_id": id,
                "delegation_status": if result.is_ok() { "completed" } else { "failed" },
            }))
            .ok(),
            ..Message::default()
        },
    };
    let step = match result {
        Ok(text) => DelegationStep::Completed { text },
        Err(reason) => DelegationStep::Failed { reason },
    };
    let page = Page {
        rows: vec![Row { id: row(id), kind: RowKind::Message(received.to_incoming()) }],
        at: context.unix_millis(),
        delegations: vec![(kept.made.slot.clone(), step)],
        ..Page::default()
    };
    let accepted = context.keep(|| context.state.accept(context.fence(), page.clone())).await;
    if accepted.is_some_and(|accepted| !accepted.messages.is_empty()) {
        context.say(Event::MessageIn { id: row(id), from: kept.made.target.clone() });
        context.inbox.notify_one();
    }
}

/// Under which the result of a delegation is known, however it comes.
fn row(id: &str) -> String {
    format!("delegation:{id}")
}

/// A message that answers a delegation of this workspace, as it is kept: under the name that the result would have if the
/// platform told of it, so that the two are taken for one. `None` where it is a message like any other.
pub(super) async fn answered(context: &Context, received: &Received) -> Option<Answered> {
    if !received.message.is_reply() {
        return None;
    }
    let id = received.message.metadata_text("delegation_id").or_else(|| received.in_reply_to())?;
    let kept = context.state.delegation(context.fence(), &id).await.ok()??;
    let from_target = received.peer.as_ref().is_some_and(|peer| peer.as_str() == kept.made.target);
    let is_open = matches!(kept.progress, DelegationProgress::Open | DelegationProgress::Queued);
    (from_target && is_open).then(|| Answered { id, slot: kept.made.slot, text: received.message.text() })
}

/// The answer to a delegation, on its way into the state.
pub(super) struct Answered {
    id: String,
    slot: String,
    text: String,
}

impl Answered {
    /// The id under which it is kept.
    pub(super) fn message_id(&self) -> String {
        row(&self.id)
    }

    /// What is to be remembered of the delegation, in one step with the message.
    pub(super) fn into_step(self) -> (String, DelegationStep) {
        (self.slot, DelegationStep::Completed { text: self.text })
    }
}
