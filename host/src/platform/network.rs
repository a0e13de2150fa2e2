use std::fmt;
use std::sync::Arc;

use super::pace::Paces;
use super::retry::RetryPolicy;
use super::transport::{HttpTransport, InvalidTransport, Transport, TransportSettings};

/// A source of numbers from 0 up to, but not including, 1. Spreads retries out; nothing secret depends on it.
pub type Random = Arc<dyn Fn() -> f64 + Send + Sync>;

/// What all clients of a process share: connections and, for each platform, the pace at which it may be asked.
///
/// Heartbeats have a transport of their own, which nothing else uses: no number of slow requests can make one wait for
/// a connection. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) heartbeats: Arc<dyn Transport>,
    pub(super) paces: Paces,
    pub(super) retries: RetryPolicy,
    pub(crate) random: Random,
}

impl Network {
    /// The network as this machine has it.
    ///
    /// # Errors
    /// [`InvalidTransport`], about a setting.
    pub fn new(settings: &TransportSettings) -> Result<Self, InvalidTransport> {
        let transport = HttpTransport::new(settings)?;
        let heartbeats = transport.another()?;
        Ok(Self::with_transports(Arc::new(transport), Arc::new(heartbeats)))
    }

    /// A network over an embedder's own transports: one for everything but heartbeats, one for these.
    pub fn with_transports(transport: Arc<dyn Transport>, heartbeats: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            heartbeats,
            paces: Paces::default(),
            retries: RetryPolicy::default(),
            random: Arc::new(random),
        }
    }

    /// The same with another policy for retries.
    #[must_use]
    pub fn with_retries(mut self, retries: RetryPolicy) -> Self {
        self.retries = retries;
        self
    }

    /// The same with another source of randomness.
    #[must_use]
    pub fn with_random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// The paces of the platforms that are talked to.
    pub fn paces(&self) -> &Paces {
        &self.paces
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("retries", &self.retries).finish_non_exhaustive()
    }
}

fn random() -> f64 {
    // Without randomness from the system retries are not spread, which is no reason to stop.
    getrandom::u32().map_or(0.5, |number| f64::from(number) / (f64::from(u32::MAX) + 1.0))
}
