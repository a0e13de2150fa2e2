//! What is said: files that come along, what was said before, and how it goes.

use std::time::Duration;

use super::calendar;
use super::fetch::Body;
use super::host::{Event, Host};
use super::imports::{awaited, current, record};
pub(crate) use crate::bindings::molecule::agent::messages::{Attachment, Correspondent, HistoryQuery};
use crate::messages::{Direction, Entry, Update};
use crate::{Content, Error, Message, Outcome, Sender};

/// Bytes of a piece of a file.
const PIECE: usize = 64 * 1024;

impl Host {
    /// Has a file that a message can bring by its URI, such as `workspace:/uploads/notes.txt`: its name is the last segment
    /// of that.
    #[must_use]
    pub fn file(self, uri: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.inner.files.borrow_mut().insert(uri.into(), bytes.into());
        self
    }

    /// Adds something to the history that was said before. What is said in the test is in it by itself: the messages that
    /// the agent is given, its answers, and what it writes to the user.
    #[must_use]
    pub fn said(self, entry: Entry) -> Self {
        self.say(entry);
        self
    }

    /// What it told of its progress, in order.
    pub fn told(&self) -> Vec<Update> {
        self.pick(|event| match event {
            Event::Told(update) => Some(update.clone()),
            _ => None,
        })
    }

    /// Adds an entry, later than all others.
    pub(super) fn say(&self, mut entry: Entry) {
        let latest = self.inner.said_at.get() + Duration::from_millis(1);
        let now = self.elapsed().max(latest);
        self.inner.said_at.set(now);
        entry.at.get_or_insert_with(|| calendar::rfc3339(now));
        self.inner.said.borrow_mut().push(entry);
    }

    pub(super) fn say_received(&self, message: &Message) {
        let content = Content::from(message.parts.clone());
        self.say(Entry::new(&message.id, Direction::Received, message.sender.clone(), content));
    }

    /// An answer has the id of its question. Nobody answers an answer.
    pub(super) fn say_answer(&self, message: &Message, outcome: &Outcome) {
        let content = match outcome {
            Outcome::Message(content) => content.clone(),
            Outcome::Task(task) => task.message.clone().unwrap_or_default(),
            Outcome::Nothing => return,
        };
        if !message.is_reply() && !content.parts.is_empty() {
            self.say(Entry::new(&message.id, Direction::Sent, message.sender.clone(), content));
        }
    }

    /// Whether the message in hand is canceled by now.
    pub(super) fn is_canceled(&self) -> bool {
        self.inner.canceled_at.get().is_some_and(|at| self.elapsed() >= at)
    }
}

pub(crate) async fn open(uri: String) -> Result<(Attachment, Body), Error> {
    let host = awaited("messages::open")?;
    record(&host, Event::Opened(uri.clone()));
    let files = host.inner.files.borrow();
    let Some(bytes) = files.get(&uri) else {
        return Err(Error::NotFound(format!("no file {uri:?} has come: give it one with `Host::file`")));
    };
    let name = uri.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned);
    let facts = Attachment { name, media_type: None, size: Some(bytes.len() as f64) };
    Ok((facts, Body::new(bytes.chunks(PIECE).map(<[u8]>::to_vec))))
}

pub(crate) async fn history(query: HistoryQuery) -> Result<Vec<Entry>, Error> {
    let host = awaited("messages::history")?;
    let fits = |entry: &&Entry| {
        let with = match (&query.correspondent, &entry.other) {
            (None, _) | (Some(Correspondent::User), Sender::User) => true,
            (Some(Correspondent::Peer(peer)), Sender::Peer(other)) => {
                other.id == *peer || other.name.as_ref() == Some(peer)
            }
            _ => false,
        };
        with && query.before.as_ref().is_none_or(|before| entry.at.as_ref().is_some_and(|at| at < before))
    };
    let said = host.inner.said.borrow();
    let most = usize::try_from(query.limit.unwrap_or(50)).unwrap_or(usize::MAX);
    let mut page: Vec<_> = said.iter().rev().filter(fits).take(most).cloned().collect();
    page.reverse();
    Ok(page)
}

pub(crate) async fn progress(update: Update) -> Result<(), Error> {
    let host = awaited("messages::progress")?;
    let parts = match &update {
        Update::Status(content) => &content.parts,
        Update::Artifact(chunk) => &chunk.artifact.parts,
    };
    if parts.is_empty() {
        return Err(Error::Invalid("progress needs at least one part".into()));
    }
    record(&host, Event::Told(update));
    Ok(())
}

pub(crate) fn is_canceled() -> bool {
    current("messages::is_canceled").is_canceled()
}
