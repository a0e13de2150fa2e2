//! The one way out.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::denial::Denial;
use crate::effect::{Act, Effect};
use crate::explanation::{Explanation, resting_on};
use crate::grants::{Grant, Grants};
use crate::judge::{Judge, Meters, Refusal};
use crate::permit::Permit;
use crate::policy::{Bound, Refused};
use crate::receipts::{Receipt, Receipts};
use crate::terms::Terms;

/// Where the gate takes the time from; must never go back.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Hears of every decision, on the thread that asked for it: return at once.
pub type Listener = Arc<dyn Fn(&Receipt) + Send + Sync>;

/// Receipts that a gate keeps in full.
const RECEIPTS: usize = 256;
/// Bytes of a target that a receipt shows.
const TARGET_SHOWN: usize = 256;
/// Bytes of a reason.
const REASON_SHOWN: usize = 512;
/// Bytes of a grant that a receipt names. One that was cut would grant something else.
const GRANT_NAMED: usize = 2048;

/// Decides about every effect of one agent.
pub struct Gate {
    started: bool,
    clock: Clock,
    policy: Mutex<Policy>,
    receipts: Receipts,
    listener: Option<Listener>,
    bound: Option<Bound>,
}

/// What is allowed now, and what has been used of it.
struct Policy {
    grants: Arc<Grants>,
    revision: u64,
    meters: Meters,
}

impl Gate {
    /// A gate with these grants, open.
    pub fn new(grants: Grants) -> Self {
        Self::with_clock(grants, Arc::new(Instant::now))
    }

    /// The same, with a clock of one's own.
    pub fn with_clock(grants: Grants, clock: Clock) -> Self {
        let meters = Meters::new(&grants, clock());
        let policy = Mutex::new(Policy { grants: Arc::new(grants), revision: 1, meters });
        Self { started: true, clock, policy, receipts: Receipts::new(RECEIPTS), listener: None, bound: None }
    }

    /// The same, with somebody who hears of what it decides.
    #[must_use]
    pub fn heard_by(mut self, listener: Listener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// The same, with a judgment on top of the grants: that of a policy about the agent of this workspace.
    #[must_use]
    pub fn judged_by(mut self, agent: impl Into<String>, policy: Arc<dyn crate::Policy>) -> Self {
        self.bound = Some(Bound { agent: agent.into(), policy });
        self
    }

    /// A gate that lets nothing pass: for an agent that only describes itself.
    pub fn closed() -> Self {
        Self { started: false, ..Self::new(Grants::default()) }
    }

    /// False for a gate that lets nothing pass.
    pub fn is_open(&self) -> bool {
        self.started
    }

    /// What the operator allows now.
    pub fn grants(&self) -> Arc<Grants> {
        self.policy().grants.clone()
    }

    /// Counts the changes of the grants, from 1. What was decided at a lower one may be decided otherwise now.
    pub fn revision(&self) -> u64 {
        self.policy().revision
    }

    /// Puts other grants in the place of those that hold. What has been used of a rate stays used.
    ///
    /// Permits that were given remain; connections that were made for them should not outlive their revision.
    pub fn set_grants(&self, grants: Grants) {
        let now = (self.clock)();
        let mut policy = self.policy();
        if *policy.grants == grants {
            return;
        }
        policy.meters = policy.meters.carried(&policy.grants, &grants, now);
        policy.grants = Arc::new(grants);
        policy.revision += 1;
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
        self.pass_once(act, message, &[])
    }

    /// The same, as if these grants held as well, for this one act: that of an operator who was asked. What the act uses
    /// of a rate is used, also once they no longer hold.
    ///
    /// # Errors
    /// As [`Gate::pass`].
    pub fn pass_once<A: Act>(
        &self,
        act: A,
        message: Option<&str>,
        once: &[Grant],
    ) -> Result<Permit<A>, Denial> {
        let effect = act.effect();
        let (decided, grants) = self.decide(&effect, once, true);
        let decided = decided.map_err(|refused| refused.explain(&effect, &grants));
        let receipt = self.record(&effect, message, decided.as_ref().err());
        decided.map(|terms| Permit::new(act, terms, receipt))
    }

    /// Whether an effect would be allowed now. Allocates nothing, counts nothing, and leaves no receipt.
    pub fn allows(&self, effect: &Effect<'_>) -> bool {
        self.decide(effect, &[], false).0.is_ok()
    }

    /// What would be decided now, and on which grants it would rest. Counts nothing and leaves no receipt.
    pub fn explain(&self, effect: &Effect<'_>) -> Explanation {
        let (decided, grants) = self.decide(effect, &[], false);
        match decided {
            Ok(terms) => Explanation { by: resting_on(effect, &grants, &terms), outcome: Ok(terms) },
            Err(refused) => Explanation { by: Vec::new(), outcome: Err(refused.explain(effect, &grants)) },
        }
    }

    /// The judgment, and the grants it was made by, which may be others a moment later.
    fn decide(
        &self,
        effect: &Effect<'_>,
        once: &[Grant],
        spend: bool,
    ) -> (Result<Terms, Refused>, Arc<Grants>) {
        if let Some(bound) = &self.bound {
            // Asked about what the grants allow only, and before anything is counted.
            let (granted, grants) = self.by_grants(effect, once, false);
            let judged = granted.map_err(Refused::from).and_then(|_| bound.judge(effect));
            if let Err(refused) = judged {
                return (Err(refused), grants);
            }
        }
        let (granted, grants) = self.by_grants(effect, once, spend);
        (granted.map_err(Refused::from), grants)
    }

    fn by_grants(
        &self,
        effect: &Effect<'_>,
        once: &[Grant],
        spend: bool,
    ) -> (Result<Terms, Refusal>, Arc<Grants>) {
        let now = (self.clock)();
        let mut policy = self.policy();
        let Policy { grants, revision, meters } = &mut *policy;
        let judge = |grants| Judge { grants, revision: *revision, started: self.started, now };
        if once.is_empty() {
            return (judge(grants).decide(effect, meters, spend), grants.clone());
        }
        let mut wider = Grants::clone(grants);
        once.iter().cloned().for_each(|grant| wider.add(grant));
        let mut spent = meters.carried(grants, &wider, now);
        let decided = judge(&wider).decide(effect, &mut spent, spend);
        *meters = spent.carried(&wider, grants, now);
        // A rule that holds this once has no place among those that hold.
        let decided =
            decided.map(|terms| Terms { rule: terms.rule.filter(|at| *at < grants.net.len()), ..terms });
        (decided, Arc::new(wider))
    }

    fn policy(&self) -> MutexGuard<'_, Policy> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, effect: &Effect<'_>, message: Option<&str>, denial: Option<&Denial>) -> u64 {
        let target = effect.target();
        let grant = denial.and_then(|denial| denial.grant.as_ref()).filter(|it| it.len() <= GRANT_NAMED);
        let reason = denial.filter(|_| grant.is_none()).map(|denial| shown(&denial.message, REASON_SHOWN));
        self.receipts.record(|number| {
            let receipt = Receipt {
                number,
                kind: effect.kind(),
                target: shown(&target, TARGET_SHOWN).to_owned(),
                bytes: effect.bytes(),
                message: message.map(str::to_owned),
                denied: denial.map(|denial| denial.rule.name()),
                grant: grant.cloned(),
                reason: reason.map(str::to_owned),
            };
            if let Some(listener) = &self.listener {
                listener(&receipt);
            }
            receipt
        })
    }
}

/// As much as a receipt keeps: an agent may write anything there.
fn shown(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("grants", &self.grants()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::denial::Rule;
    use crate::effect::Kind;
    use crate::limits::Limits;

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
        let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        Gate::new(Grants { peers, limits, ..Grants::default() })
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
            (with(&["bob"]), Ask::Call("*", None), Some(("peer", None))),
            (with(&[]), Ask::Call("id-1", Some("*")), Some(("peer", Some("--allow-peer id-1")))),
            (
                with(&[]),
                Ask::Notify(Limits::MOST_MESSAGE_BYTES),
                Some(("message-size", Some("--max-message-bytes 1048576"))),
            ),
            (with(&[]), Ask::Notify(Limits::MOST_MESSAGE_BYTES + 1), Some(("message-size", None))),
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
            limits: Limits { messages_per_minute: 2, message_bytes: 100, ..Limits::default() },
            ..Grants::default()
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

    /// Refuses to call bob.
    struct NotBob(Mutex<Vec<String>>);

    impl crate::Policy for NotBob {
        fn judge(&self, agent: &str, effect: &Effect<'_>) -> crate::Verdict {
            self.0.lock().unwrap().push(format!("{agent} {}", effect.target()));
            match effect {
                Effect::CallPeer { name: Some("bob"), .. } => crate::Verdict::Deny("not bob".into()),
                _ => crate::Verdict::AsGranted,
            }
        }
    }

    #[test]
    fn a_policy_refuses_what_is_granted_and_grants_nothing() {
        let policy = Arc::new(NotBob(Mutex::default()));
        let limits = Limits { messages_per_minute: 1, ..Limits::default() };
        let gate = gate(&["bob", "eve"], limits).judged_by("alice", policy.clone());
        let denial = gate.pass(Ask::Call("id-1", Some("bob")), None).unwrap_err();
        assert_eq!((denial.rule, denial.grant.as_deref()), (Rule::Policy, None));
        assert_eq!(denial.message, "peers.call: not bob");
        assert_eq!(gate.receipts().latest()[0].denied, Some("policy"));
        // What it refuses costs nothing, and what the grants refuse it is not asked about.
        assert!(gate.pass(Ask::Call("id-2", Some("eve")), None).is_ok());
        assert!(gate.pass(Ask::Call("id-2", Some("eve")), None).is_err());
        assert_eq!(gate.pass(Ask::Call("id-3", Some("mallory")), None).unwrap_err().rule, Rule::Peer);
        assert_eq!(*policy.0.lock().unwrap(), ["alice bob", "alice eve"]);
        let bob = Ask::Call("id-1", Some("bob"));
        assert!(!gate.explain(&bob.effect()).is_allowed());
    }

    #[test]
    fn whoever_listens_hears_of_every_decision() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = heard.clone();
        let gate = gate(&[], Limits::default()).heard_by(Arc::new(move |receipt: &Receipt| {
            noted.lock().unwrap().push((receipt.kind, receipt.denied));
        }));
        let _ = gate.pass(Ask::Task, None);
        let _ = gate.pass(Ask::List, None);
        assert_eq!(*heard.lock().unwrap(), [(Kind::SetTask, None), (Kind::ListPeers, Some("peer"))]);
    }

    /// Cut it, and what is pasted grants something else.
    #[test]
    fn a_grant_stands_whole_in_a_receipt_or_a_reason_does() {
        let gate = gate(&[], Limits::default());
        for (peer, named) in [("x".repeat(1000), true), ("x".repeat(GRANT_NAMED), false)] {
            let peer: &'static str = peer.leak();
            let denial = gate.pass(Ask::Call(peer, None), None).unwrap_err();
            let receipt = gate.receipts().latest().pop().unwrap();
            assert_eq!(receipt.grant, denial.grant.filter(|_| named));
            assert_eq!(receipt.reason.is_none(), named);
            assert!(receipt.target.len() <= TARGET_SHOWN);
            assert!(receipt.reason.is_none_or(|reason| reason.len() <= REASON_SHOWN));
        }
        let closed = Gate::closed();
        let _ = closed.pass(Ask::List, None);
        let receipt = closed.receipts().latest().pop().unwrap();
        assert_eq!(
            receipt.reason.as_deref(),
            Some("peers.list is not possible before the agent has started")
        );
    }

    #[test]
    fn writes_that_were_allowed_push_out_no_receipt() {
        struct Write;
        impl Act for Write {
            fn effect(&self) -> Effect<'_> {
                Effect::Store { bytes: 1, used: 0 }
            }
        }
        let gate = gate(&[], Limits::default());
        assert!(gate.pass(Write, None).is_err());
        gate.set_grants(Grants { storage_bytes: Some("1MiB".parse().unwrap()), ..Grants::default() });
        for _ in 0..RECEIPTS + 10 {
            let _ = gate.pass(Write, None).unwrap();
        }
        let latest = gate.receipts().latest();
        assert_eq!(latest.iter().map(|receipt| receipt.denied).collect::<Vec<_>>(), [Some("storage-quota")]);
        assert_eq!(gate.receipts().counts(Kind::Store).allowed as usize, RECEIPTS + 10);
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
