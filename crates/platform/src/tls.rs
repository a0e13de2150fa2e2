//! The client that pushes messages to agents.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::agent_url::Callable;
use crate::{Config, StartError};

/// A client with a TLS of its own: no provider is installed for the whole process, which may be somebody else's.
pub(crate) fn client(config: &Config) -> Result<reqwest::Client, StartError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls().map_err(|error| StartError::Client(error.to_string()))?)
        .redirect(Policy::custom(within_the_origin))
        // The URL's path is a secret of the agent's.
        .referer(false)
        .dns_resolver(Callable::under(config))
        .connect_timeout(Duration::from_secs(10))
        // An agent on this machine is not reached through a proxy.
        .no_proxy();
    client.build().map_err(|error| StartError::Client(error.to_string()))
}

/// Follows an agent within its origin, which was judged. Where else it sends the platform may be where it cannot go itself.
fn within_the_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    const MOST: usize = 10;
    let judged = attempt.previous().first().map(|url| url.origin());
    if judged != Some(attempt.url().origin()) {
        return attempt.error("it redirects to another origin, where it is not followed");
    }
    match attempt.previous().len() > MOST {
        true => attempt.error("it redirects too often"),
        false => attempt.follow(),
    }
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
