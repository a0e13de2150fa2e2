use std::fmt;
use std::sync::Arc;

use super::pace::Paces;
use super::retry::RetryPolicy;
use super::transport::{HttpTransport, InvalidTransport, Transport, TransportSettings};
use crate::clock::{Clock, SystemClock};
use crate::random::{self, Random};

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
    pub(crate) clock: Arc<dyn Clock>,
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
            random: random::system(),
            clock: Arc::new(SystemClock),
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

    /// The same with another clock, for times of day that the platform names.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
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
