//! What the gate refuses, as events: at once the first time, counted when it goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_gate::{Kind, Receipt};
use tokio::sync::Notify;

use super::context::Context;
use crate::events::Event;

/// How long the same denial is counted before it is told again.
const EVERY: Duration = Duration::from_secs(10);
/// Denials that are told apart in that time.
const DISTINCT: usize = 32;
/// The target of those beyond.
const OTHERS: &str = "…";

/// The denials of one agent: however many there are, few events come of them.
#[derive(Debug, Default)]
pub(super) struct Denials {
    recent: Mutex<Vec<Recent>>,
    /// There are some to be told later.
    counted: Notify,
}

/// A denial that was told not long ago, and what has come of the same since.
#[derive(Debug)]
struct Recent {
    effect: Kind,
    target: String,
    rule: &'static str,
    grant: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    times: u64,
}

impl Denials {
    /// Counts what was decided. One that was not refused of late comes back as the event to tell.
    pub(super) fn count(&self, receipt: &Receipt) -> Option<Event> {
        let rule = receipt.denied?;
        let mut recent = self.recent();
        let same = |it: &Recent, target: &str| {
            (it.effect, it.rule, it.target.as_str()) == (receipt.kind, rule, target)
        };
        let crowded = recent.len() >= DISTINCT && !recent.iter().any(|it| same(it, &receipt.target));
        let target = if crowded { OTHERS } else { receipt.target.as_str() };
        if let Some(it) = recent.iter_mut().find(|it| same(it, target)) {
            it.add(receipt.message.as_deref());
            self.counted.notify_one();
            return None;
        }
        let first = Recent {
            effect: receipt.kind,
            target: target.to_owned(),
            rule,
            grant: receipt.grant.clone().filter(|_| !crowded),
            reason: receipt.reason.clone().filter(|_| !crowded),
            message: receipt.message.clone(),
            times: 1,
        };
        let event = first.event();
        recent.push(Recent { times: 0, ..first });
        self.counted.notify_one();
        Some(event)
    }

    /// What was counted since the last call. What was not refused since then is forgotten.
    pub(super) fn counted(&self) -> Vec<Event> {
        let mut recent = self.recent();
        recent.retain(|it| it.times > 0);
        let events = recent.iter().map(Recent::event).collect();
        recent.iter_mut().for_each(|it| it.times = 0);
        events
    }

    fn is_empty(&self) -> bool {
        self.recent().is_empty()
    }

    fn recent(&self) -> MutexGuard<'_, Vec<Recent>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn add(&mut self, message: Option<&str>) {
        if self.times == 0 {
            self.message = message.map(str::to_owned);
        } else if self.message.as_deref() != message {
            self.message = None;
        }
        self.times += 1;
    }

    fn event(&self) -> Event {
        Event::Denied {
            effect: self.effect,
            target: self.target.clone(),
            rule: self.rule,
            grant: self.grant.clone(),
            reason: self.reason.clone(),
            message: self.message.clone(),
            times: self.times,
        }
    }
}

/// Tells what was counted, until it is dropped. Sleeps as long as nothing is refused.
pub(super) async fn run(context: Arc<Context>) {
    loop {
        if context.denials.is_empty() {
            context.denials.counted.notified().await;
        }
        tokio::time::sleep(EVERY).await;
        for event in context.denials.counted() {
            context.say(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(target: &str, message: &str) -> Receipt {
        Receipt {
            number: 1,
            kind: Kind::CallPeer,
            target: target.to_owned(),
            bytes: 0,
            message: Some(message.to_owned()),
            denied: Some("peer"),
            grant: Some(format!("--allow-peer {target}")),
            reason: None,
        }
    }

    /// The target, the message and the count of a denial.
    fn read(event: &Event) -> (String, Option<String>, u64) {
        let Event::Denied { target, message, times, .. } = event else { panic!("{event:?}") };
        (target.clone(), message.clone(), *times)
    }

    #[test]
    fn the_first_denial_is_told_at_once_and_the_same_again_is_counted() {
        let denials = Denials::default();
        let first = denials.count(&refused("bob", "m-1")).unwrap();
        assert_eq!(read(&first), ("bob".into(), Some("m-1".into()), 1));
        for _ in 0..10_000 {
            assert!(denials.count(&refused("bob", "m-1")).is_none());
        }
        assert!(denials.count(&refused("eve", "m-2")).is_some());
        let counted: Vec<_> = denials.counted().iter().map(read).collect();
        assert_eq!(counted, [("bob".into(), Some("m-1".into()), 10_000)]);

        // It goes on: counted at once. Of several messages none is named.
        assert!(denials.count(&refused("bob", "m-3")).is_none());
        assert!(denials.count(&refused("bob", "m-4")).is_none());
        assert_eq!(denials.counted().iter().map(read).collect::<Vec<_>>(), [("bob".into(), None, 2)]);

        // After a while of rest it is news again.
        assert!(denials.counted().is_empty());
        assert!(denials.is_empty());
        assert!(denials.count(&refused("bob", "m-5")).is_some());
    }

    #[test]
    fn an_agent_that_tries_everything_makes_few_events() {
        let denials = Denials::default();
        let told =
            (0..10_000).filter(|peer| denials.count(&refused(&peer.to_string(), "m")).is_some()).count();
        assert_eq!(told, DISTINCT + 1);
        let others: Vec<_> = denials.counted().iter().map(read).collect();
        assert_eq!(others, [(OTHERS.into(), Some("m".into()), (10_000 - DISTINCT - 1) as u64)]);
    }

    #[test]
    fn what_is_granted_is_no_denial() {
        let denials = Denials::default();
        let granted = Receipt { denied: None, ..refused("bob", "m") };
        assert!(denials.count(&granted).is_none() && denials.is_empty());
    }
}
