//! The promises of [`State`] as one property test, for any implementation.
//!
//! It does at random what a host may do, in two workspaces of one state: pages with rows it had before,
//! copies of messages in other rows, other senders' messages under the same id, equal texts; verbs in their
//! place and out of it, once and twice; takeovers, former holders that come back, deaths of the process. It
//! keeps its own books of what must come of that, and compares after every step:
//!
//! - A message is accepted once, and is at every time exactly one of waiting, claimed, done and dead; nothing
//!   unfinished is lost over a crash, and its runs are counted as [`Runs`](crate::state::Runs) says.
//! - Claims hand out the oldest first, and nothing twice but by `fault`, `release` and a lease.
//! - There is one answer if `finish` gave one, and never two. No send is lost or doubled.
//! - A row counts once, an echo confirms one send: the oldest that may have caused it, and none that was not
//!   begun.
//! - A delegation is made once, named once and ended once; one that was certainly not taken can be made again.
//! - A former holder is told so, and changes nothing.
//! - The position is that of the last page taken.
//! - Retention drops what is old and ended, and nothing else.
//!
//! Behind the cargo feature `contract`. An implementation's test is then:
//!
//! ```
//! use molecule_store::{MemoryState, contract};
//!
//! contract::holds(4, async || MemoryState::new(), async |state| state);
//! ```

// It is a test, and fails as a test does.
#![allow(clippy::panic)]

mod delegations;
mod ledger;
mod op;

use std::fmt::Debug;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use self::ledger::{Fate, Ledger, Place, Unknown};
use self::op::{How, Kind, Op, Pick, Step, Text};
use crate::state::{
    DelegationStep, Fence, Incoming, MessageKey, NewSend, Page, Retention, Row, RowKind, Settlement, State,
    StateError, UnixMillis,
};

/// Panics, with the shortest list of steps that it finds, when an implementation breaks a promise.
///
/// `new` makes an empty state. `reopen` is the death of its process: it opens anew what the state left behind
/// (or returns it as it is, where nothing outlives the process). `cases` is the number of random lives to go
/// through; the environment variable `MOLECULE_ROUNDS` overrides it.
///
/// Brings its own async runtime, and so must not be called from within one.
pub fn holds<S: State>(cases: u32, new: impl AsyncFn() -> S, reopen: impl AsyncFn(S) -> S) {
    let cases = std::env::var("MOLECULE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(cases);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no async runtime to test in: {error}"),
    };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&op::steps(), |steps| {
        runtime.block_on(async {
            let mut life = Life::begin(new().await).await?;
            for (number, step) in steps.into_iter().enumerate() {
                let name = format!("step {number}, {step:?}");
                life = life.step(step, &reopen).await.map_err(|error| named(&name, error))?;
                life.audit().await.map_err(|error| named(&name, error))?;
            }
            life.end(&reopen).await
        })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("the contract was not tested: {reason}"),
        Err(TestError::Fail(reason, steps)) => {
            let steps: Vec<_> =
                steps.iter().enumerate().map(|(n, step)| format!("\n  {n}: {step:?}")).collect();
            panic!("{reason}\nafter these steps:{}", steps.concat());
        }
    }
}

/// A state, and the books that are kept of it.
struct Life<S> {
    state: S,
    workspaces: [Workspace; 2],
    /// Moves on with every step.
    now: UnixMillis,
    sends: usize,
}

struct Workspace {
    name: &'static str,
    ledger: Ledger,
    fence: Fence,
    former: Vec<Fence>,
}

type Checked<T = ()> = Result<T, TestCaseError>;

impl<S: State> Life<S> {
    async fn begin(state: S) -> Checked<Self> {
        let [a, b] = ["alpha", "beta"].map(async |name| {
            let fence = done("lease", state.lease(name).await)?;
            Checked::Ok(Workspace { name, ledger: Ledger::default(), fence, former: Vec::new() })
        });
        let workspaces = [a.await?, b.await?];
        Ok(Self { state, workspaces, now: 1_000, sends: 0 })
    }

    async fn step(mut self, step: Step, reopen: &impl AsyncFn(S) -> S) -> Checked<Self> {
        self.now += 1;
        let now = self.now;
        if let Op::Crash = step.op {
            return self.crash(reopen).await;
        }
        let Self { state, workspaces, sends, .. } = &mut self;
        let [first, second] = workspaces;
        let Workspace { name, ledger, fence, former } = if step.workspace == 0 { first } else { second };
        let mut new_send = |text: Text, ledger: &Ledger| {
            *sends += 1;
            send(text, *sends, ledger)
        };
        match step.op {
            Op::Accept { rows, cursor, step } => {
                let mut page = page(rows, cursor, now);
                page.delegations.extend(step.map(|(slot, step)| (delegations::slot(slot), step)));
                let accepted = done("accept", state.accept(fence, page.clone()).await)?;
                same("a page is taken once", &accepted, &ledger.accept(page))?;
            }
            Op::Claim { max } => {
                let claimed = done("claim", state.claim(fence, max).await)?;
                let expected = ledger.claim(max, &claimed);
                same("a claim hands out the oldest that wait", &claimed, &expected)?;
            }
            Op::Finish { message, answer } => {
                let Some((index, key)) = pick_message(ledger, &message, &[Place::Claimed]) else {
                    return Ok(self);
                };
                let answer = answer.map(|text| new_send(text, ledger));
                let got = known("finish", state.finish(fence, key, answer.clone()).await)?;
                same("a message is finished once", &got, &ledger.finish(index, answer))?;
            }
            Op::Fault { message } => {
                let Some((index, key)) = pick_message(ledger, &message, &[Place::Claimed]) else {
                    return Ok(self);
                };
                let got = known("fault", state.fault(fence, key, "it trapped").await)?;
                same("a fault is counted", &got, &ledger.fault(index))?;
            }
            Op::Release { message } => {
                let Some((index, key)) = pick_message(ledger, &message, &[Place::Claimed]) else {
                    return Ok(self);
                };
                let got = known("release", state.release(fence, key).await)?;
                same("a message is released", &got, &ledger.release(index))?;
            }
            Op::Bury { message, notice } => {
                let Some((index, key)) = pick_message(ledger, &message, &[Place::Claimed]) else {
                    return Ok(self);
                };
                let notice = notice.map(|text| new_send(text, ledger));
                let got = known("bury", state.bury(fence, key, "three faults", notice.clone(), now).await)?;
                same("a message is buried once", &got, &ledger.bury(index, "three faults", notice, now))?;
            }
            Op::Revive { message } => {
                let Some((index, key)) = pick_message(ledger, &message, &[Place::Dead]) else {
                    return Ok(self);
                };
                let got = known("revive", state.revive(fence, key).await)?;
                same("a dead letter is revived", &got, &ledger.revive(index))?;
            }
            Op::Discard { message } => {
                let Some((index, key)) = pick_message(ledger, &message, &[Place::Dead]) else {
                    return Ok(self);
                };
                let got = known("discard", state.discard(fence, key).await)?;
                same("a dead letter is discarded", &got, &ledger.discard(index))?;
            }
            Op::Intend { text } => {
                let send = new_send(text, ledger);
                done("intend", state.intend(fence, send.clone(), now + 30).await)?;
                ledger.intend(send, now + 30);
            }
            Op::Begin { send } => {
                let Some((index, id)) = pick_send(ledger, &send) else { return Ok(self) };
                let got = known("begin", state.begin(fence, &id, now + 30).await)?;
                same("nothing is sent that may not be sent", &got, &ledger.begin(index, now + 30))?;
            }
            Op::Settle { send, how } => {
                let Some((index, id)) = pick_send(ledger, &send) else { return Ok(self) };
                let how = match how {
                    How::Landed => Settlement::Landed,
                    How::NotSent => Settlement::NotSent,
                    How::Abandoned => Settlement::Abandoned("nobody there".into()),
                };
                let got = known("settle", state.settle(fence, &id, how.clone(), now).await)?;
                same("a send is settled once", &got, &ledger.settle(index, &how, now))?;
            }
            Op::Delegate { slot } => {
                let new = delegations::new(slot, now);
                let got = done("open_delegation", state.open_delegation(fence, new.clone()).await)?;
                same("a delegation is made once", &got, &ledger.delegations.open(new))?;
            }
            Op::DelegationStep { slot, step } => {
                let slot = delegations::slot(slot);
                let stepped = state.delegation_step(fence, &slot, step.clone(), now).await;
                let got = known("delegation_step", stepped)?;
                same("a delegation ends once", &got, &ledger.delegations.step(&slot, step, now))?;
            }
            Op::Retain { ended_ms, dead_ms, keep_newest } => {
                let retention = Retention { ended_ms, dead_ms, keep_newest };
                let dropped = done("retain", state.retain(fence, retention, now).await)?;
                same("what is old and ended is dropped", &dropped, &ledger.retain(retention, now))?;
            }
            Op::TakeOver => {
                let next = done("lease", state.lease(name).await)?;
                former.push(std::mem::replace(fence, next));
                ledger.lease();
            }
            Op::Stale => {
                let nobody = Fence { workspace: "nobody".into(), token: 1 };
                for fence in former.iter().chain([&nobody]) {
                    try_everything(state, fence, ledger).await?;
                }
            }
            Op::Crash => {}
        }
        Ok(self)
    }

    /// The process dies; the next one opens what is there and leases both workspaces.
    async fn crash(self, reopen: &impl AsyncFn(S) -> S) -> Checked<Self> {
        let Self { state, mut workspaces, now, sends } = self;
        let state = reopen(state).await;
        for workspace in &mut workspaces {
            let next = done("lease", state.lease(workspace.name).await)?;
            workspace.former.push(std::mem::replace(&mut workspace.fence, next));
            workspace.ledger.lease();
        }
        Ok(Self { state, workspaces, now, sends })
    }

    /// All that can be seen without changing it.
    async fn audit(&self) -> Checked {
        for Workspace { ledger, fence, .. } in &self.workspaces {
            let position = done("position", self.state.position(fence).await)?;
            same("the position is that of the last page", &position, &ledger.position)?;
            let backlog = done("backlog", self.state.backlog(fence).await)?;
            same("a message is in one place", &backlog, &ledger.backlog())?;
            let unsettled = done("unsettled", self.state.unsettled(fence, usize::MAX).await)?;
            same("no send is lost, doubled or confirmed by another's echo", &unsettled, &ledger.unsettled())?;
            let two = done("unsettled", self.state.unsettled(fence, 2).await)?;
            same("the sends that matter most come first", &two, &unsettled.into_iter().take(2).collect())?;
            let dead = done("dead_letters", self.state.dead_letters(fence, usize::MAX).await)?;
            same("a dead letter is kept", &dead, &ledger.dead_letters())?;
            let two = done("dead_letters", self.state.dead_letters(fence, 2).await)?;
            same("the newest dead letters come first", &two, &dead.into_iter().take(2).collect())?;
            let all = done("delegations", self.state.delegations(fence, usize::MAX).await)?;
            same("a delegation is kept", &all, &ledger.delegations.newest())?;
            let two = done("delegations", self.state.delegations(fence, 2).await)?;
            same("the newest delegations come first", &two, &all.iter().take(2).cloned().collect())?;
            let open = done("open_delegations", self.state.open_delegations(fence).await)?;
            same("an open delegation is found, the oldest first", &open, &ledger.delegations.open_ones())?;
            for id in all.iter().filter_map(|it| it.id.as_deref()) {
                let found = done("delegation", self.state.delegation(fence, id).await)?;
                same("a delegation is found by its name", &found, &ledger.delegations.named(id))?;
            }
        }
        Ok(())
    }

    /// One more death: what had not ended is all there, in order.
    async fn end(self, reopen: &impl AsyncFn(S) -> S) -> Checked {
        let mut life = self.crash(reopen).await?;
        for Workspace { ledger, fence, .. } in &mut life.workspaces {
            let claimed = done("claim", life.state.claim(fence, usize::MAX).await)?;
            let expected = ledger.claim(usize::MAX, &claimed);
            same("nothing unfinished is lost over a crash", &claimed, &expected)?;
        }
        life.audit().await
    }
}

/// Every verb with a fence that has ended, on things for which it would make sense.
async fn try_everything<S: State>(state: &S, fence: &Fence, ledger: &Ledger) -> Checked {
    let claimed = ledger.messages.iter().filter(|message| message.place == Place::Claimed);
    let claimed = claimed.filter_map(|message| message.key).next().unwrap_or(1);
    let dead = ledger.messages.iter().filter(|message| message.place == Place::Dead);
    let dead = dead.filter_map(|message| message.key).next().unwrap_or(1);
    let doubtful = ledger.sends.iter().find(|send| matches!(send.fate, Fate::InDoubt { .. }));
    let doubtful = doubtful.map_or("none", |send| &send.send.id);
    let send = || NewSend { id: "stale".into(), to: "user".into(), digest: None, body: "stale".into() };
    let row = Row {
        id: "stale".into(),
        kind: RowKind::Message(Incoming { sender: "x".into(), message_id: None, body: "stale".into() }),
    };
    let page = Page { rows: vec![row], cursor: Some("stale".into()), ..Page::default() };
    let everything = Retention { ended_ms: 0, dead_ms: 0, keep_newest: 0 };

    fenced("position", state.position(fence).await)?;
    fenced("accept", state.accept(fence, page).await)?;
    fenced("claim", state.claim(fence, usize::MAX).await)?;
    fenced("finish", state.finish(fence, claimed, Some(send())).await)?;
    fenced("fault", state.fault(fence, claimed, "stale").await)?;
    fenced("release", state.release(fence, claimed).await)?;
    fenced("bury", state.bury(fence, claimed, "stale", Some(send()), 0).await)?;
    fenced("intend", state.intend(fence, send(), 0).await)?;
    fenced("unsettled", state.unsettled(fence, usize::MAX).await)?;
    fenced("begin", state.begin(fence, doubtful, 0).await)?;
    fenced("settle", state.settle(fence, doubtful, Settlement::Landed, 0).await)?;
    fenced("backlog", state.backlog(fence).await)?;
    fenced("dead_letters", state.dead_letters(fence, usize::MAX).await)?;
    fenced("revive", state.revive(fence, dead).await)?;
    fenced("discard", state.discard(fence, dead).await)?;
    let new = delegations::new(0, 0);
    fenced("open_delegation", state.open_delegation(fence, new.clone()).await)?;
    let step = DelegationStep::Failed { reason: "stale".into() };
    fenced("delegation_step", state.delegation_step(fence, &new.slot, step, 0).await)?;
    fenced("delegation", state.delegation(fence, "id 0").await)?;
    fenced("delegations", state.delegations(fence, usize::MAX).await)?;
    fenced("open_delegations", state.open_delegations(fence).await)?;
    fenced("retain", state.retain(fence, everything, UnixMillis::MAX).await)
}

fn page(rows: Vec<(u8, Kind)>, cursor: Option<u8>, at: UnixMillis) -> Page {
    let row = |(id, kind)| Row {
        id: format!("row {id}"),
        kind: match kind {
            Kind::Message { sender, id, body } => RowKind::Message(Incoming {
                sender: format!("sender {sender}"),
                message_id: id.map(|id| format!("message {id}")),
                body: "text ".repeat(usize::from(body)),
            }),
            Kind::Echo { text } => RowKind::Echo(format!("digest {text}")),
            Kind::Skip => RowKind::Skip,
        },
    };
    let cursor = cursor.map(|id| format!("row {id}"));
    Page { rows: rows.into_iter().map(row).collect(), cursor, at, delegations: Vec::new() }
}

fn send(text: Text, number: usize, ledger: &Ledger) -> NewSend {
    let known = ledger.sends.last().filter(|_| text.known_id).map(|send| send.send.id.clone());
    NewSend {
        id: known.unwrap_or_else(|| format!("send {number}")),
        to: if text.user_text.is_some() { "user" } else { "peer" }.into(),
        digest: text.user_text.map(|text| format!("digest {text}")),
        body: format!("body {number}"),
    }
}

/// A message with a known key: in one of `places`, or anywhere.
fn pick_message(ledger: &Ledger, pick: &Pick, places: &[Place]) -> Option<(usize, MessageKey)> {
    let messages = ledger.messages.iter().enumerate();
    let fit = messages.filter(|(_, message)| pick.any || places.contains(&message.place));
    nth(fit.filter_map(|(index, message)| Some((index, message.key?))).collect(), pick)
}

/// An unsettled send, or any.
fn pick_send(ledger: &Ledger, pick: &Pick) -> Option<(usize, String)> {
    let fit = ledger.sends.iter().enumerate().filter(|(_, send)| match send.fate {
        Fate::Ready | Fate::InDoubt { .. } => true,
        // Its id may be another send's by now.
        Fate::Forgotten => false,
        Fate::Landed { .. } | Fate::Abandoned { .. } => pick.any,
    });
    nth(fit.map(|(index, send)| (index, send.send.id.clone())).collect(), pick)
}

fn nth<T>(mut fit: Vec<T>, pick: &Pick) -> Option<T> {
    if fit.is_empty() { None } else { Some(fit.swap_remove(pick.index % fit.len())) }
}

fn same<T: PartialEq + Debug>(promise: &str, got: &T, expected: &T) -> Checked {
    if got == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("broken: {promise}\n  expected {expected:?}\n  got      {got:?}")))
}

fn done<T>(verb: &str, outcome: Result<T, StateError>) -> Checked<T> {
    outcome.map_err(|error| TestCaseError::fail(format!("{verb} failed: {error}")))
}

fn known<T>(verb: &str, outcome: Result<T, StateError>) -> Checked<Result<T, Unknown>> {
    match outcome {
        Err(StateError::Unknown { .. }) => Ok(Err(Unknown)),
        outcome => done(verb, outcome).map(Ok),
    }
}

fn fenced<T: Debug>(verb: &str, outcome: Result<T, StateError>) -> Checked {
    match outcome {
        Err(StateError::Fenced { .. }) => Ok(()),
        outcome => {
            Err(TestCaseError::fail(format!("broken: a former holder may not {verb}; got {outcome:?}")))
        }
    }
}

fn named(step: &str, error: TestCaseError) -> TestCaseError {
    match error {
        TestCaseError::Fail(reason) => TestCaseError::fail(format!("{step}: {reason}")),
        reject => reject,
    }
}
