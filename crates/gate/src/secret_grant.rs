//! Which secrets an agent may use where.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::authority::{self, Host, Scheme};
use crate::invalid_target::{InvalidTarget, excerpt};
use crate::secret::{InvalidPointer, InvalidSecretName, JsonPointer, SecretName, SecretPlace, SecretUse};
use crate::target::Target;

/// The use of a secret in requests to one host: `NAME@HOST[:PORT][ body=POINTER]`.
///
/// | written | lets the agent use the secret |
/// | --- | --- |
/// | `KEY@api.example.com` | in headers of requests to that host, at the port of the scheme |
/// | `KEY@api.example.com:8443` | the same at that port |
/// | `KEY@api.example.com body=/auth/key` | there, and in that field of a JSON body |
///
/// The host is exact: a secret is nobody's but one server's. It is sent in the clear only to a loopback address or
/// `localhost`, whatever is granted. The request itself needs a rule of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretGrant {
    name: SecretName,
    host: Host,
    port: Option<u16>,
    body: Option<JsonPointer>,
}

/// A text that is no grant of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretGrant {
    /// Not of the form.
    #[error(
        "{text:?} is no grant of a secret: write NAME@HOST[:PORT], and body=/json/pointer for a field of a body"
    )]
    Form {
        /// What was written.
        text: String,
    },
    /// A host with a star.
    #[error("{text:?}: a secret is bound to one host; write its name without a star")]
    Star {
        /// What was written.
        text: String,
    },
    /// The name.
    #[error(transparent)]
    Name(#[from] InvalidSecretName),
    /// Host or port.
    #[error(transparent)]
    Host(#[from] InvalidTarget),
    /// The field of the body.
    #[error(transparent)]
    Pointer(#[from] InvalidPointer),
}

/// Why a secret may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// The request would carry it in the clear. No grant changes that.
    Clear,
    /// There is no grant for it.
    NotGranted,
}

impl SecretGrant {
    /// The grant that a use needs.
    pub fn exactly(wanted: &SecretUse, target: &Target) -> Self {
        Self {
            name: wanted.name.clone(),
            host: target.host().clone(),
            port: Some(target.port()).filter(|port| *port != target.scheme().default_port()),
            body: match &wanted.place {
                SecretPlace::Header => None,
                SecretPlace::Body(pointer) => Some(pointer.clone()),
            },
        }
    }

    /// Whose secret.
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// For which host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether it lets a secret stand there in a request to this target, as far as grants go.
    fn covers(&self, wanted: &SecretUse, target: &Target) -> bool {
        let place = match &wanted.place {
            SecretPlace::Header => true,
            SecretPlace::Body(pointer) => self.body.as_ref() == Some(pointer),
        };
        place
            && self.name == wanted.name
            && self.host == *target.host()
            && self.port.unwrap_or(target.scheme().default_port()) == target.port()
    }

    /// Whether one of these grants lets a secret be used. Allocates nothing.
    pub(crate) fn judge(grants: &[Self], wanted: &SecretUse, target: &Target) -> Result<(), Withheld> {
        if target.scheme() != Scheme::Https && !target.host().is_loopback() {
            return Err(Withheld::Clear);
        }
        Self::find(grants, wanted, target).map(|_| ()).ok_or(Withheld::NotGranted)
    }

    /// The first grant that lets a secret be used there.
    pub(crate) fn find<'a>(grants: &'a [Self], wanted: &SecretUse, target: &Target) -> Option<&'a Self> {
        grants.iter().find(|grant| grant.covers(wanted, target))
    }
}

impl FromStr for SecretGrant {
    type Err = InvalidSecretGrant;

    fn from_str(text: &str) -> Result<Self, InvalidSecretGrant> {
        let form = || InvalidSecretGrant::Form { text: excerpt(text) };
        let (grant, body) = match text.split_once(' ') {
            Some((grant, rest)) => (grant, Some(rest.trim_start().strip_prefix("body=").ok_or_else(form)?)),
            None => (text, None),
        };
        let (name, place) = grant.split_once('@').ok_or_else(form)?;
        let name = name.parse()?;
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(authority::port(port)?)),
            _ => (place, None),
        };
        if host.contains('*') {
            return Err(InvalidSecretGrant::Star { text: excerpt(text) });
        }
        Ok(Self { name, host: Host::parse(host)?, port, body: body.map(str::parse).transpose()? })
    }
}

impl fmt::Display for SecretGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(body) = &self.body {
            write!(f, " body={body}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for SecretGrant {
    type Error = InvalidSecretGrant;

    fn try_from(text: String) -> Result<Self, InvalidSecretGrant> {
        text.parse()
    }
}

impl From<SecretGrant> for String {
    fn from(grant: SecretGrant) -> Self {
        grant.to_string()
    }
}
