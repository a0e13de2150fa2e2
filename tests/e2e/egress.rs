//! HTTP requests of agents, from the judgment to the socket and back. No agent here: what one would ask for is passed
//! through the gate and sent.

mod bodies;
mod certificates;
mod http2;
mod judgment;
mod outside;
mod pool;
mod proxy;
mod secrets;
mod times;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use molecule_gate::{Gate, Grants};
use molecule_host::egress::{Egress, EgressLimits, EgressSettings, Outlet};
use molecule_host::secrets::Secrets;
use molecule_runtime::{Fetch, FetchError, FetchResponse, Payload, Times};

use outside::Outside;

/// An address that is public, where servers of tests are made to live.
const PUBLIC: &str = "93.184.216.34";

/// An agent, as far as its requests go.
struct Agent {
    gate: Arc<Gate>,
    secrets: Arc<Secrets>,
    outlet: Outlet,
}

impl Agent {
    /// One that may do what these rules say, of this world.
    fn new(rules: &[&str], outside: &Outside) -> Self {
        Self::with(rules, outside, EgressSettings::default(), |_| {})
    }

    fn with(
        rules: &[&str],
        outside: &Outside,
        mut settings: EgressSettings,
        change: impl FnOnce(&mut Grants),
    ) -> Self {
        let net = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let mut grants = Grants { net, ..Grants::default() };
        change(&mut grants);
        settings.extra_roots = settings.extra_roots.or_else(|| outside.root());
        let egress = Egress::through(settings, outside.names(), outside.wires()).unwrap();
        Self::of(&egress, grants)
    }

    fn of(egress: &Egress, grants: Grants) -> Self {
        let (gate, secrets) = (Arc::new(Gate::new(grants)), Arc::new(Secrets::default()));
        let outlet = egress.outlet(gate.clone(), secrets.clone());
        Self { gate, secrets, outlet }
    }

    /// Gives a value to a secret.
    fn entrust(&self, name: &str, value: &str) {
        let secret = (name.to_owned(), molecule_protocol::SecretValue::new(value));
        self.secrets.pulled([secret].into_iter().collect());
    }

    async fn get(&self, url: &str) -> Result<FetchResponse, FetchError> {
        self.ask("GET", url, &[], Payload::Whole(Bytes::new()), Times::default()).await
    }

    async fn post(&self, url: &str, body: &'static str) -> Result<FetchResponse, FetchError> {
        let json = [("content-type", "application/json")];
        self.ask("POST", url, &json, Payload::Whole(Bytes::from_static(body.as_bytes())), Times::default())
            .await
    }

    async fn ask(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        payload: Payload,
        times: Times,
    ) -> Result<FetchResponse, FetchError> {
        let fetch = Fetch::new(method, url, headers.iter().copied(), payload, times)?;
        let permit = self.gate.pass(fetch, Some("m-1"))?;
        let sending = self.outlet.send(permit, Some("m-1"));
        tokio::time::timeout(Duration::from_secs(30), sending).await.expect("it hangs")
    }
}

/// Reads a body to its end.
async fn text(response: FetchResponse) -> Result<String, FetchError> {
    let reading = response.into_body().collect();
    let body = tokio::time::timeout(Duration::from_secs(30), reading).await.expect("it hangs")?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

/// Limits with these changes.
fn limited(change: impl FnOnce(&mut EgressLimits)) -> EgressSettings {
    let mut settings = EgressSettings::default();
    change(&mut settings.limits);
    settings
}
