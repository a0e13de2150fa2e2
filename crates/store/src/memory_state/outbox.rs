//! The sends of one workspace.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::state::{NewSend, Progress, Settlement, StateError, UnixMillis, Unsettled};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// In the order in which they were made.
    sends: BTreeMap<Place, Send>,
    last: Place,
    by_id: HashMap<String, Place>,
    /// Attempts, of all sends.
    attempts: u64,
    unsettled: BTreeSet<Place>,
}

type Place = u64;

#[derive(Debug)]
struct Send {
    send: NewSend,
    fate: Fate,
    once: bool,
    echoed: bool,
    attempts: u32,
    /// Which of all attempts its newest one is.
    begun: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Ready,
    InDoubt { until: UnixMillis },
    Landed { at: UnixMillis },
    Abandoned { at: UnixMillis },
}

impl Outbox {
    /// A send whose id is known is queued already.
    pub(super) fn queue(&mut self, send: NewSend) {
        self.insert(Send { send, fate: Fate::Ready, once: false, echoed: false, attempts: 0, begun: 0 });
    }

    pub(super) fn intend(&mut self, send: NewSend, until: UnixMillis) {
        self.attempts += 1;
        let (fate, begun) = (Fate::InDoubt { until }, self.attempts);
        self.insert(Send { send, fate, once: true, echoed: false, attempts: 1, begun });
    }

    fn insert(&mut self, send: Send) {
        if self.by_id.contains_key(&send.send.id) {
            return;
        }
        self.last += 1;
        self.by_id.insert(send.send.id.clone(), self.last);
        self.unsettled.insert(self.last);
        self.sends.insert(self.last, send);
    }

    pub(super) fn unsettled(&self, max: usize) -> Vec<Unsettled> {
        let mut unsettled: Vec<_> = self.unsettled.iter().filter_map(|place| self.sends.get(place)).collect();
        // In their own order among their like.
        unsettled.sort_by_key(|send| (send.fate == Fate::Ready, send.send.digest.is_none()));
        unsettled
            .into_iter()
            .take(max)
            .map(|send| Unsettled {
                send: send.send.clone(),
                progress: match send.fate {
                    Fate::InDoubt { until } => {
                        Progress::InDoubt { until, echoed: send.echoed, once: send.once }
                    }
                    _ => Progress::Ready,
                },
                attempts: send.attempts,
            })
            .collect()
    }

    pub(super) fn count_unsettled(&self) -> usize {
        self.unsettled.len()
    }

    pub(super) fn begin(&mut self, id: &str, until: UnixMillis) -> Result<(), StateError> {
        let begun = self.attempts + 1;
        let (_, send) = self.find(id)?;
        if send.is_settled() || send.once || send.echoed {
            return Err(unknown(id));
        }
        send.fate = Fate::InDoubt { until };
        send.attempts += 1;
        send.begun = begun;
        self.attempts = begun;
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        id: &str,
        settlement: &Settlement,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        let (place, send) = self.find(id)?;
        match (send.fate, settlement) {
            (Fate::Landed { .. } | Fate::Abandoned { .. }, _) | (Fate::Ready, Settlement::NotSent) => {
                return Ok(());
            }
            (Fate::Ready, Settlement::Landed) => return Err(unknown(id)),
            _ => {}
        }
        let (once, echoed, digest) = (send.once, send.echoed, send.send.digest.clone());
        let fate = match settlement {
            Settlement::Landed => Fate::Landed { at },
            // Somebody has seen it there, and no other send explains that.
            _ if echoed && !digest.is_some_and(|digest| self.echo(&digest)) => Fate::Landed { at },
            Settlement::NotSent if !once => Fate::Ready,
            Settlement::NotSent | Settlement::Abandoned(_) => Fate::Abandoned { at },
        };
        let (_, send) = self.find(id)?;
        send.fate = fate;
        // One that did not land has given its echo away.
        send.echoed &= matches!(fate, Fate::Landed { .. });
        if send.is_settled() {
            self.unsettled.remove(&place);
        }
        Ok(())
    }

    /// Counts one echo for the send begun first of those that it may be of. False when there is none.
    pub(super) fn echo(&mut self, digest: &str) -> bool {
        let may_be_of = |send: &&mut Send| {
            let there = matches!(send.fate, Fate::InDoubt { .. } | Fate::Landed { .. });
            there && !send.echoed && send.send.digest.as_deref() == Some(digest)
        };
        let confirmed = self.sends.values_mut().filter(may_be_of).min_by_key(|send| send.begun);
        confirmed.map(|send| send.echoed = true).is_some()
    }

    /// Drops sends settled before then.
    pub(super) fn forget(&mut self, before: UnixMillis) -> u64 {
        let Self { sends, by_id, .. } = self;
        let held = sends.len();
        sends.retain(|_, send| {
            let gone = matches!(send.fate, Fate::Landed { at } | Fate::Abandoned { at } if at < before);
            if gone {
                by_id.remove(&send.send.id);
            }
            !gone
        });
        (held - sends.len()) as u64
    }

    fn find(&mut self, id: &str) -> Result<(Place, &mut Send), StateError> {
        let found = self.by_id.get(id).copied();
        found
            .and_then(|place| self.sends.get_mut(&place).map(|send| (place, send)))
            .ok_or_else(|| unknown(id))
    }
}

impl Send {
    fn is_settled(&self) -> bool {
        matches!(self.fate, Fate::Landed { .. } | Fate::Abandoned { .. })
    }
}

fn unknown(id: &str) -> StateError {
    StateError::Unknown { what: "send", id: id.to_owned() }
}
