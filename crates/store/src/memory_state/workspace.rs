//! What is held of one workspace.

use std::collections::{BTreeMap, HashSet};

use super::delegations::Delegations;
use super::outbox::Outbox;
use crate::state::{
    Accepted, Backlog, Claimed, DeadLetter, Dropped, Incoming, MessageKey, NewSend, Page, Position,
    Retention, Row, RowKind, Runs, StateError, UnixMillis,
};

#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) token: i64,
    pub(super) position: Position,
    seen: BTreeMap<MessageKey, Seen>,
    /// The ids in `seen`, to be found.
    rows: HashSet<String>,
    messages: HashSet<MessageId>,
    inbox: BTreeMap<MessageKey, Held>,
    /// In the order in which they were given up.
    pub(super) dead: Vec<DeadLetter>,
    pub(super) outbox: Outbox,
    pub(super) delegations: Delegations,
}

/// Sender, and the sender's id.
type MessageId = (String, String);

/// A row that was taken.
#[derive(Debug)]
struct Seen {
    row: String,
    message: Option<MessageId>,
    fate: Fate,
    at: UnixMillis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Skipped,
    /// In the inbox, or a dead letter; done, if neither.
    Message,
    Discarded,
}

/// A message that waits or is claimed.
#[derive(Debug)]
struct Held {
    sender: String,
    body: String,
    claimed: bool,
    runs: Runs,
}

impl Workspace {
    pub(super) fn lease(&mut self) -> i64 {
        self.token += 1;
        for message in self.inbox.values_mut().filter(|message| message.claimed) {
            message.claimed = false;
            message.runs.interruptions += 1;
        }
        self.token
    }

    pub(super) fn accept(&mut self, page: Page, last_key: &mut MessageKey) -> Accepted {
        let mut accepted = Accepted::default();
        for row in page.rows {
            *last_key += 1;
            let id = row.id.clone();
            match self.take(row, *last_key, page.at) {
                Taken::Message => accepted.messages.push(id),
                Taken::Duplicate => accepted.duplicates += 1,
                Taken::Other => {}
            }
        }
        for (slot, step) in page.delegations {
            // Of one that is not known there is nothing to remember.
            let _ = self.delegations.step(&slot, step, page.at);
        }
        self.position =
            Position { cursor: page.cursor.or_else(|| self.position.cursor.take()), at: Some(page.at) };
        accepted
    }

    fn take(&mut self, row: Row, key: MessageKey, at: UnixMillis) -> Taken {
        if !self.rows.insert(row.id.clone()) {
            return Taken::Duplicate;
        }
        let mut seen = Seen { row: row.id, message: None, fate: Fate::Skipped, at };
        let taken = match row.kind {
            RowKind::Message(message) => self.take_message(message, key, &mut seen),
            RowKind::Echo(digest) => {
                self.outbox.echo(&digest);
                Taken::Other
            }
            RowKind::Skip => Taken::Other,
        };
        self.seen.insert(key, seen);
        taken
    }

    fn take_message(&mut self, message: Incoming, key: MessageKey, seen: &mut Seen) -> Taken {
        let id = message.message_id.map(|id| (message.sender.clone(), id));
        if let Some(id) = &id
            && !self.messages.insert(id.clone())
        {
            return Taken::Duplicate;
        }
        (seen.message, seen.fate) = (id, Fate::Message);
        let held = Held { sender: message.sender, body: message.body, claimed: false, runs: Runs::default() };
        self.inbox.insert(key, held);
        Taken::Message
    }

    pub(super) fn claim(&mut self, max: usize) -> Vec<Claimed> {
        let waiting = self.inbox.iter_mut().filter(|(_, message)| !message.claimed);
        waiting
            .take(max)
            .map(|(key, message)| {
                message.claimed = true;
                message.runs.deliveries += 1;
                Claimed { key: *key, body: message.body.clone(), runs: message.runs }
            })
            .collect()
    }

    pub(super) fn finish(&mut self, key: MessageKey, answer: Option<NewSend>) -> Result<(), StateError> {
        if self.is_done(key) {
            return Ok(());
        }
        self.claimed(key)?;
        self.inbox.remove(&key);
        if let Some(answer) = answer {
            self.outbox.queue(answer);
        }
        Ok(())
    }

    pub(super) fn fault(&mut self, key: MessageKey) -> Result<Runs, StateError> {
        let message = self.claimed(key)?;
        message.runs.faults += 1;
        message.runs.deliveries += 1;
        Ok(message.runs)
    }

    pub(super) fn release(&mut self, key: MessageKey) -> Result<(), StateError> {
        self.inbox.get_mut(&key).ok_or_else(|| unknown(key))?.claimed = false;
        Ok(())
    }

    pub(super) fn bury(
        &mut self,
        key: MessageKey,
        reason: &str,
        notice: Option<NewSend>,
        at: UnixMillis,
    ) -> Result<(), StateError> {
        if self.dead.iter().any(|letter| letter.key == key) {
            return Ok(());
        }
        self.claimed(key)?;
        let Some(message) = self.inbox.remove(&key) else { return Err(unknown(key)) };
        self.dead.push(DeadLetter {
            key,
            sender: message.sender,
            body: message.body,
            reason: reason.to_owned(),
            notice: notice.as_ref().map(|notice| notice.body.clone()),
            runs: message.runs,
            at,
        });
        if let Some(notice) = notice {
            self.outbox.queue(notice);
        }
        Ok(())
    }

    pub(super) fn revive(&mut self, key: MessageKey) -> Result<(), StateError> {
        if self.inbox.contains_key(&key) {
            return Ok(());
        }
        let DeadLetter { sender, body, .. } = self.take_dead(key)?;
        self.inbox.insert(key, Held { sender, body, claimed: false, runs: Runs::default() });
        Ok(())
    }

    pub(super) fn discard(&mut self, key: MessageKey) -> Result<(), StateError> {
        if self.seen.get(&key).is_some_and(|seen| seen.fate == Fate::Discarded) {
            return Ok(());
        }
        self.take_dead(key)?;
        self.mark_discarded(key);
        Ok(())
    }

    pub(super) fn backlog(&self) -> Backlog {
        let claimed = self.inbox.values().filter(|message| message.claimed).count();
        Backlog {
            waiting: (self.inbox.len() - claimed) as u64,
            claimed: claimed as u64,
            bytes: self.inbox.values().map(|message| message.body.len() as u64).sum(),
            unsettled: self.outbox.count_unsettled() as u64,
            dead: self.dead.len() as u64,
        }
    }

    pub(super) fn retain(&mut self, retention: Retention, now: UnixMillis) -> Dropped {
        let ended = now.saturating_sub(retention.ended_ms);
        let (sends, delegations) = (self.outbox.forget(ended), self.delegations.forget(ended));
        let mut dropped = Dropped { sends, delegations, ..Dropped::default() };

        let dead_since = now.saturating_sub(retention.dead_ms);
        let (gone, kept) = std::mem::take(&mut self.dead)
            .into_iter()
            .partition::<Vec<_>, _>(|letter| letter.at < dead_since);
        self.dead = kept;
        for letter in &gone {
            self.mark_discarded(letter.key);
        }
        dropped.dead = gone.len() as u64;

        let newest = usize::try_from(retention.keep_newest).unwrap_or(usize::MAX);
        let forgettable: Vec<MessageKey> = self
            .seen
            .iter()
            .rev()
            .skip(newest)
            .filter(|(key, seen)| seen.at < ended && !self.is_unended(**key))
            .map(|(key, _)| *key)
            .collect();
        for seen in forgettable.iter().filter_map(|key| self.seen.remove(key)) {
            self.rows.remove(&seen.row);
            if let Some(id) = &seen.message {
                self.messages.remove(id);
            }
            dropped.seen += 1;
            dropped.done += u64::from(seen.fate == Fate::Message);
        }
        dropped
    }

    fn claimed(&mut self, key: MessageKey) -> Result<&mut Held, StateError> {
        self.inbox.get_mut(&key).filter(|message| message.claimed).ok_or_else(|| unknown(key))
    }

    fn is_unended(&self, key: MessageKey) -> bool {
        self.inbox.contains_key(&key) || self.dead.iter().any(|letter| letter.key == key)
    }

    fn is_done(&self, key: MessageKey) -> bool {
        self.seen.get(&key).is_some_and(|seen| seen.fate == Fate::Message) && !self.is_unended(key)
    }

    fn take_dead(&mut self, key: MessageKey) -> Result<DeadLetter, StateError> {
        let index = self.dead.iter().position(|letter| letter.key == key).ok_or_else(|| unknown(key))?;
        Ok(self.dead.remove(index))
    }

    fn mark_discarded(&mut self, key: MessageKey) {
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.fate = Fate::Discarded;
        }
    }
}

/// What a row turned out to be.
enum Taken {
    Message,
    Duplicate,
    Other,
}

fn unknown(key: MessageKey) -> StateError {
    StateError::Unknown { what: "message", id: key.to_string() }
}
