//! The judgment: one function, for what is done and for what is only explained.

use std::time::{Duration, Instant};

use crate::denial::Rule;
use crate::effect::{Effect, Kind};
use crate::grants::Grants;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::secret::SecretUse;
use crate::secret_grant::{SecretGrant, Withheld};
use crate::target::Target;
use crate::terms::Terms;

/// Why an effect is refused; what a [`Rule`] does not say is for the one who explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotStarted,
    Peer,
    Size,
    Rate {
        retry_after: Duration,
    },
    Network,
    /// The first of the secrets that may not be used.
    Secret {
        index: usize,
        why: Withheld,
    },
    RequestSize,
    /// The rate of every rule that matches.
    RuleRate {
        retry_after: Duration,
    },
    /// The rate of all requests, and that of its rules where there is no room either.
    RequestRate {
        retry_after: Duration,
        rules: bool,
    },
    Address,
    Reveal,
    Storage,
    Plugin,
    Memory,
    File,
    Socket,
}

impl Refusal {
    pub(crate) fn rule(self) -> Rule {
        match self {
            Refusal::NotStarted => Rule::NotStarted,
            Refusal::Peer => Rule::Peer,
            Refusal::Size => Rule::Size,
            Refusal::Rate { retry_after } => Rule::Rate { retry_after },
            Refusal::Network => Rule::Network,
            Refusal::Secret { .. } => Rule::Secret,
            Refusal::RequestSize => Rule::RequestSize,
            Refusal::RuleRate { retry_after } | Refusal::RequestRate { retry_after, .. } => {
                Rule::RequestRate { retry_after }
            }
            Refusal::Address => Rule::Address,
            Refusal::Reveal => Rule::Reveal,
            Refusal::Storage => Rule::StorageQuota,
            Refusal::Plugin => Rule::Plugin,
            Refusal::Memory => Rule::Memory,
            Refusal::File => Rule::FileSize,
            Refusal::Socket => Rule::Socket,
        }
    }
}

/// How often things have happened, for one set of grants.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    kinds: [Option<Meter>; Kind::ALL.len()],
    /// One for each rule on the network.
    rules: Vec<Option<Meter>>,
}

impl Meters {
    pub(crate) fn new(grants: &Grants, now: Instant) -> Self {
        let meter = |rate: Option<u32>| rate.map(|rate| Meter::new(rate, now));
        Self {
            kinds: Kind::ALL.map(|kind| meter(grants.limits.per_minute(kind))),
            rules: grants.net.iter().map(|rule| meter(rule.bounds().per_minute)).collect(),
        }
    }

    /// For other grants: what has been used stays used, by each kind, and by each rule that is in both.
    pub(crate) fn carried(&self, from: &Grants, to: &Grants, now: Instant) -> Self {
        let mut next = Self::new(to, now);
        for (kind, (old, new)) in Kind::ALL.into_iter().zip(self.kinds.iter().zip(&mut next.kinds)) {
            let rates = (from.limits.per_minute(kind), to.limits.per_minute(kind));
            if let ((Some(before), Some(after)), Some(meter)) = (rates, old) {
                *new = Some(meter.retuned(before, after));
            }
        }
        for (rule, new) in to.net.iter().zip(&mut next.rules) {
            let old = from.net.iter().position(|known| known == rule).and_then(|at| self.rules.get(at));
            if let Some(old) = old {
                *new = *old;
            }
        }
        next
    }
}

/// What is judged by.
pub(crate) struct Judge<'a> {
    pub(crate) grants: &'a Grants,
    pub(crate) revision: u64,
    pub(crate) started: bool,
    pub(crate) now: Instant,
}

impl Judge<'_> {
    /// The judgment itself: no allocation, no I/O. With `spend` it is counted against its rates, if it is allowed.
    pub(crate) fn decide(
        &self,
        effect: &Effect<'_>,
        meters: &mut Meters,
        spend: bool,
    ) -> Result<Terms, Refusal> {
        if !self.started {
            return Err(Refusal::NotStarted);
        }
        let grants = self.grants;
        let refuse = |granted: bool, refusal| if granted { Ok(()) } else { Err(refusal) };
        match *effect {
            // Whoever wrote, and the workspace's own user: an agent that may not speak to them is no use to anybody.
            Effect::Answer { .. }
            | Effect::Notify { .. }
            | Effect::SetTask { .. }
            | Effect::Progress { .. }
            | Effect::OpenFile { .. }
            | Effect::History
            | Effect::AskApproval { .. }
            | Effect::ReadApprovals => {}
            Effect::Attach { bytes } => {
                refuse(bytes <= Limits::MOST_FILE_BYTES, Refusal::File)?;
                // Not the size of a message.
                self.meter(effect.kind(), meters, spend)?;
                return Ok(Terms { revision: self.revision, ..Terms::default() });
            }
            // The workspace itself, which the agent is.
            Effect::Register { .. } | Effect::Heartbeat | Effect::State | Effect::Delegations => {}
            Effect::ReadMemory { scope } | Effect::WriteMemory { scope, .. } => {
                refuse(grants.memory.is_some_and(|granted| scope <= granted), Refusal::Memory)?;
            }
            Effect::ListPeers => refuse(!grants.peers.is_empty(), Refusal::Peer)?,
            Effect::CallPeer { id, name, .. }
            | Effect::Discover { id, name }
            | Effect::Delegate { id, name, .. } => refuse(grants.allow_peer(id, name), Refusal::Peer)?,
            Effect::Fetch { target, bytes, secrets } => {
                return self.decide_fetch(target, bytes, secrets, meters, spend);
            }
            Effect::Connect { address, reach, .. } => refuse(reach.allows(address), Refusal::Address)?,
            Effect::RevealSecret { name } => {
                refuse(grants.reveal.iter().any(|granted| granted.as_str() == name), Refusal::Reveal)?;
            }
            Effect::Store { bytes, used } => {
                let most = grants.storage_bytes.unwrap_or_default().bytes();
                // What takes no more room is no matter of the quota, which may have been lowered meanwhile.
                refuse(bytes == 0 || used.saturating_add(bytes) <= most, Refusal::Storage)?;
            }
            Effect::InstallPlugin { name, source } => {
                refuse(grants.plugins.iter().any(|grant| grant.allows(name, source)), Refusal::Plugin)?;
            }
            Effect::RemovePlugin { name } => {
                refuse(grants.plugins.iter().any(|grant| grant.is_for(name)), Refusal::Plugin)?;
            }
            Effect::Socket { .. } => return Err(Refusal::Socket),
        }
        refuse(effect.bytes() <= grants.limits.message_bytes, Refusal::Size)?;
        self.meter(effect.kind(), meters, spend)?;
        Ok(Terms { revision: self.revision, ..Terms::default() })
    }

    /// Counts an effect against its rate. Last of all checks: what is refused for another reason costs nothing.
    fn meter(&self, kind: Kind, meters: &mut Meters, spend: bool) -> Result<(), Refusal> {
        let rate = self.grants.limits.per_minute(kind);
        let (Some(rate), Some(Some(meter))) = (rate, meters.kinds.get_mut(kind as usize)) else {
            return Ok(());
        };
        let mut taken = *meter;
        let result = taken.take(rate, self.now).map_err(|retry_after| Refusal::Rate { retry_after });
        if spend {
            *meter = taken;
        }
        result
    }

    fn decide_fetch(
        &self,
        target: &Target,
        bytes: usize,
        secrets: &[SecretUse],
        meters: &mut Meters,
        spend: bool,
    ) -> Result<Terms, Refusal> {
        let Matching { mut terms, first, free } = self.matching(target).ok_or(Refusal::Network)?;
        for (index, wanted) in secrets.iter().enumerate() {
            SecretGrant::judge(&self.grants.secrets, wanted, target)
                .map_err(|why| Refusal::Secret { index, why })?;
        }
        if u64::try_from(bytes).unwrap_or(u64::MAX) > terms.request_bytes {
            return Err(Refusal::RequestSize);
        }
        // Nothing is taken from one meter before the other one has something to give.
        let rule = match free {
            Some(index) => Ok((index, None)),
            None => self.rated(target, first, meters),
        };
        if let Err(Refusal::Rate { retry_after }) = self.meter(Kind::Fetch, meters, spend && rule.is_ok()) {
            return Err(match rule {
                Err(rules) => Refusal::RequestRate { retry_after: retry_after.max(rules), rules: true },
                Ok(_) => Refusal::RequestRate { retry_after, rules: false },
            });
        }
        let (index, taken) = rule.map_err(|retry_after| Refusal::RuleRate { retry_after })?;
        if let (true, Some(taken), Some(meter)) = (spend, taken, meters.rules.get_mut(index)) {
            *meter = Some(taken);
        }
        terms.rule = Some(index);
        Ok(terms)
    }

    /// The rules that match a request, seen once each; none if there is none.
    fn matching(&self, target: &Target) -> Option<Matching> {
        let limits = &self.grants.limits;
        let mut matching: Option<Matching> = None;
        for (index, rule) in self.grants.net.iter().enumerate().filter(|(_, rule)| rule.matches(target)) {
            let bounds = rule.bounds();
            let terms = Terms {
                reach: rule.reach(),
                request_bytes: bounds.request.unwrap_or(limits.request_bytes).bytes(),
                response_bytes: bounds.response.unwrap_or(limits.response_bytes).bytes(),
                rule: None,
                revision: self.revision,
            };
            let free = bounds.per_minute.is_none().then_some(index);
            matching = Some(match matching {
                None => Matching { terms, first: index, free },
                Some(Matching { terms: widest, first, free: before }) => Matching {
                    terms: Terms {
                        reach: widest.reach.widest(terms.reach),
                        request_bytes: widest.request_bytes.max(terms.request_bytes),
                        response_bytes: widest.response_bytes.max(terms.response_bytes),
                        ..widest
                    },
                    first,
                    free: before.or(free),
                },
            });
        }
        matching
    }

    /// Of rules that all have a rate the first one with something left, and its meter once that is taken; or how long until
    /// one has.
    fn rated(
        &self,
        target: &Target,
        first: usize,
        meters: &Meters,
    ) -> Result<(usize, Option<Meter>), Duration> {
        let mut soonest: Option<Duration> = None;
        for (index, rule) in self.grants.net.iter().enumerate().skip(first) {
            let Some(rate) = rule.bounds().per_minute.filter(|_| rule.matches(target)) else { continue };
            let Some(Some(mut meter)) = meters.rules.get(index).copied() else { return Ok((index, None)) };
            match meter.take(rate, self.now) {
                Ok(()) => return Ok((index, Some(meter))),
                Err(wait) => soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait))),
            }
        }
        Err(soonest.unwrap_or_default())
    }
}

/// The rules that match a request, taken together.
struct Matching {
    /// The widest of each bound.
    terms: Terms,
    /// The first of them.
    first: usize,
    /// The first without a rate.
    free: Option<usize>,
}
