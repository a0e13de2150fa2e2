//! The client that pushes messages to agents.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::StartError;

/// A client with a TLS of its own: no provider is installed for the whole process, which may be somebody else's.
pub(crate) fn client() -> Result<reqwest::Client, StartError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls().map_err(|error| StartError::Client(error.to_string()))?)
        .redirect(Policy::limited(10))
        .connect_timeout(Duration::from_secs(10))
        // An agent on this machine is not reached through a proxy.
        .no_proxy();
    client.build().map_err(|error| StartError::Client(error.to_string()))
}

/// Trusts what the system trusts. A system that has no certificates at all can still push to plain `http`.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
    };
    match builder()?.with_platform_verifier() {
        Ok(trusting) => Ok(trusting.with_no_client_auth()),
        Err(error) => {
            tracing::warn!(%error, "no certificates found: agents at https URLs cannot be reached");
            Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
        }
    }
}
