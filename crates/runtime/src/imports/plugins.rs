//! `molecule:agent/plugins`.

use wasmtime::component::{Accessor, HasSelf};

use super::Import;
use crate::bindings::molecule::agent::plugins::{self, InstallOptions, Installed, Plugin};
use crate::guest::Guest;
use crate::services::{InstallPlugin, RemovePlugin};
use crate::wit::Error;

impl plugins::Host for Guest {}

impl plugins::HostWithStore<Guest> for HasSelf<Guest> {
    async fn install(
        accessor: &Accessor<Guest, Self>,
        name: String,
        options: InstallOptions,
    ) -> wasmtime::Result<Result<Installed, Error>> {
        let import = Import::enter_async(accessor)?;
        let InstallOptions { source, setup, sha256 } = options;
        let source = source.unwrap_or_else(|| format!("local://{name}"));
        Ok(import
            .unless_canceled(async {
                let act = InstallPlugin { name: name.clone(), source, setup, sha256 };
                let permit = import.pass_or_appeal(act).await?;
                let installed = import.agent.services.install_plugin(permit, &import.call).await?;
                import.call.plugins.replaced(&name);
                Ok(installed)
            })
            .await)
    }

    async fn list(accessor: &Accessor<Guest, Self>) -> wasmtime::Result<Result<Vec<Plugin>, Error>> {
        let import = Import::enter_async(accessor)?;
        Ok(import
            .unless_canceled(async {
                match import.agent.gate.is_open() {
                    true => import.agent.services.list_plugins().await,
                    false => Ok(Vec::new()),
                }
            })
            .await)
    }

    async fn remove(accessor: &Accessor<Guest, Self>, name: String) -> wasmtime::Result<Result<(), Error>> {
        let import = Import::enter_async(accessor)?;
        Ok(import
            .unless_canceled(async {
                let permit = import.pass_or_appeal(RemovePlugin { name: name.clone() }).await?;
                import.agent.services.remove_plugin(permit, &import.call).await?;
                import.call.plugins.replaced(&name);
                Ok(())
            })
            .await)
    }
}
