//! The platform client against servers on real sockets, most of which misbehave.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use molecule_host::platform::{
    Client, HttpTransport, Identity, Limits, Network, RetryPolicy, Transport, TransportError,
    TransportSettings,
};
use molecule_host::token::Credentials;
use molecule_protocol::WorkspaceId;
use molecule_tests::scripted::Scripted;

mod faults;
mod matrix;
mod messages;
mod presence;
mod rate_limit;
mod recorded;
mod secrecy;
mod tls;

/// The token of every workspace here. Long enough to have a prefix that may be shown.
const TOKEN: &str = "tok-5ecr3t-abcdefghijklmnopqrstuvwxyz-0123456";

fn workspace() -> WorkspaceId {
    "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse().unwrap()
}

fn identity(url: &str) -> Identity {
    Identity::new(url.parse().unwrap(), workspace())
}

fn credentials() -> Credentials {
    Credentials::in_memory(Some(TOKEN.parse().unwrap()))
}

/// As in production, but for retries that do not keep a test waiting.
fn network() -> Network {
    hasty(Network::new(&TransportSettings::default()).unwrap())
}

fn hasty(network: Network) -> Network {
    let instant = Duration::from_millis(1);
    network.with_retries(RetryPolicy { first: instant, spread: Duration::ZERO, ..RetryPolicy::default() })
}

fn client(server: &Scripted) -> Client {
    Client::new(&network(), identity(&server.url()), credentials())
}

/// A transport that gives up after this time, whatever the endpoint allows.
struct Impatient(HttpTransport, Duration);

#[async_trait]
impl Transport for Impatient {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        self.0.send(request, Limits { deadline: self.1, ..limits }).await
    }
}

/// A client that gives up after a fifth of a second.
fn impatient(server: &Scripted) -> Client {
    let transport = HttpTransport::new(&TransportSettings::default()).unwrap();
    let transport = Arc::new(Impatient(transport, Duration::from_millis(200)));
    let network = hasty(Network::with_transports(transport.clone(), transport));
    Client::new(&network, identity(&server.url()), credentials())
}
