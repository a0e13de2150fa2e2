//! What a workspace's state must hold, kept by the book: every promise of the trait as plain code on lists.

use super::delegations::Delegations;
use crate::state::{
    Accepted, Backlog, Claimed, DeadLetter, Dropped, MessageKey, NewSend, Page, Position, Progress,
    Retention, RowKind, Runs, Settlement, UnixMillis, Unsettled,
};

/// A verb makes no sense here, and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) position: Position,
    rows: Vec<TakenRow>,
    /// In the order in which they were accepted. None is ever removed.
    pub(super) messages: Vec<Message>,
    /// Indices of dead messages, in the order in which they were given up.
    dead: Vec<usize>,
    /// In the order in which they were made. None is ever removed.
    pub(super) sends: Vec<Send>,
    /// Indices of the sends that were ever begun, in the order of their newest attempts.
    begun: Vec<usize>,
    pub(super) delegations: Delegations,
}

#[derive(Debug)]
struct TakenRow {
    id: String,
    /// Sender and id, of the first copy.
    message_id: Option<(String, String)>,
    /// Index of the message it brought.
    message: Option<usize>,
    at: UnixMillis,
}

#[derive(Debug)]
pub(super) struct Message {
    /// Known from the first claim on.
    pub(super) key: Option<MessageKey>,
    sender: String,
    body: String,
    pub(super) place: Place,
    runs: Runs,
    /// Why, what its sender was told, and when it was given up.
    grave: Option<(String, Option<String>, UnixMillis)>,
}

/// Exactly one of these at every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Waiting,
    Claimed,
    Dead,
    Done,
    Discarded,
    /// Ended, and dropped by retention.
    Forgotten,
}

#[derive(Debug)]
pub(super) struct Send {
    pub(super) send: NewSend,
    pub(super) fate: Fate,
    once: bool,
    echoed: bool,
    attempts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Ready,
    InDoubt {
        until: UnixMillis,
    },
    Landed {
        at: UnixMillis,
    },
    Abandoned {
        at: UnixMillis,
    },
    /// Settled, and dropped by retention.
    Forgotten,
}

impl Ledger {
    /// What was claimed waits again, one interruption more.
    pub(super) fn lease(&mut self) {
        for message in self.messages.iter_mut().filter(|message| message.place == Place::Claimed) {
            message.place = Place::Waiting;
            message.runs.interruptions += 1;
        }
    }

    /// Each row once, each (sender, id) once, each echo once.
    pub(super) fn accept(&mut self, page: Page) -> Accepted {
        let mut accepted = Accepted::default();
        for row in page.rows {
            if self.rows.iter().any(|known| known.id == row.id) {
                accepted.duplicates += 1;
                continue;
            }
            let mut taken = TakenRow { id: row.id, message_id: None, message: None, at: page.at };
            match row.kind {
                RowKind::Message(message) => {
                    let id = message.message_id.map(|id| (message.sender.clone(), id));
                    if id.is_some() && self.rows.iter().any(|known| known.message_id == id) {
                        accepted.duplicates += 1;
                    } else {
                        accepted.messages.push(taken.id.clone());
                        (taken.message_id, taken.message) = (id, Some(self.messages.len()));
                        self.messages.push(Message {
                            key: None,
                            sender: message.sender,
                            body: message.body,
                            place: Place::Waiting,
                            runs: Runs::default(),
                            grave: None,
                        });
                    }
                }
                RowKind::Echo(digest) => {
                    self.echo(&digest);
                }
                RowKind::Skip => {}
            }
            self.rows.push(taken);
        }
        for (slot, step) in page.delegations {
            let _ = self.delegations.step(&slot, step, page.at);
        }
        self.position.cursor = page.cursor.or_else(|| self.position.cursor.take());
        self.position.at = Some(page.at);
        accepted
    }

    /// The oldest that wait, `got` being what the state says it handed out: their keys are learnt from it.
    pub(super) fn claim(&mut self, max: usize, got: &[Claimed]) -> Vec<Claimed> {
        let known: Vec<_> = self.messages.iter().filter_map(|message| message.key).collect();
        let waiting = self.messages.iter_mut().filter(|message| message.place == Place::Waiting).take(max);
        let mut expected = Vec::new();
        for (index, message) in waiting.enumerate() {
            message.place = Place::Claimed;
            message.runs.deliveries += 1;
            // A new key is whatever nobody had; 0 is nobody's, and so never equal to a key in use.
            let new_key = || got.get(index).map(|claimed| claimed.key).filter(|key| !known.contains(key));
            let key = message.key.or_else(new_key).unwrap_or(0);
            message.key = Some(key);
            expected.push(Claimed { key, body: message.body.clone(), runs: message.runs });
        }
        expected
    }

    /// At most one answer, in the instant in which the message ends.
    pub(super) fn finish(&mut self, index: usize, answer: Option<NewSend>) -> Result<(), Unknown> {
        match self.place(index) {
            Some(Place::Done) => Ok(()),
            Some(Place::Claimed) => {
                self.put(index, Place::Done);
                self.queue(answer);
                Ok(())
            }
            _ => Err(Unknown),
        }
    }

    pub(super) fn fault(&mut self, index: usize) -> Result<Runs, Unknown> {
        let message = self.messages.get_mut(index).filter(|m| m.place == Place::Claimed).ok_or(Unknown)?;
        message.runs.faults += 1;
        message.runs.deliveries += 1;
        Ok(message.runs)
    }

    pub(super) fn release(&mut self, index: usize) -> Result<(), Unknown> {
        match self.place(index) {
            Some(Place::Claimed | Place::Waiting) => self.put(index, Place::Waiting),
            _ => return Err(Unknown),
        }
        Ok(())
    }

    pub(super) fn bury(
        &mut self,
        index: usize,
        reason: &str,
        notice: Option<NewSend>,
        at: UnixMillis,
    ) -> Result<(), Unknown> {
        match self.place(index) {
            Some(Place::Dead) => return Ok(()),
            Some(Place::Claimed) => {}
            _ => return Err(Unknown),
        }
        self.put(index, Place::Dead);
        self.dead.push(index);
        if let Some(message) = self.messages.get_mut(index) {
            message.grave = Some((reason.into(), notice.as_ref().map(|notice| notice.body.clone()), at));
        }
        self.queue(notice);
        Ok(())
    }

    pub(super) fn revive(&mut self, index: usize) -> Result<(), Unknown> {
        match self.place(index) {
            Some(Place::Waiting | Place::Claimed) => return Ok(()),
            Some(Place::Dead) => {}
            _ => return Err(Unknown),
        }
        self.put(index, Place::Waiting);
        self.dead.retain(|dead| *dead != index);
        if let Some(message) = self.messages.get_mut(index) {
            message.runs = Runs::default();
        }
        Ok(())
    }

    pub(super) fn discard(&mut self, index: usize) -> Result<(), Unknown> {
        match self.place(index) {
            Some(Place::Discarded) => return Ok(()),
            Some(Place::Dead) => {}
            _ => return Err(Unknown),
        }
        self.put(index, Place::Discarded);
        self.dead.retain(|dead| *dead != index);
        Ok(())
    }

    pub(super) fn intend(&mut self, send: NewSend, until: UnixMillis) {
        let send = Send { send, fate: Fate::InDoubt { until }, once: true, echoed: false, attempts: 1 };
        if self.add(send) {
            self.begun.push(self.sends.len() - 1);
        }
    }

    /// Never one that may not be sent (again).
    pub(super) fn begin(&mut self, index: usize, until: UnixMillis) -> Result<(), Unknown> {
        let send = self.sends.get_mut(index).ok_or(Unknown)?;
        if !send.is_unsettled() || send.once || send.echoed {
            return Err(Unknown);
        }
        send.fate = Fate::InDoubt { until };
        send.attempts += 1;
        self.begun.retain(|begun| *begun != index);
        self.begun.push(index);
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        index: usize,
        settlement: &Settlement,
        at: UnixMillis,
    ) -> Result<(), Unknown> {
        let send = self.sends.get_mut(index).ok_or(Unknown)?;
        match (send.fate, settlement) {
            (Fate::Forgotten, _) | (Fate::Ready, Settlement::Landed) => return Err(Unknown),
            (Fate::Landed { .. } | Fate::Abandoned { .. }, _) | (Fate::Ready, Settlement::NotSent) => {
                return Ok(());
            }
            _ => {}
        }
        let once = send.once;
        let orphaned = send.digest_of_echo();
        send.fate = match settlement {
            Settlement::Landed => Fate::Landed { at },
            Settlement::NotSent if !once => Fate::Ready,
            Settlement::NotSent | Settlement::Abandoned(_) => Fate::Abandoned { at },
        };
        // No echo is lost: if the send is not there, it was an equal one's, or the send is there after all.
        if let Some(digest) = orphaned
            && *settlement != Settlement::Landed
        {
            let taken = self.echo(&digest);
            let send = self.sends.get_mut(index).ok_or(Unknown)?;
            send.echoed = !taken;
            if !taken {
                send.fate = Fate::Landed { at };
            }
        }
        Ok(())
    }

    pub(super) fn retain(&mut self, retention: Retention, now: UnixMillis) -> Dropped {
        let delegations = self.delegations.forget(now - retention.ended_ms);
        let mut dropped = Dropped { delegations, ..Dropped::default() };
        for index in std::mem::take(&mut self.dead) {
            let buried = self.messages.get(index).and_then(|message| message.grave.as_ref());
            if buried.is_some_and(|(_, _, at)| *at < now - retention.dead_ms) {
                self.put(index, Place::Discarded);
                dropped.dead += 1;
            } else {
                self.dead.push(index);
            }
        }
        let kept_anyway = usize::try_from(retention.keep_newest).unwrap_or(usize::MAX);
        let mut newer = self.rows.len();
        for row in std::mem::take(&mut self.rows) {
            newer -= 1;
            let place = row.message.and_then(|index| self.place(index));
            let ended = !matches!(place, Some(Place::Waiting | Place::Claimed | Place::Dead));
            if row.at < now - retention.ended_ms && newer >= kept_anyway && ended {
                dropped.seen += 1;
                dropped.done += u64::from(place == Some(Place::Done));
                row.message.into_iter().for_each(|index| self.put(index, Place::Forgotten));
            } else {
                self.rows.push(row);
            }
        }
        for send in &mut self.sends {
            if let Fate::Landed { at } | Fate::Abandoned { at } = send.fate
                && at < now - retention.ended_ms
            {
                send.fate = Fate::Forgotten;
                dropped.sends += 1;
            }
        }
        dropped
    }

    pub(super) fn backlog(&self) -> Backlog {
        let at = |place| self.messages.iter().filter(move |message| message.place == place);
        let bytes = |place| at(place).map(|message| message.body.len() as u64).sum::<u64>();
        Backlog {
            waiting: at(Place::Waiting).count() as u64,
            claimed: at(Place::Claimed).count() as u64,
            bytes: bytes(Place::Waiting) + bytes(Place::Claimed),
            unsettled: self.sends.iter().filter(|send| send.is_unsettled()).count() as u64,
            dead: at(Place::Dead).count() as u64,
        }
    }

    pub(super) fn unsettled(&self) -> Vec<Unsettled> {
        let unsettled = |ready: bool, echoes: bool| {
            let is_such = move |send: &&Send| {
                (send.fate == Fate::Ready) == ready && send.send.digest.is_some() == echoes
            };
            self.sends.iter().filter(|send| send.is_unsettled()).filter(is_such)
        };
        let doubtful = unsettled(false, true).chain(unsettled(false, false));
        doubtful
            .chain(unsettled(true, true))
            .chain(unsettled(true, false))
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

    /// Newest first.
    pub(super) fn dead_letters(&self) -> Vec<DeadLetter> {
        let dead = self.dead.iter().rev().filter_map(|index| self.messages.get(*index));
        dead.filter_map(|message| {
            let (reason, notice, at) = message.grave.clone()?;
            Some(DeadLetter {
                key: message.key?,
                sender: message.sender.clone(),
                body: message.body.clone(),
                reason,
                notice,
                runs: message.runs,
                at,
            })
        })
        .collect()
    }

    fn place(&self, index: usize) -> Option<Place> {
        self.messages.get(index).map(|message| message.place)
    }

    fn put(&mut self, index: usize, place: Place) {
        if let Some(message) = self.messages.get_mut(index) {
            message.place = place;
        }
    }

    fn queue(&mut self, send: Option<NewSend>) {
        if let Some(send) = send {
            self.add(Send { send, fate: Fate::Ready, once: false, echoed: false, attempts: 0 });
        }
    }

    /// An id that is known is queued already: false.
    fn add(&mut self, send: Send) -> bool {
        let known = |known: &Send| known.fate != Fate::Forgotten && known.send.id == send.send.id;
        let new = !self.sends.iter().any(known);
        if new {
            self.sends.push(send);
        }
        new
    }

    /// One echo confirms one send: of those that may have caused it the one begun first. False when there is none.
    fn echo(&mut self, digest: &str) -> bool {
        let may_be_of = |send: &Send| {
            let may_be_there = matches!(send.fate, Fate::InDoubt { .. } | Fate::Landed { .. });
            may_be_there && !send.echoed && send.send.digest.as_deref() == Some(digest)
        };
        let first = self.begun.iter().find(|index| self.sends.get(**index).is_some_and(may_be_of));
        let confirmed = first.copied().and_then(|index| self.sends.get_mut(index));
        confirmed.map(|send| send.echoed = true).is_some()
    }
}

impl Send {
    fn is_unsettled(&self) -> bool {
        matches!(self.fate, Fate::Ready | Fate::InDoubt { .. })
    }

    fn digest_of_echo(&self) -> Option<String> {
        self.send.digest.clone().filter(|_| self.echoed)
    }
}
