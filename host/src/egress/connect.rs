//! A new connection: names, addresses that are judged, TCP, TLS, HTTP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use molecule_gate::{Gate, Host, Permit, Reach, Scheme, Target};
use molecule_runtime::FetchError;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::Shared;
use super::connection::{Connection, H2};
use super::faults;
use super::judge::{self, Connect, Names};
use super::proxy::ProxyUrl;

impl Shared {
    /// Connects for a request that is allowed. Must have a time limit, which `by` tells.
    pub(super) async fn connect(
        &self,
        names: &Names,
        gate: &Gate,
        target: &Arc<Target>,
        reach: &Reach,
        message: Option<&str>,
        by: Instant,
    ) -> Result<Connection, FetchError> {
        let host = target.host().to_string();
        let failed = |detail: String| FetchError::Connect { to: host.clone(), detail };
        // Judged before anything is waited for: a denial is the better answer.
        let addresses = judge::addresses(names, gate, target, reach, message).await?;
        let socket = self.sockets.clone().acquire_owned().await.map_err(|error| failed(error.to_string()))?;
        let stream = self.dial_any(addresses, &host, by).await?;
        let header_bytes = self.limits.header_bytes;
        let opened = match target.scheme() {
            Scheme::Http => Connection::open(stream, false, header_bytes, socket).await,
            Scheme::Https => {
                let stream = TlsConnector::from(self.tls.clone())
                    .connect(server_name(target.host())?, stream)
                    .await
                    .map_err(|error| faults::of_tls(&error, &host))?;
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
                Connection::open(stream, is_http2, header_bytes, socket).await
            }
        };
        opened.map_err(|error| failed(error.to_string()))
    }

    /// The first of these that takes the connection. Each has its share of the time that is left.
    async fn dial_any(
        &self,
        addresses: Vec<Permit<Connect>>,
        host: &str,
        by: Instant,
    ) -> Result<TcpStream, FetchError> {
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut detail = String::new();
        for permit in addresses {
            let share = by.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            let address = permit.act().address;
            match timeout(share, self.dial(permit)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(Failed::ForAll(error))) => return Err(error),
                Ok(Err(Failed::Here(error))) if left == 0 => return Err(error),
                Ok(Err(Failed::Here(error))) => detail = error.to_string(),
                Err(_) if left == 0 => std::future::pending().await,
                Err(_) => detail = format!("{address} does not answer"),
            }
        }
        Err(FetchError::Connect { to: host.to_owned(), detail })
    }

    /// Connects to one address: the only place where this is done, and what it takes is a permit.
    async fn dial(&self, permit: Permit<Connect>) -> Result<TcpStream, Failed> {
        let address = permit.into_act().address;
        let failed = |to: String, error: io::Error| FetchError::Connect { to, detail: error.to_string() };
        // This machine is another one to a proxy.
        let is_here = address.ip().to_canonical().is_loopback();
        let Some(proxy) = self.proxy.as_ref().filter(|_| !is_here) else {
            let dialed = self.dialer.dial(address).await;
            return dialed.map_err(|error| Failed::Here(failed(address.to_string(), error)));
        };
        // The proxy is the same for all of them.
        let dialed = self.dial_proxy(proxy).await;
        let mut stream = dialed.map_err(|error| Failed::ForAll(failed(proxy.to_string(), error)))?;
        match proxy.tunnel(&mut stream, address).await {
            Ok(()) => Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(Failed::ForAll(failed(proxy.to_string(), error)))
            }
            Err(error) => Err(Failed::Here(failed(proxy.to_string(), error))),
        }
    }

    /// The proxy is where the operator says, and is not judged.
    async fn dial_proxy(&self, proxy: &ProxyUrl) -> io::Result<TcpStream> {
        let addresses = match proxy.host().parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(proxy.host()).await?,
        };
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        for address in addresses {
            match self.dialer.dial(SocketAddr::new(address, proxy.port())).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

/// Why there is no connection to an address.
enum Failed {
    /// Another one may do.
    Here(FetchError),
    /// No other one would.
    ForAll(FetchError),
}

fn server_name(host: &Host) -> Result<ServerName<'static>, FetchError> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| FetchError::Invalid(format!("{name} is no name that a certificate can have"))),
    }
}
