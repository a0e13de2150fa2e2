//! What `policy explain` is asked about.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;

use molecule_host::gate::{
    ByteSize, InvalidMemoryScope, InvalidPointer, InvalidSecretName, InvalidSize, MemoryScope, SecretPlace,
    SecretUse, Target,
};

use molecule_host::plugins::{InvalidPlugin, PluginRef};

use crate::cli::escape::one_line;
use crate::cli::settings::UsageError;

/// Something an agent might do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// `[METHOD] URL`
    Fetch(Target),
    /// `connect ADDRESS [METHOD] URL`
    Connect(IpAddr, Target),
    /// `secret NAME [METHOD] URL [body=/POINTER]`
    Secret(SecretUse, Target),
    /// `reveal NAME`
    Reveal(String),
    /// `peer PEER`
    Peer(String),
    /// `plugin NAME[@SOURCE]`
    Plugin(PluginRef),
    /// `memory SCOPE`
    Memory(MemoryScope),
    /// `storage SIZE`
    Storage(ByteSize),
}

const FORMS: &str = "ask for [METHOD] URL, connect ADDRESS URL, secret NAME URL, reveal NAME, peer PEER, plugin NAME[@SOURCE], memory SCOPE or storage SIZE";

impl Request {
    /// Reads the requests of a command line: each in quotes, or in words of their own.
    ///
    /// # Errors
    /// What is none, and what to write instead.
    pub(super) fn read(arguments: &[String]) -> Result<Vec<Self>, UsageError> {
        let mut requests = Vec::new();
        let mut arguments: VecDeque<&str> = arguments.iter().map(String::as_str).collect();
        while let Some(first) = arguments.pop_front() {
            let request = match first.split_once(' ') {
                // A name may have blanks in it.
                Some(("peer", name)) => Ok(Self::Peer(name.to_owned())),
                Some((word, rest)) => {
                    let mut rest = rest.split_ascii_whitespace().collect();
                    Self::one(word, &mut rest).and_then(|request| match rest.pop_front() {
                        Some(more) => Err(format!("{more} is too much")),
                        None => Ok(request),
                    })
                }
                None => Self::one(first, &mut arguments),
            };
            requests.push(request.map_err(|what| UsageError(format!("{}: {what}", one_line(first, 200))))?);
        }
        Ok(requests)
    }

    /// The request that begins with this word; takes the rest of it.
    fn one(first: &str, rest: &mut VecDeque<&str>) -> Result<Self, String> {
        let mut next = || rest.pop_front().ok_or_else(|| format!("something is missing; {FORMS}"));
        match first {
            "peer" => Ok(Self::Peer(next()?.to_owned())),
            "reveal" => Ok(Self::Reveal(next()?.to_owned())),
            "plugin" => next()?.parse().map(Self::Plugin).map_err(|error: InvalidPlugin| error.to_string()),
            "memory" => {
                next()?.parse().map(Self::Memory).map_err(|error: InvalidMemoryScope| error.to_string())
            }
            "storage" => next()?.parse().map(Self::Storage).map_err(|error: InvalidSize| error.to_string()),
            "connect" => {
                let address = next()?;
                let address = address.parse().map_err(|_| format!("{address} is no address; {FORMS}"))?;
                Ok(Self::Connect(address, target(next()?, rest)?))
            }
            "secret" => {
                let name = next()?.parse().map_err(|error: InvalidSecretName| error.to_string())?;
                let target = target(next()?, rest)?;
                let place = match rest.front().and_then(|word| word.strip_prefix("body=")) {
                    Some(pointer) => {
                        rest.pop_front();
                        let pointer = pointer.parse().map_err(|error: InvalidPointer| error.to_string())?;
                        SecretPlace::Body(pointer)
                    }
                    None => SecretPlace::Header,
                };
                Ok(Self::Secret(SecretUse { name, place }, target))
            }
            word => Ok(Self::Fetch(target(word, rest)?)),
        }
    }
}

/// `[METHOD] URL`, of which the first word has been taken.
fn target(first: &str, rest: &mut VecDeque<&str>) -> Result<Target, String> {
    let (method, url) = match first.contains("://") {
        true => ("GET", first),
        false => (first, rest.pop_front().ok_or_else(|| format!("there is no URL; {FORMS}"))?),
    };
    Target::parse(method, url).map_err(|error| error.to_string())
}

/// As it is asked for, but for the values of a query.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(target) => write!(f, "{target}"),
            Self::Connect(address, target) => write!(f, "connect {address} {target}"),
            Self::Secret(SecretUse { name, place }, target) => {
                write!(f, "secret {name} {target}")?;
                match place {
                    SecretPlace::Header => Ok(()),
                    SecretPlace::Body(pointer) => write!(f, " body={pointer}"),
                }
            }
            Self::Reveal(name) => write!(f, "reveal {name}"),
            Self::Peer(name) => write!(f, "peer {name}"),
            Self::Plugin(plugin) => write!(f, "plugin {plugin}"),
            Self::Memory(scope) => write!(f, "memory {scope}"),
            Self::Storage(size) => write!(f, "storage {size}"),
        }
    }
}
