//! What the host answers.

use std::time::Duration;

use super::approvals::Question;
use super::delegations::Assignment;
use super::fetch::{Fetch, Response};
use crate::approvals::Decision;
use crate::plugins::{Installed, Setup};
use crate::{Content, DelegationStatus, Error, Peer, Reply};

/// A call that the agent made.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The peer, as the agent named it.
    pub peer: String,
    /// What it said.
    pub content: Content,
    /// How long it waits, if it said.
    pub timeout: Option<Duration>,
    /// The conversation that it continues, if any.
    pub context_id: Option<String>,
}

/// An install that the agent asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Install {
    /// The plugin.
    pub name: String,
    /// Where from, if it said.
    pub source: Option<String>,
    /// When to run the plugin's `setup.sh`, if it said.
    pub setup: Option<Setup>,
    /// The digest that the archive must have, if it said.
    pub sha256: Option<String>,
}

/// How a test answers what the agent asks.
pub(super) type Answer<Asked, T> = Box<dyn FnMut(&Asked) -> Result<T, Error>>;

/// What the host answers.
pub(super) struct Script {
    pub(super) on_list: Answer<[Peer], Vec<Peer>>,
    pub(super) on_call: Answer<Call, Reply>,
    pub(super) on_fetch: Answer<Fetch, Response>,
    pub(super) on_install: Answer<Install, Installed>,
    pub(super) on_delegate: Answer<Assignment, DelegationStatus>,
    pub(super) on_ask: Answer<Question, Decision>,
    pub(super) on_notify: Answer<Content, ()>,
    pub(super) on_set_task: Answer<Option<String>, ()>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            on_list: Box::new(|peers| Ok(peers.to_vec())),
            on_call: Box::new(|call| {
                let peer = &call.peer;
                Err(Error::NotFound(format!(
                    "the test answers no call of {peer:?}: give it one with `Host::on_call`"
                )))
            }),
            on_fetch: Box::new(|fetch| {
                let (method, url) = (&fetch.method, &fetch.url);
                Err(super::denied("network", format!("--allow-net '{method} {url}'")))
            }),
            on_install: Box::new(|install| {
                Err(super::denied("plugin", format!("--allow-plugin {}", install.name)))
            }),
            on_delegate: Box::new(|assignment| {
                let peer = &assignment.peer;
                Err(Error::NotFound(format!(
                    "the test has no work done by {peer:?}: have it done with `Host::on_delegate`"
                )))
            }),
            on_ask: Box::new(|_| Ok(Decision::Pending)),
            on_notify: Box::new(|_| Ok(())),
            on_set_task: Box::new(|_| Ok(())),
        }
    }
}
