//! The one way by which an agent's HTTP requests leave: [`Outlet::send`].
//!
//! ```text
//!   Permit<Fetch> ─▶ slot ─▶ secrets put in ─▶ pooled connection ──────────────┐
//!                                                 │ none                       ▼
//!        name ─▶ addresses ─▶ Gate::pass of EACH ─▶ TCP ─▶ (proxy) ─▶ TLS ─▶ HTTP/1.1 or 2
//!                                                                              │
//!   the agent ◀─ masked ◀─ bounded ◀─ timed ◀─ headers without those of the hop ◀
//! ```
//!
//! Names are resolved here, once for each new connection, and the connection goes to an address that was judged: it is
//! not looked up again. One address out of reach refuses them all, since whoever answers so is up to something. A
//! connection serves one agent, and requests to the same host under the same grants; it is never shared with others.
//!
//! Nothing is followed, decompressed, kept between requests or taken from the environment: no redirects, no cookies, no
//! proxy but the one that the operator sets. Nothing is sent twice unless the first time it was certainly not sent.

mod body;
mod connect;
mod connection;
mod faults;
mod inject;
mod judge;
mod limits;
mod outlet;
mod pool;
mod proxy;
mod request;
mod response;
mod slots;
mod world;

use std::fmt;
use std::sync::Arc;

use molecule_gate::Gate;
use rustls::ClientConfig;
use rustls::client::Resumption;
use tokio::sync::Semaphore;

pub use self::limits::{EgressLimits, TimeBound};
pub use self::outlet::Outlet;
pub use self::proxy::{InvalidProxy, ProxyUrl};
pub use self::world::{Dialer, Resolver, SystemDialer, SystemResolver};

use crate::secrets::Secrets;
use crate::tls::{self, InvalidTls};

/// What all agents of a process share on their way out: whom to trust, and how much there may be in all. Cheap to clone.
#[derive(Clone)]
pub struct Egress(Arc<Shared>);

struct Shared {
    resolver: Arc<dyn Resolver>,
    dialer: Arc<dyn Dialer>,
    tls: Arc<ClientConfig>,
    proxy: Option<ProxyUrl>,
    limits: EgressLimits,
    /// One for each connection that is open.
    sockets: Arc<Semaphore>,
}

/// How agents reach the world.
#[derive(Debug, Clone, Default)]
pub struct EgressSettings {
    /// Certificates in PEM that are trusted beside those of the machine: a company's own authority, say.
    pub extra_roots: Option<Vec<u8>>,
    /// A proxy for all requests. The environment is not asked.
    pub proxy: Option<ProxyUrl>,
    /// How long and how much.
    pub limits: EgressLimits,
}

/// A setting that no egress can be made with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEgress {
    /// Not certificates.
    #[error("the extra certificates cannot be read ({0}); give one or more certificates in PEM")]
    ExtraRoots(String),
    /// The TLS library itself.
    #[error("TLS cannot be set up ({0}); this is a defect, please report it")]
    Tls(String),
}

impl Egress {
    /// The way out as this machine has it.
    ///
    /// # Errors
    /// [`InvalidEgress`], about a setting.
    pub fn new(settings: EgressSettings) -> Result<Self, InvalidEgress> {
        Self::through(settings, Arc::new(SystemResolver::default()), Arc::new(SystemDialer))
    }

    /// The same through an embedder's own names and sockets. Names are looked up of requests that are allowed, and of the
    /// proxy; connected to are addresses that were judged, and those of the proxy, which are not.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn through(
        settings: EgressSettings,
        resolver: Arc<dyn Resolver>,
        dialer: Arc<dyn Dialer>,
    ) -> Result<Self, InvalidEgress> {
        let EgressSettings { extra_roots, proxy, limits } = settings;
        let mut tls = tls::client_config(extra_roots.as_deref()).map_err(|error| match error {
            InvalidTls::Roots(why) => InvalidEgress::ExtraRoots(why),
            InvalidTls::Library(why) => InvalidEgress::Tls(why),
        })?;
        // A ticket that one agent was given would tell a server that another one is the same.
        tls.resumption = Resumption::disabled();
        tls.alpn_protocols = vec![connection::H2.to_vec(), b"http/1.1".to_vec()];
        let sockets = Arc::new(Semaphore::new(limits.connections));
        Ok(Self(Arc::new(Shared { resolver, dialer, tls: Arc::new(tls), proxy, limits, sockets })))
    }

    /// The way out of one agent, with connections of its own.
    pub fn outlet(&self, gate: Arc<Gate>, secrets: Arc<Secrets>) -> Outlet {
        Outlet::new(self.0.clone(), gate, secrets)
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("proxy", &self.0.proxy)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
