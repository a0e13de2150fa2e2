//! Which requests an agent may make.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::Reach;
use crate::authority::{self, Host, LOCALHOST, Parts, Scheme};
use crate::byte_size::ByteSize;
use crate::invalid_target::{InvalidTarget, excerpt};
use crate::method;
use crate::path_pattern::{InvalidPattern, PathPattern};
use crate::target::Target;

/// A rule on the network: `[METHODS ]SCHEME://HOST[:PORT][PATH] [BOUNDS...]`.
///
/// | part | written | means |
/// | --- | --- | --- |
/// | methods | nothing | `GET` and `HEAD` |
/// | | `POST,PUT` | these |
/// | | `*` | all, but CONNECT, TRACE and TRACK, which nobody may use |
/// | scheme | `https`, `http` | that one |
/// | host | `api.example.com` | that name |
/// | | `*.example.com` | all names under it, not itself |
/// | | `192.0.2.7`, `[2001:db8::7]` | that address, whatever range it is in |
/// | | `localhost` | loopback addresses, and no others |
/// | port | nothing | 80 for http, 443 for https |
/// | path | nothing | all |
/// | | `/v1/*/items` | one segment, or a part of one, for each star |
/// | | `/v1/**` | `/v1` and all below it; only at the end |
/// | bounds | `max-request=1MiB` | bytes of the body that is sent |
/// | | `max-response=100MiB` | bytes of the body that comes back |
/// | | `per-minute=60` | requests under this rule |
/// | | `private` | the name may lead to addresses of private networks |
///
/// A name leads to public addresses alone, unless the rule says `private`; see [`Reach`]. Grants only add: where several
/// rules match a request, the widest of each bound holds.
///
/// Refused, each with what to write instead: a wildcard in the scheme or the port, or in the host elsewhere than before a
/// name of two labels at least (`*`, `*.com`); user names, queries and fragments, which no rule reads; addresses in other
/// notations; `private` where it says nothing; and all that is refused in a [`Target`].
///
/// Parses from a text and prints in the one canonical form, which reads as the same rule.
///
/// ```
/// use molecule_gate::{NetRule, Target};
///
/// let rule: NetRule = "POST https://api.example.com/v1/** max-response=10MiB".parse()?;
/// assert!(rule.matches(&Target::parse("POST", "https://api.example.com/v1/chat?x=1")?));
/// assert!(!rule.matches(&Target::parse("GET", "https://api.example.com/v1/chat")?));
/// assert!(!rule.matches(&Target::parse("POST", "https://example.com/v1/chat")?));
/// assert_eq!(rule.to_string(), "POST https://api.example.com/v1/** max-response=10MiB");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetRule {
    methods: Methods,
    scheme: Scheme,
    host: HostPattern,
    port: u16,
    path: PathPattern,
    bounds: Bounds,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Methods {
    /// What only reads: GET and HEAD.
    Read,
    Any,
    These(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum HostPattern {
    Exactly(Host),
    /// All names under this one.
    Under(String),
}

/// What a rule says beyond yes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    pub(crate) request: Option<ByteSize>,
    pub(crate) response: Option<ByteSize>,
    pub(crate) per_minute: Option<u32>,
    pub(crate) private: bool,
}

impl NetRule {
    /// The rule that is for requests like this one: its method, host, port and path, and nothing beside.
    ///
    /// For GET it says nothing of methods, and so is for HEAD, too.
    pub fn exactly(target: &Target) -> Self {
        Self {
            methods: match target.method() {
                "GET" | "HEAD" => Methods::Read,
                method => Methods::These(vec![method.to_owned()]),
            },
            scheme: target.scheme(),
            host: HostPattern::Exactly(target.host().clone()),
            port: target.port(),
            path: PathPattern::exactly(target.path()),
            bounds: Bounds::default(),
        }
    }

    /// Whether a request is one of those that it is for. Allocates nothing.
    pub fn matches(&self, target: &Target) -> bool {
        self.misses(target).is_none()
    }

    /// The first part of the rule that a request does not fit; none if it is for it.
    pub(crate) fn misses(&self, target: &Target) -> Option<Part> {
        // What differs least often last, so that the first miss is the one worth telling.
        if !self.host.matches(target.host()) {
            Some(Part::Host)
        } else if self.scheme != target.scheme() {
            Some(Part::Scheme)
        } else if self.port != target.port() {
            Some(Part::Port)
        } else if !self.path.matches(target.path()) {
            Some(Part::Path)
        } else if !self.methods.takes(target.method()) {
            Some(Part::Method)
        } else {
            None
        }
    }

    /// Which addresses a request under this rule may connect to.
    pub fn reach(&self) -> Reach {
        match &self.host {
            HostPattern::Exactly(Host::Address(address)) => Reach::Exactly(*address),
            HostPattern::Exactly(Host::Name(name)) if name == LOCALHOST => Reach::Loopback,
            _ if self.bounds.private => Reach::Any,
            _ => Reach::Public,
        }
    }

    /// Whether some of these rules let everything be requested that this one does. Says no in doubt, and does not look at
    /// the bounds but for `private`.
    ///
    /// ```
    /// use molecule_gate::NetRule;
    ///
    /// let wanted: NetRule = "GET,POST https://api.example.com/v1/chat".parse()?;
    /// let rules = ["https://*.example.com".parse()?, "POST https://api.example.com/v1/**".parse()?];
    /// assert!(wanted.is_covered_by(&rules));
    /// assert!(!wanted.is_covered_by(&rules[..1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_covered_by(&self, rules: &[NetRule]) -> bool {
        let covers = |rule: &NetRule| {
            rule.host.covers(&self.host)
                && (rule.scheme, rule.port) == (self.scheme, self.port)
                && (rule.bounds.private || !self.bounds.private)
                && rule.path.covers(&self.path)
        };
        let rules: Vec<&NetRule> = rules.iter().filter(|rule| covers(rule)).collect();
        let any = rules.iter().any(|rule| rule.methods == Methods::Any);
        let takes = |method: &str| any || rules.iter().any(|rule| rule.methods.takes(method));
        match &self.methods {
            Methods::Read => takes("GET") && takes("HEAD"),
            Methods::Any => any,
            Methods::These(methods) => methods.iter().all(|method| takes(method)),
        }
    }

    /// The host it is for, and the port where that is not the scheme's own, as in a URL. None where it is for several.
    pub fn authority(&self) -> Option<String> {
        let HostPattern::Exactly(host) = &self.host else { return None };
        Some(match self.port == self.scheme.default_port() {
            true => host.to_string(),
            false => format!("{host}:{}", self.port),
        })
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub(crate) fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }
}

/// A part of a rule, in the order in which they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Host,
    Scheme,
    Port,
    Path,
    Method,
}

impl Part {
    /// Whether all before it fit, the host at least.
    pub(crate) fn is_near(self) -> bool {
        self != Part::Host
    }

    /// As it stands in a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Host => "host",
            Part::Scheme => "scheme",
            Part::Port => "port",
            Part::Path => "path",
            Part::Method => "method",
        }
    }
}

impl Methods {
    fn takes(&self, method: &str) -> bool {
        match self {
            Methods::Read => matches!(method, "GET" | "HEAD"),
            Methods::Any => true,
            Methods::These(methods) => methods.iter().any(|known| known == method),
        }
    }
}

impl HostPattern {
    /// Whether it matches all that the other one does.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, HostPattern::Exactly(host)) => self.matches(host),
            (HostPattern::Under(suffix), HostPattern::Under(other)) => {
                other == suffix || self.matches(&Host::Name(other.clone()))
            }
            (HostPattern::Exactly(_), HostPattern::Under(_)) => false,
        }
    }

    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (HostPattern::Exactly(only), host) => only == host,
            (HostPattern::Under(suffix), Host::Name(name)) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|before| before.ends_with('.'))
            }
            (HostPattern::Under(_), Host::Address(_)) => false,
        }
    }
}

/// A text that is no rule on the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no rule on the network: {fault}")]
pub struct InvalidRule {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub fault: RuleFault,
}

/// What is wrong with a rule, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// Neither `SCHEME://` in the first word nor in the second.
    #[error("write [METHODS ]SCHEME://HOST[:PORT][PATH], such as 'POST https://api.example.com/v1/**'")]
    NoUrl,
    /// A rule is for one scheme.
    #[error("a rule is for one scheme; write one rule for http:// and one for https://")]
    AnyScheme,
    /// `*`, or a star elsewhere than before a dot and a name of two labels.
    #[error("a star in a host stands only before a name of two labels at least, as in *.example.com")]
    HostStar,
    /// A rule is for one port.
    #[error("a rule is for one port; write one rule for each")]
    PortStar,
    /// No rule reads it.
    #[error("a rule has neither a query nor a fragment; leave out what begins with ? or #")]
    Query,
    /// `**` within the path.
    #[error("** stands only at the end of a path, as a segment of its own; write * for one segment")]
    PathStars,
    /// Another word behind the URL.
    #[error(
        "{word:?} is no bound; there are max-request=SIZE, max-response=SIZE, per-minute=COUNT and private"
    )]
    Bound {
        /// The word.
        word: String,
    },
    /// A bound whose value makes no sense.
    #[error("{word:?}: {reason}")]
    BoundValue {
        /// The word.
        word: String,
        /// What to write.
        reason: String,
    },
    /// The same bound again.
    #[error("{name} is said twice; say it once")]
    Twice {
        /// Of the bound.
        name: String,
    },
    /// An address is reached whatever range it is in, and `localhost` reaches loopback.
    #[error("private says nothing beside an address or localhost; leave it out")]
    Private,
    /// What is refused in a request, too.
    #[error(transparent)]
    Target(#[from] InvalidTarget),
}

impl FromStr for NetRule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        parse(text).map_err(|fault| InvalidRule { text: excerpt(text), fault })
    }
}

fn parse(text: &str) -> Result<NetRule, RuleFault> {
    if text.contains(|c: char| c.is_control()) {
        return Err(InvalidTarget::Blank.into());
    }
    let mut words = text.split_ascii_whitespace();
    let first = words.next().ok_or(RuleFault::NoUrl)?;
    let (methods, url) = match first.contains("://") {
        true => (Methods::Read, first),
        false => {
            let url = words.next().filter(|url| url.contains("://")).ok_or(RuleFault::NoUrl)?;
            (self::methods(first)?, url)
        }
    };
    if url.starts_with('*') {
        return Err(RuleFault::AnyScheme);
    }
    if url.contains(['?', '#']) {
        return Err(RuleFault::Query);
    }
    if url.split('/').nth(2).is_some_and(|authority| authority.ends_with(":*")) {
        return Err(RuleFault::PortStar);
    }
    let Parts { scheme, host, port, rest } = authority::split(url)?;
    let host = self::host(host)?;
    let path = match rest {
        "" => PathPattern::any(),
        path => PathPattern::parse(path).map_err(|error| match error {
            InvalidPattern::Stars => RuleFault::PathStars,
            InvalidPattern::Path(error) => error.into(),
        })?,
    };
    let rule = NetRule { methods, scheme, host, port, path, bounds: self::bounds(words)? };
    match rule.reach() {
        Reach::Exactly(_) | Reach::Loopback if rule.bounds.private => Err(RuleFault::Private),
        _ => Ok(rule),
    }
}

fn methods(text: &str) -> Result<Methods, RuleFault> {
    if text == "*" {
        return Ok(Methods::Any);
    }
    let mut methods: Vec<String> = Vec::new();
    for method in text.split(',') {
        method::check(method)?;
        if !methods.iter().any(|known| known == method) {
            methods.push(method.to_owned());
        }
    }
    methods.sort_unstable();
    Ok(if methods == ["GET", "HEAD"] { Methods::Read } else { Methods::These(methods) })
}

fn host(text: &str) -> Result<HostPattern, RuleFault> {
    let Some(suffix) = text.strip_prefix("*.") else {
        return match text.contains('*') {
            true => Err(RuleFault::HostStar),
            false => Ok(HostPattern::Exactly(Host::parse(text)?)),
        };
    };
    match Host::parse(suffix) {
        Ok(Host::Name(name)) if name.contains('.') => Ok(HostPattern::Under(name)),
        Err(InvalidTarget::HostDot { text }) => Err(InvalidTarget::HostDot { text }.into()),
        _ => Err(RuleFault::HostStar),
    }
}

fn bounds<'a>(words: impl Iterator<Item = &'a str>) -> Result<Bounds, RuleFault> {
    let mut bounds = Bounds::default();
    for word in words {
        let unknown = || RuleFault::Bound { word: excerpt(word) };
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let wrong = |reason: String| RuleFault::BoundValue { word: excerpt(word), reason };
        let size = || value.parse::<ByteSize>().map_err(|error| wrong(error.to_string()));
        let twice = match name {
            "max-request" => bounds.request.replace(size()?).is_some(),
            "max-response" => bounds.response.replace(size()?).is_some(),
            "per-minute" => {
                let count = value.parse::<u32>().ok().filter(|count| *count > 0);
                let count = count.ok_or_else(|| wrong("write a count from 1 on, such as 60".to_owned()))?;
                bounds.per_minute.replace(count).is_some()
            }
            "private" if word == name => std::mem::replace(&mut bounds.private, true),
            _ => return Err(unknown()),
        };
        if twice {
            return Err(RuleFault::Twice { name: name.to_owned() });
        }
    }
    Ok(bounds)
}

impl fmt::Display for NetRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.methods {
            Methods::Read => {}
            Methods::Any => f.write_str("* ")?,
            Methods::These(methods) => write!(f, "{} ", methods.join(","))?,
        }
        match &self.host {
            HostPattern::Exactly(host) => write!(f, "{}://{host}", self.scheme)?,
            HostPattern::Under(suffix) => write!(f, "{}://*.{suffix}", self.scheme)?,
        }
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        if !self.path.is_any() {
            write!(f, "{}", self.path)?;
        }
        let Bounds { request, response, per_minute, private } = &self.bounds;
        if let Some(size) = request {
            write!(f, " max-request={size}")?;
        }
        if let Some(size) = response {
            write!(f, " max-response={size}")?;
        }
        if let Some(count) = per_minute {
            write!(f, " per-minute={count}")?;
        }
        if *private {
            f.write_str(" private")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for NetRule {
    type Error = InvalidRule;

    fn try_from(text: String) -> Result<Self, InvalidRule> {
        text.parse()
    }
}

impl From<NetRule> for String {
    fn from(rule: NetRule) -> Self {
        rule.to_string()
    }
}
