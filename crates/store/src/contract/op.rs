//! What a host may do to a state, at random.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::state::DelegationStep;

/// One step, in one of two workspaces that share the state.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) workspace: usize,
    pub(super) op: Op,
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Accept {
        rows: Vec<(u8, Kind)>,
        cursor: Option<u8>,
        /// What a row says of a delegation.
        step: Option<(u8, DelegationStep)>,
    },
    Claim {
        max: usize,
    },
    Finish {
        message: Pick,
        answer: Option<Text>,
    },
    Fault {
        message: Pick,
    },
    Release {
        message: Pick,
    },
    Bury {
        message: Pick,
        notice: Option<Text>,
    },
    Revive {
        message: Pick,
    },
    Discard {
        message: Pick,
    },
    Intend {
        text: Text,
    },
    Begin {
        send: Pick,
    },
    Settle {
        send: Pick,
        how: How,
    },
    Delegate {
        slot: u8,
    },
    DelegationStep {
        slot: u8,
        step: DelegationStep,
    },
    Retain {
        ended_ms: i64,
        dead_ms: i64,
        keep_newest: u64,
    },
    /// Somebody takes the lease; the holder does not know.
    TakeOver,
    /// A former holder tries every verb.
    Stale,
    /// The process dies, the state is opened anew and leased.
    Crash,
}

/// What a row of a page is. Few ids, so that they meet again.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Message { sender: u8, id: Option<u8>, body: u8 },
    Echo { text: u8 },
    Skip,
}

/// What is sent: a text to the user, whose copies can be seen, or something to a peer.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// `None` to a peer.
    pub(super) user_text: Option<u8>,
    /// Under an id that was used before.
    pub(super) known_id: bool,
}

/// One of the messages, or sends, that there are.
#[derive(Debug, Clone)]
pub(super) struct Pick {
    /// Modulo their number.
    pub(super) index: usize,
    /// Of all, not only of those for which the verb makes sense.
    pub(super) any: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Landed,
    NotSent,
    Abandoned,
}

/// A life with more of one thing than of others, so that rare meetings happen.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let weights = prop_oneof![Just([4, 1, 1, 1]), Just([3, 5, 1, 1]), Just([3, 3, 4, 1]), Just([1, 1, 2, 6])];
    weights.prop_flat_map(|[inbox, outbox, upkeep, delegations]| {
        let op = prop_oneof![
            inbox => inbox_op(), outbox => outbox_op(), upkeep => upkeep_op(), delegations => delegation_op()
        ];
        let workspace = prop::bool::weighted(0.2).prop_map(usize::from);
        vec((workspace, op).prop_map(|(workspace, op)| Step { workspace, op }), 1..90)
    })
}

fn inbox_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (vec((0..40_u8, kind()), 0..6), option::of(any::<u8>()), option::weighted(0.2, (0..4_u8, step())))
            .prop_map(|(rows, cursor, step)| Op::Accept { rows, cursor, step }),
        5 => (0..4_usize).prop_map(|max| Op::Claim { max }),
        5 => (pick(), option::of(text())).prop_map(|(message, answer)| Op::Finish { message, answer }),
        2 => pick().prop_map(|message| Op::Fault { message }),
        2 => pick().prop_map(|message| Op::Release { message }),
        2 => (pick(), option::of(text())).prop_map(|(message, notice)| Op::Bury { message, notice }),
        1 => pick().prop_map(|message| Op::Revive { message }),
        1 => pick().prop_map(|message| Op::Discard { message }),
    ]
}

fn outbox_op() -> impl Strategy<Value = Op> {
    let finish = (pick(), text());
    prop_oneof![
        3 => finish.prop_map(|(message, text)| Op::Finish { message, answer: Some(text) }),
        1 => text().prop_map(|text| Op::Intend { text }),
        4 => pick().prop_map(|send| Op::Begin { send }),
        4 => (pick(), how()).prop_map(|(send, how)| Op::Settle { send, how }),
        4 => vec((any::<u8>(), echo()), 1..3).prop_map(|rows| Op::Accept { rows, cursor: None, step: None }),
    ]
}

fn delegation_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..4_u8).prop_map(|slot| Op::Delegate { slot }),
        3 => (0..4_u8, step()).prop_map(|(slot, step)| Op::DelegationStep { slot, step }),
    ]
}

fn step() -> impl Strategy<Value = DelegationStep> {
    prop_oneof![
        2 => (0..4_u8).prop_map(|id| DelegationStep::Accepted { id: format!("id {id}") }),
        1 => Just(DelegationStep::Queued),
        1 => Just(DelegationStep::Refused { reason: "no".to_owned() }),
        1 => (0..3_u8).prop_map(|text| DelegationStep::Completed { text: format!("text {text}") }),
        1 => Just(DelegationStep::Failed { reason: "gone".to_owned() }),
    ]
}

fn upkeep_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..12_i64, 0..12_i64, 0..6_u64)
            .prop_map(|(ended_ms, dead_ms, keep_newest)| Op::Retain { ended_ms, dead_ms, keep_newest }),
        1 => Just(Op::TakeOver),
        1 => Just(Op::Stale),
        1 => Just(Op::Crash),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => (0..3_u8, option::weighted(0.8, 0..8_u8), 0..4_u8)
            .prop_map(|(sender, id, body)| Kind::Message { sender, id, body }),
        1 => echo(),
        1 => Just(Kind::Skip),
    ]
}

fn echo() -> impl Strategy<Value = Kind> {
    (0..2_u8).prop_map(|text| Kind::Echo { text })
}

fn text() -> impl Strategy<Value = Text> {
    (option::weighted(0.8, 0..2_u8), prop::bool::weighted(0.1))
        .prop_map(|(user_text, known_id)| Text { user_text, known_id })
}

fn pick() -> impl Strategy<Value = Pick> {
    (0..64_usize, prop::bool::weighted(0.2)).prop_map(|(index, any)| Pick { index, any })
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![Just(How::Landed), Just(How::NotSent), Just(How::Abandoned)]
}
