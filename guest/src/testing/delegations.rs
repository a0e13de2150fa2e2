//! Work that the agent gives to peers, done by the test.

use std::time::Duration;

use super::calendar;
use super::host::{Event, Host};
use super::imports::{awaited, record};
pub(crate) use crate::bindings::molecule::agent::peers::DelegateOptions;
use crate::{Delegation, DelegationStatus, Error, Message, PeerRef};

/// A task that the agent gave to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// The peer, as the agent named it.
    pub peer: String,
    /// What is to be done.
    pub task: String,
    /// What it named the delegation, if it did.
    pub key: Option<String>,
}

/// A delegation, what comes of it, and when.
pub(super) struct Given {
    delegation: Delegation,
    key: Option<String>,
    result: DelegationStatus,
    due: Duration,
    delivered: bool,
}

impl Given {
    fn at(&self, now: Duration) -> Delegation {
        let mut delegation = self.delegation.clone();
        if now >= self.due {
            delegation.status = self.result.clone();
        }
        delegation
    }
}

impl Host {
    /// Does the work that the agent gives to peers; a text is the answer of one that is done. Without it there is no peer
    /// ([`Error::NotFound`]). The agent is told by
    #[doc = "[`Instance::deliver`](super::Instance::deliver)."]
    #[must_use]
    pub fn on_delegate(
        self,
        script: impl FnMut(&Assignment) -> Result<DelegationStatus, Error> + 'static,
    ) -> Self {
        self.inner.script.borrow_mut().on_delegate = Box::new(script);
        self
    }

    /// Lets the work of peers take this long. Until then a delegation is pending.
    #[must_use]
    pub fn delegation_takes(self, duration: Duration) -> Self {
        self.inner.delegation_takes.set(duration);
        self
    }

    /// Says what came of a delegation after all, by its id. Does nothing where there is none.
    pub fn finish(&self, id: &str, result: impl Into<DelegationStatus>) {
        let (now, result) = (self.elapsed(), result.into());
        for given in self.inner.delegations.borrow_mut().iter_mut().filter(|it| it.delegation.id == id) {
            (given.result, given.due) = (result.clone(), now);
        }
    }

    /// What it gave to peers, each key once.
    pub fn assignments(&self) -> Vec<Assignment> {
        self.pick(|event| match event {
            Event::Delegated(assignment) => Some(assignment.clone()),
            _ => None,
        })
    }

    /// The results that the agent has not been told, as messages, and when each is there.
    pub(super) fn undelivered(&self) -> Vec<(Duration, Message)> {
        let mut all = self.inner.delegations.borrow_mut();
        let mut results = Vec::new();
        for given in all.iter_mut().filter(|given| !given.delivered) {
            let content = match &given.result {
                DelegationStatus::Completed(answer) => answer.clone(),
                DelegationStatus::Failed(why) => why.as_str().into(),
                DelegationStatus::Pending | DelegationStatus::Queued => continue,
            };
            given.delivered = true;
            let peer = &given.delegation.peer;
            let mut message = Message::from_peer(&peer.id, peer.label(), content);
            message.in_reply_to = Some(given.delegation.id.clone());
            results.push((given.due, message));
        }
        results.sort_by_key(|(due, _)| *due);
        results
    }

    fn peer_ref(&self, peer: &str) -> PeerRef {
        let peers = self.inner.peers.borrow();
        match peers.iter().find(|known| known.id == peer || known.name == peer) {
            Some(known) => PeerRef { id: known.id.clone(), name: Some(known.name.clone()) },
            None => PeerRef { id: peer.to_owned(), name: None },
        }
    }
}

pub(crate) async fn delegate(
    peer: String,
    task: String,
    options: DelegateOptions,
) -> Result<Delegation, Error> {
    let host = awaited("peers::delegate")?;
    if task.is_empty() {
        return Err(Error::Invalid("a delegation needs a task".into()));
    }
    let DelegateOptions { key } = options;
    let now = host.elapsed();
    if key.is_some()
        && let Some(known) = host.inner.delegations.borrow().iter().find(|given| given.key == key)
    {
        return Ok(known.at(now));
    }
    let assignment = Assignment { peer: peer.clone(), task: task.clone(), key: key.clone() };
    record(&host, Event::Delegated(assignment.clone()));
    let result = (host.inner.script.borrow_mut().on_delegate)(&assignment)?;
    let mut all = host.inner.delegations.borrow_mut();
    let delegation = Delegation {
        id: format!("delegation-{}", all.len() + 1),
        peer: host.peer_ref(&peer),
        task,
        status: DelegationStatus::Pending,
        at: Some(calendar::rfc3339(now)),
    };
    let due = now + host.inner.delegation_takes.get();
    all.push(Given { delegation: delegation.clone(), key, result, due, delivered: false });
    Ok(delegation)
}

pub(crate) async fn delegation(id: String) -> Result<Delegation, Error> {
    let host = awaited("peers::delegation")?;
    let all = host.inner.delegations.borrow();
    let given = all.iter().find(|given| given.delegation.id == id);
    given
        .map(|it| it.at(host.elapsed()))
        .ok_or_else(|| Error::NotFound(format!("there is no delegation {id}")))
}

pub(crate) async fn delegations() -> Result<Vec<Delegation>, Error> {
    let host = awaited("peers::delegations")?;
    let all = host.inner.delegations.borrow();
    Ok(all.iter().rev().take(50).map(|given| given.at(host.elapsed())).collect())
}
