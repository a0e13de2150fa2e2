//! Names and sockets, as the machine has them.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All of them, in the order in which they are to be tried.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Connects to an address.
#[async_trait]
pub trait Dialer: Send + Sync {
    /// A connection to this address, which has been judged or is that of the operator's proxy.
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream>;
}

/// Names as the machine knows them: its hosts file, then DNS.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    turns: Arc<Semaphore>,
}

/// Names looked for at once. A look-up cannot be given up, and each takes a thread.
const AT_ONCE: usize = 32;

impl Default for SystemResolver {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.turns.clone().acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            // Kept until the look-up is over, whether or not somebody still waits for it.
            let _turn = turn;
            (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|it| it.ip()).collect())
        });
        found.await.map_err(io::Error::other)?
    }
}

/// TCP as the machine has it.
#[derive(Debug, Clone, Copy)]
pub struct SystemDialer;

#[async_trait]
impl Dialer for SystemDialer {
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_machine_knows_itself() {
        let found = SystemResolver::default().resolve("localhost").await.unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    }
}
