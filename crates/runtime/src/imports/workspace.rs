//! `molecule:agent/workspace`.

use wasmtime::component::{Access, Accessor, HasSelf};

use super::{Import, act};
use crate::bindings::molecule::agent::workspace::{self, WorkspaceState};
use crate::guest::Guest;
use crate::services::{Beat, ReadState, Register, SetTask};
use crate::wit::{Card, Error, Identity};

impl workspace::Host for Guest {}

impl workspace::HostWithStore<Guest> for HasSelf<Guest> {
    fn me(host: Access<'_, Guest, Self>) -> wasmtime::Result<Identity> {
        Ok(Import::enter(host)?.agent.identity.clone())
    }

    fn config(host: Access<'_, Guest, Self>, key: String) -> wasmtime::Result<Option<String>> {
        let import = Import::enter(host)?;
        let value = import.agent.config.iter().rev().find(|(name, _)| *name == key);
        Ok(value.map(|(_, value)| value.clone()))
    }

    fn set_task(host: Access<'_, Guest, Self>, task: Option<String>) -> wasmtime::Result<Result<(), Error>> {
        let import = Import::enter(host)?;
        Ok(import.pass(SetTask { task }).map(|permit| import.agent.services.set_task(permit)))
    }

    async fn register(
        accessor: &Accessor<Guest, Self>,
        card: Option<Card>,
    ) -> wasmtime::Result<Result<(), Error>> {
        act(
            accessor,
            Register { card },
            |agent, _, permit| async move { agent.services.register(permit).await },
        )
        .await
    }

    async fn heartbeat(accessor: &Accessor<Guest, Self>) -> wasmtime::Result<Result<(), Error>> {
        act(accessor, Beat, |agent, _, permit| async move { agent.services.heartbeat(permit).await }).await
    }

    async fn state(accessor: &Accessor<Guest, Self>) -> wasmtime::Result<Result<WorkspaceState, Error>> {
        act(accessor, ReadState, |agent, _, permit| async move { agent.services.state(permit).await }).await
    }
}
