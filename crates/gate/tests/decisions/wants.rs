//! What agents want, and what operators paste.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use molecule_gate::{Act, Effect, Gate, Grant, Grants, Reach, SecretPlace, SecretUse, Target};

/// Something an agent may want, that a test can keep.
#[derive(Debug, Clone)]
pub(crate) enum Want {
    Fetch {
        target: Target,
        bytes: usize,
        secrets: Vec<SecretUse>,
    },
    Connect {
        target: Target,
        address: IpAddr,
        reach: Reach,
    },
    Reveal(String),
    Install(String, String),
    Remove(String),
    Store {
        bytes: u64,
        used: u64,
    },
    Socket,
    Notify(usize),
    List,
    Call(String),
    /// One that holds nothing of the test's.
    Plain(Effect<'static>),
}

impl Act for Want {
    fn effect(&self) -> Effect<'_> {
        match self {
            Want::Fetch { target, bytes, secrets } => Effect::Fetch { target, bytes: *bytes, secrets },
            Want::Connect { target, address, reach } => Effect::Connect { target, address: *address, reach },
            Want::Reveal(name) => Effect::RevealSecret { name },
            Want::Install(name, source) => Effect::InstallPlugin { name, source },
            Want::Remove(name) => Effect::RemovePlugin { name },
            Want::Store { bytes, used } => Effect::Store { bytes: *bytes, used: *used },
            Want::Socket => Effect::Socket { what: "tcp.connect" },
            Want::Notify(bytes) => Effect::Notify { bytes: *bytes },
            Want::List => Effect::ListPeers,
            Want::Call(id) => Effect::CallPeer { id, name: None, bytes: 3 },
            Want::Plain(effect) => *effect,
        }
    }
}

pub(crate) fn target(request: &str) -> Target {
    let (method, url) = request.split_once(' ').unwrap_or(("GET", request));
    Target::parse(method, url).unwrap()
}

pub(crate) fn fetch(request: &str) -> Want {
    Want::Fetch { target: target(request), bytes: 0, secrets: vec![] }
}

pub(crate) fn sends(request: &str, bytes: usize) -> Want {
    Want::Fetch { target: target(request), bytes, secrets: vec![] }
}

pub(crate) fn installs(name: &str, source: &str) -> Want {
    Want::Install(name.to_owned(), source.to_owned())
}

/// `NAME` for a header, `NAME/pointer` for a body.
pub(crate) fn with_secrets(request: &str, secrets: &[&str]) -> Want {
    let of = |text: &&str| match text.find('/') {
        None => SecretUse { name: text.parse().unwrap(), place: SecretPlace::Header },
        Some(at) => SecretUse {
            name: text[..at].parse().unwrap(),
            place: SecretPlace::Body(text[at..].parse().unwrap()),
        },
    };
    Want::Fetch { target: target(request), bytes: 0, secrets: secrets.iter().map(of).collect() }
}

/// What the gate asks about an address once a request has been allowed.
pub(crate) fn connects(gate: &Gate, request: &str, address: &str) -> Want {
    let reach = gate.pass(fetch(request), None).unwrap().terms().reach;
    Want::Connect { target: target(request), address: address.parse().unwrap(), reach }
}

/// The flags of a line, as a shell takes it apart, added to grants.
pub(crate) fn paste(grants: &mut Grants, line: &str) {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quoted, mut open) = (String::new(), false, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => (quoted, open) = (!quoted, true),
            '\\' if !quoted => word.extend(letters.next()),
            ' ' if !quoted => {
                words.push(std::mem::take(&mut word));
                open = false;
            }
            other => word.push(other),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    assert_eq!(words.len() % 2, 0, "{line}");
    for pair in words.chunks(2) {
        let value = pair[1].as_str();
        grants.add(match pair[0].as_str() {
            "--allow-peer" => Grant::Peer(value.parse().unwrap()),
            "--allow-net" => Grant::Net(value.parse().unwrap()),
            "--allow-secret" => Grant::Secret(value.parse().unwrap()),
            "--allow-reveal" => Grant::Reveal(value.parse().unwrap()),
            "--allow-plugin" => Grant::Plugin(value.parse().unwrap()),
            "--allow-memory" => Grant::Memory(value.parse().unwrap()),
            "--allow-storage" => Grant::Storage(value.parse().unwrap()),
            // Of a limit the last one counts on a command line, be it lower than the usual one.
            "--max-message-bytes" => {
                grants.limits.message_bytes = value.parse().unwrap();
                continue;
            }
            "--max-messages-per-minute" => {
                grants.limits.messages_per_minute = value.parse().unwrap();
                continue;
            }
            "--max-requests-per-minute" => {
                grants.limits.requests_per_minute = value.parse().unwrap();
                continue;
            }
            other => panic!("{other}"),
        });
    }
}

pub(crate) fn grants(line: &str) -> Grants {
    let mut grants = Grants::default();
    if !line.is_empty() {
        paste(&mut grants, line);
    }
    grants
}

/// A gate whose clock a test moves.
pub(crate) fn timed(grants: Grants) -> (Gate, impl Fn(u64)) {
    let start = Instant::now();
    let now = Arc::new(Mutex::new(start));
    let clock = now.clone();
    let gate = Gate::with_clock(grants, Arc::new(move || *clock.lock().unwrap()));
    (gate, move |seconds| *now.lock().unwrap() = start + Duration::from_secs(seconds))
}
