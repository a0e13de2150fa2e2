//! `molecule:agent/storage`: how much of it there is. What is in it is read and written by WASI.

use wasmtime::component::{Accessor, HasSelf};

use super::Import;
use crate::bindings::molecule::agent::storage::{self, Usage};
use crate::guest::Guest;

impl storage::Host for Guest {}

impl storage::HostWithStore<Guest> for HasSelf<Guest> {
    async fn measure(accessor: &Accessor<Guest, Self>) -> wasmtime::Result<Option<Usage>> {
        let import = Import::enter_async(accessor)?;
        let folder = accessor.with(|mut access| access.get().storage.clone());
        let (Some(folder), Some(quota)) = (folder, import.agent.gate.grants().storage_bytes) else {
            return Ok(None);
        };
        // Whoever is canceled needs no answer.
        let used = import.unless_canceled(async { Ok(folder.used().await) }).await.unwrap_or_default();
        // Beyond 2^53 bytes a number is no longer exact, nor need it be.
        Ok(used.map(|used| Usage { used: used as f64, quota: quota.bytes() as f64 }))
    }
}
