//! What requests would get by a policy.

use molecule_host::gate::{ByteSize, Effect, Explanation, Gate, Grants, Reach, Terms};
use serde::Serialize;

use super::PolicyError;
use super::request::Request;
use crate::cli::console::Console;
use crate::cli::escape::one_line;
use crate::cli::failure::Failure;

/// Says of each request what it would get, by which grants, and what would change that.
///
/// # Errors
/// That one would be denied.
pub(super) fn explain(
    grants: Grants,
    requests: &[Request],
    json: bool,
    console: Console,
) -> Result<(), Failure> {
    let gate = Gate::new(grants);
    let mut denied = 0;
    for request in requests {
        let answer = Answer::new(request, explained(&gate, request));
        denied += usize::from(!answer.allowed);
        match json {
            true => console.json(&answer)?,
            false => console.answer(&answer.to_string())?,
        }
    }
    if denied == 0 { Ok(()) } else { Err(PolicyError::Denied { count: denied }.into()) }
}

pub(super) fn explained(gate: &Gate, request: &Request) -> Explanation {
    let fetch = |target, secrets| gate.explain(&Effect::Fetch { target, bytes: 0, secrets });
    match request {
        Request::Fetch(target) => fetch(target, &[]),
        Request::Secret(wanted, target) => fetch(target, std::slice::from_ref(wanted)),
        // The request comes before its connection: that one has its reach from it.
        Request::Connect(address, target) => {
            let asked = fetch(target, &[]);
            match &asked.outcome {
                Err(_) => asked,
                Ok(terms) => {
                    gate.explain(&Effect::Connect { target, address: *address, reach: &terms.reach })
                }
            }
        }
        Request::Reveal(name) => gate.explain(&Effect::RevealSecret { name }),
        // The name may be an id.
        Request::Peer(name) => gate.explain(&Effect::CallPeer { id: name, name: Some(name), bytes: 0 }),
        Request::Plugin(plugin) => gate
            .explain(&Effect::InstallPlugin { name: plugin.name.as_str(), source: plugin.source.as_str() }),
        Request::Memory(scope) => gate.explain(&Effect::WriteMemory { scope: *scope, bytes: 0 }),
        Request::Storage(size) => gate.explain(&Effect::Store { bytes: size.bytes(), used: 0 }),
    }
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    request: String,
    pub(super) allowed: bool,
    /// The grants that allow it, as flags.
    by: Vec<String>,
    /// Of an HTTP request that is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<Bounds>,
    /// The rule that denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The grants that would allow it, as flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Bounds {
    reaches: String,
    max_request: ByteSize,
    max_response: ByteSize,
}

impl Answer {
    pub(super) fn new(request: &Request, explanation: Explanation) -> Self {
        let Explanation { outcome, by } = explanation;
        let (terms, denial) = match outcome {
            Ok(terms) => (Some(terms).filter(|terms| terms.rule.is_some()), None),
            Err(denial) => (None, Some(denial)),
        };
        Self {
            request: request.to_string(),
            allowed: denial.is_none(),
            by: by.iter().map(ToString::to_string).collect(),
            terms: terms.map(Bounds::new),
            rule: denial.as_ref().map(|denial| denial.rule.name()),
            grant: denial.as_ref().and_then(|denial| denial.grant.clone()),
            message: denial.map(|denial| denial.message),
        }
    }
}

impl Bounds {
    fn new(terms: Terms) -> Self {
        let reaches = match terms.reach {
            Reach::Public => "public addresses".to_owned(),
            Reach::Any => "public addresses and private networks".to_owned(),
            Reach::Exactly(address) => format!("{address} alone"),
            Reach::Loopback => "loopback alone".to_owned(),
        };
        Self {
            reaches,
            max_request: ByteSize::of(terms.request_bytes),
            max_response: ByteSize::of(terms.response_bytes),
        }
    }
}

/// For people: what is asked, and a line for each thing to say about it.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rows = Vec::new();
        match &self.message {
            None if self.by.is_empty() => rows.push(("allowed", "without a grant".to_owned())),
            None => rows.push(("allowed", format!("by {}", self.by.join(" ")))),
            Some(message) => rows.push(("denied", format!("{}: {message}", self.rule.unwrap_or_default()))),
        }
        if let Some(Bounds { reaches, max_request, max_response }) = &self.terms {
            rows.push(("reaches", reaches.clone()));
            rows.push(("sends", format!("{max_request} at most, and receives {max_response}")));
        }
        match (&self.grant, &self.message) {
            (Some(grant), _) => rows.push(("grant", grant.clone())),
            (None, Some(_)) => rows.push(("grant", "none would allow it".to_owned())),
            (None, None) => {}
        }
        f.write_str(&one_line(&self.request, 2000))?;
        rows.iter().try_for_each(|(label, text)| write!(f, "\n  {label:<8} {}", one_line(text, 2000)))
    }
}

/// What a policy grants, in a line.
pub(super) fn summary(grants: &Grants) -> String {
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let parts = [
        counted(grants.net.len(), "network rule", "network rules"),
        counted(grants.secrets.len(), "secret", "secrets"),
        counted(grants.reveal.len(), "secret to see", "secrets to see"),
        counted(grants.peers.len(), "peer", "peers"),
        counted(grants.plugins.len(), "plugin", "plugins"),
        grants.memory.map(|scope| format!("{scope} memory")),
        grants.storage_bytes.map(|size| format!("{size} of storage")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
