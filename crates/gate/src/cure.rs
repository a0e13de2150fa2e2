//! What a denial says, and what would help.

use crate::address::special_range;
use crate::authority::Host;
use crate::byte_size::ByteSize;
use crate::effect::Effect;
use crate::grants::{Grant, Grants};
use crate::judge::Refusal;
use crate::limits::Limits;
use crate::net_rule::{Bounds, NetRule};
use crate::plugin_grant::PluginGrant;
use crate::secret::{SecretPlace, SecretUse};
use crate::secret_grant::{SecretGrant, Withheld};
use crate::target::Target;

/// The grants with which the effect would have been allowed, all of them; none where no grant helps.
pub(crate) fn of(refusal: Refusal, effect: &Effect<'_>, grants: &Grants) -> Vec<Grant> {
    let limits = &grants.limits;
    let one = |grant: Option<Grant>| grant.into_iter().collect();
    match refusal {
        Refusal::NotStarted | Refusal::Socket | Refusal::File => Vec::new(),
        Refusal::Peer => {
            let peer = match effect {
                // Whoever asks for a peer of this name gets no grant for all of them.
                Effect::CallPeer { id, name, .. }
                | Effect::Discover { id, name }
                | Effect::Delegate { id, name, .. } => {
                    [*name, Some(*id)].into_iter().flatten().find(|it| *it != "*")
                }
                _ => Some("*"),
            };
            one(peer.and_then(|peer| peer.parse().ok()).map(Grant::Peer))
        }
        Refusal::Size => {
            let bytes = Some(effect.bytes()).filter(|bytes| *bytes <= Limits::MOST_MESSAGE_BYTES);
            one(bytes.map(Grant::MessageBytes))
        }
        Refusal::Rate { .. } => vec![Grant::MessagesPerMinute(more(limits.messages_per_minute))],
        Refusal::RequestRate { rules, .. } => {
            let mut cure = vec![Grant::RequestsPerMinute(more(limits.requests_per_minute))];
            if let (true, Effect::Fetch { target, bytes, secrets }) = (rules, *effect) {
                cure.extend(fetch(refusal, target, bytes, secrets, grants));
            }
            cure
        }
        Refusal::Network | Refusal::Secret { .. } | Refusal::RequestSize | Refusal::RuleRate { .. } => {
            let Effect::Fetch { target, bytes, secrets } = *effect else { return Vec::new() };
            fetch(refusal, target, bytes, secrets, grants)
        }
        Refusal::Address => one(private(effect, grants).map(Grant::Net)),
        Refusal::Reveal => {
            let Effect::RevealSecret { name } = effect else { return Vec::new() };
            one(name.parse().ok().map(Grant::Reveal))
        }
        Refusal::Plugin => {
            let plugin = match *effect {
                Effect::InstallPlugin { name, source } => PluginGrant::exactly(name, source),
                Effect::RemovePlugin { name } => PluginGrant::exactly(name, &format!("local://{name}")),
                _ => None,
            };
            one(plugin.map(Grant::Plugin))
        }
        Refusal::Memory => match *effect {
            Effect::ReadMemory { scope } | Effect::WriteMemory { scope, .. } => vec![Grant::Memory(scope)],
            _ => Vec::new(),
        },
        Refusal::Storage => {
            let Effect::Store { bytes, used } = *effect else { return Vec::new() };
            one(at_least(used.saturating_add(bytes)).map(Grant::Storage))
        }
    }
}

/// All that a request needs and does not have: it is denied for the first of these only.
fn fetch(
    refusal: Refusal,
    target: &Target,
    bytes: usize,
    secrets: &[SecretUse],
    grants: &Grants,
) -> Vec<Grant> {
    let mut cure = Vec::new();
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let rule = grants.net.iter().find(|rule| rule.matches(target));
    let most = |rule: &NetRule| rule.bounds().request.unwrap_or(grants.limits.request_bytes).bytes();
    let large = !grants.net.iter().any(|rule| rule.matches(target) && bytes <= most(rule));
    let rated = matches!(refusal, Refusal::RuleRate { .. } | Refusal::RequestRate { rules: true, .. });
    if rule.is_none() || large || rated {
        let mut wanted = rule.cloned().unwrap_or_else(|| NetRule::exactly(target));
        let mut bounds = Bounds { ..*wanted.bounds() };
        if bytes > most(&wanted) {
            let Some(size) = at_least(bytes) else { return Vec::new() };
            bounds.request = Some(size);
        }
        if rated {
            bounds.per_minute = bounds.per_minute.map(more);
        }
        wanted = wanted.with_bounds(bounds);
        cure.push(Grant::Net(wanted));
    }
    for wanted in secrets {
        match SecretGrant::judge(&grants.secrets, wanted, target) {
            Ok(()) => {}
            Err(Withheld::Clear) => return Vec::new(),
            Err(Withheld::NotGranted) => {
                let grant = Grant::Secret(SecretGrant::exactly(wanted, target));
                if !cure.contains(&grant) {
                    cure.push(grant);
                }
            }
        }
    }
    cure
}

/// The rule that lets this request connect to an address of a private network, if a rule on a name can: not all that its
/// rule is for.
fn private(effect: &Effect<'_>, grants: &Grants) -> Option<NetRule> {
    let Effect::Connect { target, address, .. } = *effect else { return None };
    let reachable = special_range(address).is_none_or(|range| range.is_private());
    if !reachable || !matches!(target.host(), Host::Name(_)) || target.host().is_loopback() {
        return None;
    }
    let rule = grants.net.iter().find(|rule| rule.matches(target));
    let bounds = rule.map(|rule| *rule.bounds()).unwrap_or_default();
    Some(NetRule::exactly(target).with_bounds(Bounds { private: true, ..bounds }))
}

/// Twice as many.
fn more(count: u32) -> u32 {
    count.saturating_mul(2).max(1)
}

/// A size that reads well and is enough, if there is one.
fn at_least(bytes: u64) -> Option<ByteSize> {
    Some(ByteSize::of(bytes).rounded_up()).filter(|size| size.bytes() >= bytes)
}

/// What a person is told, without the effect's name.
pub(crate) fn sentence(refusal: Refusal, effect: &Effect<'_>, grants: &Grants) -> String {
    let limits = &grants.limits;
    let target = effect.target();
    match refusal {
        Refusal::NotStarted => "not possible before the agent has started".to_owned(),
        Refusal::Peer => match effect {
            Effect::CallPeer { .. } | Effect::Discover { .. } | Effect::Delegate { .. } => {
                format!("this agent may not call {target}")
            }
            _ => "this agent may not see any peer".to_owned(),
        },
        Refusal::Size => {
            let (bytes, most) = (effect.bytes(), Limits::MOST_MESSAGE_BYTES);
            let more = if bytes > most {
                format!("; the platform takes no more than {most}")
            } else {
                String::new()
            };
            format!("{bytes} bytes are more than the {} that a message may have{more}", limits.message_bytes)
        }
        Refusal::Rate { .. } => format!("more than {} a minute", limits.messages_per_minute),
        Refusal::Network => {
            let Effect::Fetch { target: wanted, .. } = *effect else { return target.into_owned() };
            let near = grants.net.iter().filter_map(|rule| Some((rule.misses(wanted)?, rule)));
            match near.max_by_key(|(part, _)| *part).filter(|(part, _)| part.is_near()) {
                Some((part, rule)) => {
                    format!("no rule allows {target}; '{rule}' is for another {}", part.name())
                }
                None => format!("no rule allows {target}"),
            }
        }
        Refusal::Secret { index, why } => {
            let Effect::Fetch { target: wanted, secrets, .. } = *effect else { return target.into_owned() };
            let Some(secret) = secrets.get(index) else { return target.into_owned() };
            let place = match &secret.place {
                SecretPlace::Header => "a header".to_owned(),
                SecretPlace::Body(pointer) => format!("the field {pointer} of a body"),
            };
            let (name, host) = (&secret.name, wanted.host());
            match why {
                Withheld::NotGranted => format!("the secret {name} may not be sent to {host} in {place}"),
                Withheld::Clear => {
                    format!("the secret {name} is not sent to {host} in the clear; use https://")
                }
            }
        }
        Refusal::RequestSize => {
            let matching = grants
                .net
                .iter()
                .filter(|rule| matches!(effect, Effect::Fetch { target, .. } if rule.matches(target)));
            let most = matching.map(|rule| rule.bounds().request.unwrap_or(limits.request_bytes)).max();
            let most = most.unwrap_or(limits.request_bytes);
            format!("{target}: {} bytes are more than the {most} that its body may have", effect.bytes())
        }
        Refusal::RuleRate { .. } => format!("{target}: more a minute than its rule allows"),
        Refusal::RequestRate { .. } => format!("more than {} requests a minute", limits.requests_per_minute),
        Refusal::Address => {
            let Effect::Connect { target: wanted, address, .. } = *effect else { return target.into_owned() };
            address_sentence(wanted, address)
        }
        Refusal::Reveal => format!("this agent may not see the secret {target}"),
        Refusal::Plugin => match effect {
            Effect::RemovePlugin { .. } => format!("this agent may not remove the plugin {target}"),
            _ => format!("this agent may not install the plugin {target}"),
        },
        Refusal::Memory => {
            let verb = if matches!(effect, Effect::WriteMemory { .. }) { "write" } else { "read" };
            format!("this agent may not {verb} {target} memory")
        }
        Refusal::File => {
            let (bytes, most) = (effect.bytes(), Limits::MOST_FILE_BYTES);
            format!("a file of {bytes} bytes is larger than the {most} that the platform takes")
        }
        Refusal::Storage => {
            let Effect::Store { bytes, used } = *effect else { return target.into_owned() };
            match grants.storage_bytes {
                None => "this agent may not keep anything".to_owned(),
                Some(most) => {
                    format!("{used} bytes are in use and {bytes} more do not fit into the {most} it may keep")
                }
            }
        }
        Refusal::Socket => {
            format!(
                "{target}: there are no sockets and no name look-ups here; make the request by http.fetch or wasi:http"
            )
        }
    }
}

fn address_sentence(target: &Target, address: std::net::IpAddr) -> String {
    let host = target.host();
    match special_range(address) {
        _ if matches!(host, Host::Address(_)) => format!("{address} is not {host}"),
        _ if host.is_loopback() => format!("{host} leads to {address}, which is not loopback"),
        Some(range) if range.is_private() => {
            format!("{host} leads to {address} ({range}); its rule is for public addresses")
        }
        Some(range) => format!(
            "{host} leads to {address} ({range}), which no name may reach; put the address into the URL and grant that, if it is meant"
        ),
        None => format!("{host} leads to {address}, which is out of its reach"),
    }
}
