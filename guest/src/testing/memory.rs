//! What the platform keeps, kept by the test: the functions that an agent calls, and what a test sees of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::host::{Event, Host};
use super::imports::{awaited, record};
use super::{calendar, denied};
use crate::Error;
pub(crate) use crate::bindings::molecule::agent::memory::{SearchQuery, SetOptions};
use crate::memory::{Checkpoint, Entry, Memory, Scope};

/// All that is kept.
#[derive(Default)]
pub(super) struct Store {
    /// How far the grant reaches, if there is one.
    granted: Option<Scope>,
    /// The values, and when they go.
    values: BTreeMap<String, (Entry, Option<Duration>)>,
    memories: Vec<Memory>,
    /// The one that was saved last is the last.
    checkpoints: Vec<Checkpoint>,
    committed: u64,
}

impl Host {
    /// Grants memory, as `--allow-memory` does: as far as the agent's own, its team's, or everybody's. Without it, memory
    /// is denied. What is kept is kept as long as this host: an agent that is started again finds it.
    #[must_use]
    pub fn allow_memory(self, scope: Scope) -> Self {
        self.inner.memory.borrow_mut().granted = Some(scope);
        self
    }

    /// Has a memory that was there before, of whomever.
    #[must_use]
    pub fn memory(self, memory: Memory) -> Self {
        self.inner.memory.borrow_mut().memories.push(memory);
        self
    }

    /// Sets a value (the text of its JSON) as somebody else does who was faster than the agent.
    pub fn set_value(&self, key: impl Into<String>, json: impl Into<String>) {
        put(self, key.into(), json.into(), None);
    }

    /// A value as it is now, the text of its JSON.
    pub fn value(&self, key: &str) -> Option<String> {
        entry(self, key).map(|entry| entry.value)
    }

    /// The memories that there are, in the order in which they were committed.
    pub fn memories(&self) -> Vec<Memory> {
        self.inner.memory.borrow().memories.clone()
    }

    /// The checkpoints of a piece of work, first step first.
    pub fn checkpoints(&self, workflow: &str) -> Vec<Checkpoint> {
        let store = self.inner.memory.borrow();
        let mut all: Vec<_> =
            store.checkpoints.iter().filter(|it| it.workflow == workflow).cloned().collect();
        all.sort_by_key(|checkpoint| checkpoint.index);
        all
    }
}

/// The host, where memory of this scope is granted.
fn allowed(function: &str, scope: Scope) -> Result<Host, Error> {
    let host = awaited(function)?;
    if host.inner.memory.borrow().granted < Some(scope) {
        let scope = match scope {
            Scope::Local => "local",
            Scope::Team => "team",
            Scope::Global => "global",
        };
        return Err(denied("memory", format!("--allow-memory {scope}")));
    }
    Ok(host)
}

fn entry(host: &Host, key: &str) -> Option<Entry> {
    let store = host.inner.memory.borrow();
    let (entry, goes) = store.values.get(key)?;
    goes.is_none_or(|goes| goes > host.elapsed()).then(|| entry.clone())
}

fn put(host: &Host, key: String, value: String, ttl: Option<Duration>) -> u32 {
    let version = entry(host, &key).map_or(1, |entry| entry.version + 1);
    let goes = ttl.map(|ttl| host.elapsed() + ttl);
    let entry = Entry {
        key: key.clone(),
        value,
        version,
        expires_at: goes.map(calendar::rfc3339),
        updated_at: Some(calendar::rfc3339(host.elapsed())),
    };
    host.inner.memory.borrow_mut().values.insert(key, (entry, goes));
    version
}

pub(crate) async fn get(key: String) -> Result<Option<Entry>, Error> {
    Ok(entry(&allowed("memory::get", Scope::Local)?, &key))
}

pub(crate) async fn set(key: String, value: String, options: SetOptions) -> Result<u32, Error> {
    let host = allowed("memory::set", Scope::Local)?;
    if key.is_empty() {
        return Err(Error::Invalid("a value needs a key".into()));
    }
    is_json(&value)?;
    let version = entry(&host, &key).map_or(0, |entry| entry.version);
    if options.if_version.is_some_and(|expected| expected != version) {
        return Err(Error::Conflict(format!("{key:?} has version {version}")));
    }
    record(&host, Event::SetValue { key: key.clone(), json: value.clone() });
    Ok(put(&host, key, value, options.ttl_seconds.map(|seconds| Duration::from_secs(seconds.into()))))
}

pub(crate) async fn delete(key: String) -> Result<(), Error> {
    let host = allowed("memory::delete", Scope::Local)?;
    host.inner.memory.borrow_mut().values.remove(&key);
    Ok(())
}

pub(crate) async fn list() -> Result<Vec<Entry>, Error> {
    let host = allowed("memory::list", Scope::Local)?;
    let keys: Vec<String> = host.inner.memory.borrow().values.keys().cloned().collect();
    Ok(keys.iter().filter_map(|key| entry(&host, key)).collect())
}

pub(crate) async fn commit(
    content: String,
    scope: Scope,
    namespace: Option<String>,
) -> Result<String, Error> {
    let host = allowed("memory::commit", scope)?;
    if content.is_empty() {
        return Err(Error::Invalid("a memory needs content".into()));
    }
    let mut store = host.inner.memory.borrow_mut();
    store.committed += 1;
    let memory = Memory {
        workspace_id: Some(host.inner.start.borrow().identity.workspace_id.clone()),
        scope,
        namespace,
        created_at: Some(calendar::rfc3339(host.elapsed())),
        ..Memory::new(format!("memory-{}", store.committed), content)
    };
    store.memories.push(memory.clone());
    record(&host, Event::Committed(memory.clone()));
    Ok(memory.id)
}

/// Those that hold every word, the newest first.
pub(crate) async fn search(query: SearchQuery) -> Result<Vec<Memory>, Error> {
    let scope = query.scope.unwrap_or(Scope::Local);
    let host = allowed("memory::search", scope)?;
    let words = query.text.unwrap_or_default().to_lowercase();
    let fits = |memory: &&Memory| {
        let content = memory.content.to_lowercase();
        memory.scope == scope
            && (query.namespace.is_none() || memory.namespace == query.namespace)
            && words.split_whitespace().all(|word| content.contains(word))
    };
    let store = host.inner.memory.borrow();
    let most = usize::try_from(query.limit.unwrap_or(50)).unwrap_or(usize::MAX);
    Ok(store.memories.iter().rev().filter(fits).take(most).cloned().collect())
}

pub(crate) async fn forget(id: String) -> Result<(), Error> {
    let host = allowed("memory::forget", Scope::Local)?;
    let mut store = host.inner.memory.borrow_mut();
    let before = store.memories.len();
    store.memories.retain(|memory| memory.id != id);
    if store.memories.len() < before {
        Ok(())
    } else {
        Err(Error::NotFound(format!("there is no memory {id}")))
    }
}

pub(crate) async fn save_checkpoint(
    workflow: String,
    step: String,
    index: u32,
    payload: Option<String>,
) -> Result<(), Error> {
    let host = allowed("memory::save_checkpoint", Scope::Local)?;
    payload.as_deref().map_or(Ok(()), is_json)?;
    let at = Some(calendar::rfc3339(host.elapsed()));
    let checkpoint = Checkpoint { workflow, step, index, payload, at };
    let mut store = host.inner.memory.borrow_mut();
    store
        .checkpoints
        .retain(|other| (&other.workflow, &other.step) != (&checkpoint.workflow, &checkpoint.step));
    store.checkpoints.push(checkpoint.clone());
    record(&host, Event::Saved(checkpoint));
    Ok(())
}

pub(crate) async fn checkpoints(workflow: String) -> Result<Vec<Checkpoint>, Error> {
    Ok(allowed("memory::checkpoints", Scope::Local)?.checkpoints(&workflow))
}

pub(crate) async fn latest_checkpoint() -> Result<Option<Checkpoint>, Error> {
    let host = allowed("memory::latest_checkpoint", Scope::Local)?;
    Ok(host.inner.memory.borrow().checkpoints.last().cloned())
}

pub(crate) async fn clear_checkpoints(workflow: String) -> Result<(), Error> {
    let host = allowed("memory::clear_checkpoints", Scope::Local)?;
    host.inner.memory.borrow_mut().checkpoints.retain(|checkpoint| checkpoint.workflow != workflow);
    Ok(())
}

/// What a host refuses. Without the feature `json` nobody can tell.
fn is_json(text: &str) -> Result<(), Error> {
    #[cfg(feature = "json")]
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map_err(|error| Error::Invalid(format!("{text:?} is not JSON: {error}")))?;
    let _ = text;
    Ok(())
}
