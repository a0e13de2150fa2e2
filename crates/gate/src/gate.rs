//! The one way out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::denial::{Denial, Rule};
use crate::effect::{Act, Effect, Kind};
use crate::grants::Grants;
use crate::meter::Meter;
use crate::receipts::{Receipt, Receipts};

/// Where the gate takes the time from; must never go back.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Receipts that a gate keeps in full.
const RECEIPTS: usize = 256;
/// Bytes of a target that a receipt shows.
const TARGET_SHOWN: usize = 256;

/// Decides about every effect of one agent.
pub struct Gate {
    grants: Grants,
    started: bool,
    clock: Clock,
    meters: Mutex<[Option<Meter>; Kind::ALL.len()]>,
    receipts: Receipts,
}

impl Gate {
    /// A gate with these grants, open.
    pub fn new(grants: Grants) -> Self {
        Self::with_clock(grants, Arc::new(Instant::now))
    }

    /// The same, with a clock of one's own.
    pub fn with_clock(grants: Grants, clock: Clock) -> Self {
        let now = clock();
        let meters = Kind::ALL.map(|kind| grants.limits.per_minute(kind).map(|rate| Meter::new(rate, now)));
        Self { grants, started: true, clock, meters: Mutex::new(meters), receipts: Receipts::new(RECEIPTS) }
    }

    /// A gate that lets nothing pass: for an agent that only describes itself.
    pub fn closed() -> Self {
        Self { started: false, ..Self::new(Grants::default()) }
    }

    /// False for a gate that lets nothing pass.
    pub fn is_open(&self) -> bool {
        self.started
    }

    /// What the operator allows.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// What was decided so far.
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    /// Judges an act, on behalf of a message if there is one; what may be done comes back in a permit.
    ///
    /// # Errors
    /// The [`Denial`], when a rule refuses it. Nothing has happened then, and nothing was counted against a rate.
    pub fn pass<A: Act>(&self, act: A, message: Option<&str>) -> Result<Permit<A>, Denial> {
        let effect = act.effect();
        let denial =
            self.decide(&effect).err().map(|rule| Denial::explain(rule, &effect, &self.grants.limits));
        let receipt = self.record(&effect, message, denial.as_ref());
        match denial {
            None => Ok(Permit { act, receipt }),
            Some(denial) => Err(denial),
        }
    }

    /// The judgment itself: no allocation, no I/O.
    fn decide(&self, effect: &Effect<'_>) -> Result<(), Rule> {
        if !self.started {
            return Err(Rule::NotStarted);
        }
        let granted = match *effect {
            // Whoever wrote, and the workspace's own user: an agent that may not speak to them is no use to anybody.
            Effect::Answer { .. } | Effect::Notify { .. } | Effect::SetTask { .. } => true,
            Effect::ListPeers => !self.grants.peers.is_empty(),
            Effect::CallPeer { id, name, .. } => self.grants.allow_peer(id, name),
        };
        if !granted {
            return Err(Rule::Peer);
        }
        if effect.bytes() > self.grants.limits.message_bytes {
            return Err(Rule::Size);
        }
        self.meter(effect.kind())
    }

    /// Counts an effect against its rate. Last of all checks: what is refused for another reason costs nothing.
    fn meter(&self, kind: Kind) -> Result<(), Rule> {
        let Some(rate) = self.grants.limits.per_minute(kind) else { return Ok(()) };
        let now = (self.clock)();
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        match meters.get_mut(kind as usize).and_then(Option::as_mut) {
            Some(meter) => meter.take(rate, now).map_err(|retry_after| Rule::Rate { retry_after }),
            None => Ok(()),
        }
    }

    fn record(&self, effect: &Effect<'_>, message: Option<&str>, denial: Option<&Denial>) -> u64 {
        let target = shown(effect.target());
        self.receipts.record(|number| Receipt {
            number,
            kind: effect.kind(),
            target: target.to_owned(),
            bytes: effect.bytes(),
            message: message.map(str::to_owned),
            denied: denial.map(|denial| denial.rule.name()),
            grant: denial.and_then(|denial| denial.grant.as_deref()).map(|grant| shown(grant).to_owned()),
        })
    }
}

/// As much as a receipt keeps: an agent may write anything there.
fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TARGET_SHOWN)).unwrap_or_default()
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("grants", &self.grants).finish_non_exhaustive()
    }
}

/// The right to do one act, once.
///
/// Only [`Gate::pass`] makes one, and it cannot be copied.
///
/// ```compile_fail
/// # use molecule_gate::Permit;
/// fn twice<A>(permit: Permit<A>) -> (A, A) {
///     let again = permit.clone();
///     (permit.into_act(), again.into_act())
/// }
/// ```
///
/// ```compile_fail
/// # use molecule_gate::Permit;
/// let forged = Permit { act: "call anybody", receipt: 0 };
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped allowed something that did not happen"]
pub struct Permit<A> {
    act: A,
    receipt: u64,
}

impl<A> Permit<A> {
    /// What may be done.
    pub fn act(&self) -> &A {
        &self.act
    }

    /// Number of the receipt of the decision.
    pub fn receipt(&self) -> u64 {
        self.receipt
    }

    /// Uses the permit up: what may be done, to be done now.
    pub fn into_act(self) -> A {
        self.act
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::grants::Limits;

    #[derive(Debug)]
    enum Ask {
        Answer(usize),
        Notify(usize),
        List,
        Call(&'static str, Option<&'static str>),
        Task,
    }

    /// The rule and the grant that a denial is to name.
    type Refused = Option<(&'static str, Option<&'static str>)>;

    impl Act for Ask {
        fn effect(&self) -> Effect<'_> {
            match *self {
                Ask::Answer(bytes) => Effect::Answer { bytes },
                Ask::Notify(bytes) => Effect::Notify { bytes },
                Ask::List => Effect::ListPeers,
                Ask::Call(id, name) => Effect::CallPeer { id, name, bytes: 10 },
                Ask::Task => Effect::SetTask { bytes: 10 },
            }
        }
    }

    fn gate(peers: &[&str], limits: Limits) -> Gate {
        Gate::new(Grants { peers: peers.iter().map(|peer| peer.parse().unwrap()).collect(), limits })
    }

    /// Takes each rule's check out in turn and this table fails.
    #[test]
    fn each_effect_passes_exactly_with_its_grant() {
        let limits = Limits { message_bytes: 100, ..Limits::default() };
        let with = |peers: &[&str]| gate(peers, limits.clone());
        let cases: Vec<(Gate, Ask, Refused)> = vec![
            (with(&[]), Ask::Answer(100), None),
            (with(&[]), Ask::Answer(101), Some(("message-size", Some("--max-message-bytes 101")))),
            (Gate::closed(), Ask::Answer(1), Some(("not-started", None))),
            (with(&[]), Ask::Notify(100), None),
            (with(&[]), Ask::Notify(101), Some(("message-size", Some("--max-message-bytes 101")))),
            (with(&[]), Ask::Task, None),
            (with(&[]), Ask::List, Some(("peer", Some("--allow-peer '*'")))),
            (with(&["bob"]), Ask::List, None),
            (with(&[]), Ask::Call("id-1", Some("bob")), Some(("peer", Some("--allow-peer bob")))),
            (with(&["bob"]), Ask::Call("id-1", Some("bob")), None),
            (with(&["bob"]), Ask::Call("id-1", None), Some(("peer", Some("--allow-peer id-1")))),
            (with(&["id-1"]), Ask::Call("id-1", Some("bob")), None),
            (with(&["eve"]), Ask::Call("id-1", Some("bob")), Some(("peer", Some("--allow-peer bob")))),
            (with(&["*"]), Ask::Call("id-1", Some("my bob")), None),
            (with(&[]), Ask::Call("id-1", Some("my bob")), Some(("peer", Some("--allow-peer 'my bob'")))),
            (Gate::closed(), Ask::Notify(1), Some(("not-started", None))),
            (Gate::closed(), Ask::Task, Some(("not-started", None))),
            (Gate::closed(), Ask::List, Some(("not-started", None))),
            (Gate::closed(), Ask::Call("id-1", None), Some(("not-started", None))),
        ];
        for (index, (gate, ask, expected)) in cases.into_iter().enumerate() {
            let denied = gate.pass(ask, None).err().map(|denial| (denial.rule.name(), denial.grant));
            let expected = expected.map(|(rule, grant)| (rule, grant.map(str::to_owned)));
            assert_eq!(denied, expected, "case {index}");
        }
    }

    #[test]
    fn a_grant_that_a_denial_names_makes_it_pass() {
        let denial = gate(&[], Limits::default()).pass(Ask::Call("id-1", Some("bob")), None).unwrap_err();
        let grant = denial.grant.unwrap();
        let peer = grant.strip_prefix("--allow-peer ").unwrap();
        assert!(gate(&[peer], Limits::default()).pass(Ask::Call("id-1", Some("bob")), None).is_ok());
    }

    #[test]
    fn each_kind_has_a_rate_of_its_own_and_refusals_cost_nothing() {
        let start = Instant::now();
        let now = Arc::new(Mutex::new(start));
        let clock = {
            let now = now.clone();
            Arc::new(move || *now.lock().unwrap())
        };
        let grants = Grants {
            peers: vec!["bob".parse().unwrap()],
            limits: Limits { messages_per_minute: 2, message_bytes: 100 },
        };
        let gate = Gate::with_clock(grants, clock);
        for _ in 0..5 {
            assert_eq!(gate.pass(Ask::Notify(101), None).unwrap_err().rule, Rule::Size);
            assert_eq!(gate.pass(Ask::Call("eve", None), None).unwrap_err().rule, Rule::Peer);
        }
        for _ in 0..2 {
            assert!(gate.pass(Ask::Notify(1), None).is_ok());
            assert!(gate.pass(Ask::Call("bob", None), None).is_ok());
        }
        let rule = gate.pass(Ask::Notify(1), None).unwrap_err().rule;
        assert_eq!(rule, Rule::Rate { retry_after: Duration::from_secs(30) });
        *now.lock().unwrap() = start + Duration::from_secs(30);
        assert!(gate.pass(Ask::Notify(1), None).is_ok());
    }

    #[test]
    fn every_decision_leaves_a_receipt() {
        let gate = gate(&["bob"], Limits::default());
        let permit = gate.pass(Ask::Call("id-1", Some("bob")), Some("m-1")).unwrap();
        let _ = gate.pass(Ask::Call("id-2", None), None);
        let receipts = gate.receipts().latest();
        assert_eq!(receipts.len(), 2);
        assert_eq!(permit.receipt(), receipts[0].number);
        assert_eq!((receipts[0].message.as_deref(), receipts[0].denied), (Some("m-1"), None));
        assert_eq!((receipts[1].target.as_str(), receipts[1].denied), ("id-2", Some("peer")));
        let counts = gate.receipts().counts(Kind::CallPeer);
        assert_eq!((counts.allowed, counts.denied), (1, 1));
    }

    #[test]
    fn receipts_are_bounded() {
        let gate = gate(&[], Limits::default());
        for _ in 0..RECEIPTS + 10 {
            let _ = gate.pass(Ask::Task, None);
        }
        let latest = gate.receipts().latest();
        assert_eq!(latest.len(), RECEIPTS);
        assert_eq!(latest.last().unwrap().number as usize, RECEIPTS + 10);
    }
}
