//! `molecule:agent/secrets`.

use molecule_gate::InvalidSecretName;
use wasmtime::component::{Access, Accessor, HasSelf};

use super::Import;
use crate::bindings::molecule::agent::secrets;
use crate::guest::Guest;
use crate::services::Reveal;
use crate::wit::Error;

impl secrets::Host for Guest {}

impl secrets::HostWithStore<Guest> for HasSelf<Guest> {
    fn names(host: Access<'_, Guest, Self>) -> wasmtime::Result<Vec<String>> {
        let import = Import::enter(host)?;
        Ok(import.agent.services.secret_names().into_iter().map(String::from).collect())
    }

    async fn reveal(
        accessor: &Accessor<Guest, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, Error>> {
        let import = Import::enter_async(accessor)?;
        Ok(import
            .unless_canceled(async {
                let name =
                    name.parse().map_err(|error: InvalidSecretName| Error::Invalid(error.to_string()))?;
                let permit = import.pass_or_appeal(Reveal { name }).await?;
                import.agent.services.reveal(permit, &import.call).await
            })
            .await)
    }
}
