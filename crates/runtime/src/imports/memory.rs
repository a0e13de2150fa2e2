//! `molecule:agent/memory`.

use molecule_gate::MemoryScope;
use wasmtime::component::{Accessor, HasSelf};

use super::act;
use crate::bindings::molecule::agent::memory::{
    self, Checkpoint, Entry, Memory, Scope, SearchQuery, SetOptions,
};
use crate::guest::Guest;
use crate::services::{self, ClearCheckpoints, DeleteValue, ForgetMemory, ReadMemory, SetValue, WriteMemory};
use crate::wit::Error;

impl memory::Host for Guest {}

/// A scope of the contract, as the gate judges it.
fn judged(scope: Scope) -> MemoryScope {
    match scope {
        Scope::Local => MemoryScope::Local,
        Scope::Team => MemoryScope::Team,
        Scope::Global => MemoryScope::Global,
    }
}

/// Values and checkpoints are the workspace's own.
const OWN: MemoryScope = MemoryScope::Local;

impl memory::HostWithStore<Guest> for HasSelf<Guest> {
    async fn get(
        accessor: &Accessor<Guest, Self>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Entry>, Error>> {
        let read = ReadMemory { what: services::Key(key), scope: OWN };
        act(accessor, read, |agent, _, permit| async move { agent.services.value(permit).await }).await
    }

    async fn set(
        accessor: &Accessor<Guest, Self>,
        key: String,
        value: String,
        options: SetOptions,
    ) -> wasmtime::Result<Result<u32, Error>> {
        let write = WriteMemory { what: SetValue { key, value, options }, scope: OWN };
        act(accessor, write, |agent, _, permit| async move { agent.services.set_value(permit).await }).await
    }

    async fn delete(accessor: &Accessor<Guest, Self>, key: String) -> wasmtime::Result<Result<(), Error>> {
        let write = WriteMemory { what: DeleteValue(key), scope: OWN };
        act(accessor, write, |agent, _, permit| async move { agent.services.delete_value(permit).await })
            .await
    }

    async fn list(accessor: &Accessor<Guest, Self>) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        let read = ReadMemory { what: services::AllValues, scope: OWN };
        act(accessor, read, |agent, _, permit| async move { agent.services.values(permit).await }).await
    }

    async fn commit(
        accessor: &Accessor<Guest, Self>,
        content: String,
        scope: Scope,
        namespace: Option<String>,
    ) -> wasmtime::Result<Result<String, Error>> {
        let write = WriteMemory { what: services::Memory { content, namespace }, scope: judged(scope) };
        act(accessor, write, |agent, _, permit| async move { agent.services.commit_memory(permit).await })
            .await
    }

    async fn search(
        accessor: &Accessor<Guest, Self>,
        query: SearchQuery,
    ) -> wasmtime::Result<Result<Vec<Memory>, Error>> {
        let scope = judged(query.scope.unwrap_or(Scope::Local));
        let read = ReadMemory { what: query, scope };
        act(accessor, read, |agent, _, permit| async move { agent.services.search_memories(permit).await })
            .await
    }

    async fn forget(accessor: &Accessor<Guest, Self>, id: String) -> wasmtime::Result<Result<(), Error>> {
        let write = WriteMemory { what: ForgetMemory(id), scope: OWN };
        act(accessor, write, |agent, _, permit| async move { agent.services.forget_memory(permit).await })
            .await
    }

    async fn save_checkpoint(
        accessor: &Accessor<Guest, Self>,
        workflow: String,
        step: String,
        index: u32,
        payload: Option<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let write = WriteMemory { what: services::Checkpoint { workflow, step, index, payload }, scope: OWN };
        act(accessor, write, |agent, _, permit| async move { agent.services.save_checkpoint(permit).await })
            .await
    }

    async fn checkpoints(
        accessor: &Accessor<Guest, Self>,
        workflow: String,
    ) -> wasmtime::Result<Result<Vec<Checkpoint>, Error>> {
        let read = ReadMemory { what: services::Workflow(workflow), scope: OWN };
        act(accessor, read, |agent, _, permit| async move { agent.services.checkpoints(permit).await }).await
    }

    async fn latest_checkpoint(
        accessor: &Accessor<Guest, Self>,
    ) -> wasmtime::Result<Result<Option<Checkpoint>, Error>> {
        let read = ReadMemory { what: services::LatestCheckpoint, scope: OWN };
        act(accessor, read, |agent, _, permit| async move { agent.services.latest_checkpoint(permit).await })
            .await
    }

    async fn clear_checkpoints(
        accessor: &Accessor<Guest, Self>,
        workflow: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let write = WriteMemory { what: ClearCheckpoints(workflow), scope: OWN };
        act(accessor, write, |agent, _, permit| async move { agent.services.clear_checkpoints(permit).await })
            .await
    }
}
