//! What the platform keeps for the agent, and what a person is asked to decide.

use molecule_gate::Permit;
use molecule_protocol::Json;
use molecule_protocol::approvals::{self as wire_approvals, ApprovalRequest};
use molecule_protocol::memory::{self as wire, CommitRequest, MemoryQuery, SetRequest};
use molecule_runtime::wit::approvals::{Approval, Decision, Request};
use molecule_runtime::wit::memory::{self, Scope, SearchQuery};
use molecule_runtime::wit::{Error, Failure, Sent};
use molecule_runtime::{
    AskApproval, Checkpoint, ClearCheckpoints, DeleteValue, ForgetMemory, Key, Memory, ReadMemory, SetValue,
    Workflow, WriteMemory,
};

use super::context::Context;
use super::errors;
use crate::platform::PlatformError;

/// The most memories of one search.
const MEMORIES: u32 = 50;

fn failed(error: PlatformError) -> Error {
    errors::of_platform(&error)
}

/// A JSON text of the agent's, without the values of secrets.
fn json(context: &Context, text: String) -> Result<Json, Error> {
    Json::from_text(context.redactor().redact_json(text))
        .map_err(|error| Error::Invalid(format!("that is not JSON: {error}")))
}

/// What names something in a path.
fn named(what: &str, name: String) -> Result<String, Error> {
    match name.trim() {
        "" | "." | ".." => Err(Error::Invalid(format!("{name:?} is no {what}"))),
        _ => Ok(name),
    }
}

pub(super) async fn value(
    context: &Context,
    permit: Permit<ReadMemory<Key>>,
) -> Result<Option<memory::Entry>, Error> {
    let key = named("key", permit.into_act().what.0)?;
    Ok(context.client.value(&key).await.map_err(failed)?.map(entry))
}

pub(super) async fn values(context: &Context) -> Result<Vec<memory::Entry>, Error> {
    Ok(context.client.values().await.map_err(failed)?.into_iter().map(entry).collect())
}

fn entry(entry: wire::Entry) -> memory::Entry {
    let wire::Entry { key, value, version, expires_at, updated_at } = entry;
    memory::Entry { key, value: value.get().to_owned(), version, expires_at, updated_at }
}

pub(super) async fn set_value(
    context: &Context,
    permit: Permit<WriteMemory<SetValue>>,
) -> Result<u32, Error> {
    let SetValue { key, value, options } = permit.into_act().what;
    let request = SetRequest {
        key: named("key", context.redactor().redact_owned(key))?,
        value: json(context, value)?,
        ttl_seconds: options.ttl_seconds,
        if_match_version: options.if_version,
    };
    match context.client.set_value(&request).await.map_err(failed)? {
        Ok(version) => Ok(version),
        Err(conflict) => Err(Error::Conflict(match conflict.current_version {
            Some(0) => format!("{} is not there any more", request.key),
            Some(version) => format!("{} is of version {version} by now", request.key),
            None => format!("{} is of another version by now", request.key),
        })),
    }
}

pub(super) async fn delete_value(
    context: &Context,
    permit: Permit<WriteMemory<DeleteValue>>,
) -> Result<(), Error> {
    let key = named("key", permit.into_act().what.0)?;
    context.client.delete_value(&key).await.map_err(failed)
}

pub(super) async fn commit(context: &Context, permit: Permit<WriteMemory<Memory>>) -> Result<String, Error> {
    let WriteMemory { what: Memory { content, namespace }, scope } = permit.into_act();
    let redactor = context.redactor();
    let request = CommitRequest {
        content: redactor.redact_owned(content),
        scope: on_the_wire(scope),
        namespace: namespace.map(|it| redactor.redact_owned(it)),
    };
    context.client.commit_memory(&request).await.map_err(failed)
}

fn on_the_wire(scope: molecule_gate::MemoryScope) -> wire::MemoryScope {
    match scope {
        molecule_gate::MemoryScope::Local => wire::MemoryScope::Local,
        molecule_gate::MemoryScope::Team => wire::MemoryScope::Team,
        molecule_gate::MemoryScope::Global => wire::MemoryScope::Global,
    }
}

pub(super) async fn search(
    context: &Context,
    permit: Permit<ReadMemory<SearchQuery>>,
) -> Result<Vec<memory::Memory>, Error> {
    let ReadMemory { what: SearchQuery { text, namespace, limit, .. }, scope } = permit.into_act();
    let scope = on_the_wire(scope);
    let query = MemoryQuery {
        scope: Some(scope),
        q: text.map(|text| context.redactor().redact_owned(text)),
        namespace,
        limit: Some(limit.unwrap_or(MEMORIES).clamp(1, MEMORIES)),
    };
    let found = context.client.memories(&query).await.map_err(failed)?;
    // Whatever the platform answers: no more than was granted.
    Ok(found.into_iter().filter(|memory| memory.scope == scope).map(shown).collect())
}

fn shown(found: wire::Memory) -> memory::Memory {
    let wire::Memory { id, workspace_id, content, scope, namespace, created_at, similarity_score } = found;
    memory::Memory {
        id,
        workspace_id,
        content,
        scope: match scope {
            wire::MemoryScope::Local => Scope::Local,
            wire::MemoryScope::Team => Scope::Team,
            wire::MemoryScope::Global => Scope::Global,
        },
        namespace,
        created_at,
        similarity: similarity_score,
    }
}

pub(super) async fn forget(
    context: &Context,
    permit: Permit<WriteMemory<ForgetMemory>>,
) -> Result<(), Error> {
    let id = named("memory", permit.into_act().what.0)?;
    context.client.delete_memory(&id).await.map_err(failed)
}

pub(super) async fn save_checkpoint(
    context: &Context,
    permit: Permit<WriteMemory<Checkpoint>>,
) -> Result<(), Error> {
    let Checkpoint { workflow, step, index, payload } = permit.into_act().what;
    let redactor = context.redactor();
    let checkpoint = wire::Checkpoint {
        workflow_id: named("workflow", redactor.redact_owned(workflow))?,
        step_name: named("step", redactor.redact_owned(step))?,
        step_index: index,
        payload: payload.map(|payload| json(context, payload)).transpose()?,
        created_at: None,
    };
    context.client.save_checkpoint(&checkpoint).await.map_err(failed)
}

pub(super) async fn checkpoints(
    context: &Context,
    permit: Permit<ReadMemory<Workflow>>,
) -> Result<Vec<memory::Checkpoint>, Error> {
    let workflow = named("workflow", permit.into_act().what.0)?;
    let mut found: Vec<_> =
        context.client.checkpoints(&workflow).await.map_err(failed)?.into_iter().map(checkpoint).collect();
    found.sort_by_key(|checkpoint| checkpoint.index);
    Ok(found)
}

pub(super) async fn latest_checkpoint(context: &Context) -> Result<Option<memory::Checkpoint>, Error> {
    Ok(context.client.latest_checkpoint().await.map_err(failed)?.map(checkpoint))
}

fn checkpoint(found: wire::Checkpoint) -> memory::Checkpoint {
    let wire::Checkpoint { workflow_id, step_name, step_index, payload, created_at } = found;
    memory::Checkpoint {
        workflow: workflow_id,
        step: step_name,
        index: step_index,
        payload: payload.filter(|payload| !payload.is_null()).map(|payload| payload.get().to_owned()),
        at: created_at,
    }
}

pub(super) async fn clear_checkpoints(
    context: &Context,
    permit: Permit<WriteMemory<ClearCheckpoints>>,
) -> Result<(), Error> {
    let workflow = named("workflow", permit.into_act().what.0)?;
    context.client.clear_checkpoints(&workflow).await.map_err(failed)
}

pub(super) async fn ask(context: &Context, permit: Permit<AskApproval>) -> Result<String, Error> {
    let Request { action, reason, task_id, context: facts } = permit.into_act().request;
    if action.trim().is_empty() {
        return Err(Error::Invalid("a question needs to say what is to be done".to_owned()));
    }
    let redactor = context.redactor();
    let request = ApprovalRequest {
        action: redactor.redact_owned(action),
        reason: reason.map(|it| redactor.redact_owned(it)),
        task_id: task_id.map(|it| redactor.redact_owned(it)),
        context: facts.map(|facts| json(context, facts)).transpose()?,
    };
    context.client.ask_approval(&request).await.map_err(failed)
}

pub(super) async fn approvals(context: &Context) -> Result<Vec<Approval>, Error> {
    let asked = context.client.approvals().await.map_err(failed)?;
    Ok(asked.into_iter().map(approval).collect())
}

fn approval(asked: wire_approvals::Approval) -> Approval {
    let wire_approvals::Approval { id, action, status, decided_by, decided_at, .. } = asked;
    Approval {
        id,
        action,
        decision: match status.as_str() {
            "approved" => Decision::Approved,
            "pending" => Decision::Pending,
            // Whatever else a platform calls it, it is no leave.
            _ => Decision::Denied,
        },
        decided_by,
        decided_at,
    }
}

/// What cannot be done here and now.
pub(super) fn unavailable(message: String) -> Error {
    Error::Unavailable(Failure { message, sent: Sent::No })
}
