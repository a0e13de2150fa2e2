//! A world of names and addresses that are not those of this machine: the servers of a test live at addresses that the
//! judgment takes for what they say they are.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use molecule_host::egress::{Dialer, Resolver};
use molecule_tests::scripted::Scripted;
use tokio::net::TcpStream;

/// Names, and what is found at addresses.
#[derive(Clone, Default)]
pub(super) struct Outside(Arc<World>);

#[derive(Default)]
struct World {
    names: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    servers: Mutex<HashMap<IpAddr, SocketAddr>>,
    root: Mutex<Option<String>>,
    looked_up: Mutex<usize>,
    dialed: Mutex<Vec<SocketAddr>>,
}

impl Outside {
    /// One where `api.example.com` is a public address at which this server answers.
    pub(super) fn of(server: &Scripted) -> Self {
        let outside = Self::default();
        outside.name("api.example.com", [&[super::PUBLIC][..]]);
        outside.put(super::PUBLIC, server.address());
        outside
    }

    /// The answers that a name gets, one after the other; the last one from then on.
    pub(super) fn name<'a>(&self, name: &str, answers: impl IntoIterator<Item = &'a [&'a str]>) {
        let answers = answers.into_iter().map(|it| it.iter().map(|it| it.parse().unwrap()).collect());
        self.0.names.lock().unwrap().insert(name.to_owned(), answers.collect());
    }

    /// Puts a server at an address, at every port.
    pub(super) fn put(&self, address: &str, server: SocketAddr) {
        self.0.servers.lock().unwrap().insert(address.parse().unwrap(), server);
    }

    /// A certificate that is trusted, in PEM.
    pub(super) fn trust(self, pem: String) -> Self {
        *self.0.root.lock().unwrap() = Some(pem);
        self
    }

    pub(super) fn root(&self) -> Option<Vec<u8>> {
        self.0.root.lock().unwrap().clone().map(String::into_bytes)
    }

    pub(super) fn names(&self) -> Arc<dyn Resolver> {
        self.0.clone()
    }

    pub(super) fn wires(&self) -> Arc<dyn Dialer> {
        self.0.clone()
    }

    /// How often a name was looked up.
    pub(super) fn looked_up(&self) -> usize {
        *self.0.looked_up.lock().unwrap()
    }

    /// Where connections were made to.
    pub(super) fn dialed(&self) -> Vec<String> {
        self.0.dialed.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

#[async_trait]
impl Resolver for World {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        *self.looked_up.lock().unwrap() += 1;
        let mut names = self.names.lock().unwrap();
        let answers = names.get_mut(name).ok_or_else(|| io::Error::other("no such name"))?;
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(answer.unwrap_or_default())
    }
}

#[async_trait]
impl Dialer for World {
    /// Where nobody lives, nobody answers either.
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.dialed.lock().unwrap().push(address);
        let server = self.servers.lock().unwrap().get(&address.ip()).copied();
        match server {
            Some(server) => TcpStream::connect(server).await,
            None => std::future::pending().await,
        }
    }
}
