//! Questions, decided by the test.

use std::time::Duration;

use super::calendar;
use super::host::{Event, Host};
use super::imports::{awaited, record};
use crate::Error;
use crate::approvals::{Approval, Decision};
pub(crate) use crate::bindings::molecule::agent::approvals::Request;

/// What the agent asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// What it wants to do.
    pub action: String,
    /// Why, if it said.
    pub reason: Option<String>,
    /// The task that it belongs to, if it said.
    pub task_id: Option<String>,
    /// Facts for whoever decides, the text of a JSON value, if it gave any.
    pub context: Option<String>,
}

/// A question, what is decided, and when.
pub(super) struct Asked {
    approval: Approval,
    decision: Decision,
    due: Duration,
}

impl Asked {
    fn at(&self, now: Duration) -> Approval {
        let mut approval = self.approval.clone();
        if now >= self.due && self.decision != Decision::Pending {
            approval.decision = self.decision;
            approval.decided_by = Some("test".into());
            approval.decided_at = Some(calendar::rfc3339(self.due));
        }
        approval
    }
}

impl Host {
    /// Decides what the agent asks. Without it nobody decides.
    #[must_use]
    pub fn on_ask(self, script: impl FnMut(&Question) -> Result<Decision, Error> + 'static) -> Self {
        self.inner.script.borrow_mut().on_ask = Box::new(script);
        self
    }

    /// Lets the decision of [`Host::on_ask`] take this long. Until then the question is pending.
    #[must_use]
    pub fn decision_takes(self, duration: Duration) -> Self {
        self.inner.decision_takes.set(duration);
        self
    }

    /// Decides a question that is there, by its id. Does nothing where there is none.
    pub fn decide(&self, id: &str, decision: Decision) {
        let now = self.elapsed();
        for asked in self.inner.approvals.borrow_mut().iter_mut().filter(|asked| asked.approval.id == id) {
            (asked.decision, asked.due) = (decision, now);
        }
    }

    /// What it asked.
    pub fn questions(&self) -> Vec<Question> {
        self.pick(|event| match event {
            Event::Asked(question) => Some(question.clone()),
            _ => None,
        })
    }
}

pub(crate) async fn ask(request: Request) -> Result<String, Error> {
    let host = awaited("approvals::ask")?;
    let Request { action, reason, task_id, context } = request;
    if action.is_empty() {
        return Err(Error::Invalid("a question needs an action".into()));
    }
    let question = Question { action: action.clone(), reason, task_id, context };
    record(&host, Event::Asked(question.clone()));
    let decision = (host.inner.script.borrow_mut().on_ask)(&question)?;
    let mut all = host.inner.approvals.borrow_mut();
    let id = format!("approval-{}", all.len() + 1);
    let approval =
        Approval { id: id.clone(), action, decision: Decision::Pending, decided_by: None, decided_at: None };
    all.push(Asked { approval, decision, due: host.elapsed() + host.inner.decision_takes.get() });
    Ok(id)
}

pub(crate) async fn get(id: String) -> Result<Approval, Error> {
    let host = awaited("approvals::get")?;
    let all = host.inner.approvals.borrow();
    let asked = all.iter().find(|asked| asked.approval.id == id);
    asked.map(|it| it.at(host.elapsed())).ok_or_else(|| Error::NotFound(format!("there is no question {id}")))
}

pub(crate) async fn list() -> Result<Vec<Approval>, Error> {
    let host = awaited("approvals::list")?;
    let all = host.inner.approvals.borrow();
    Ok(all.iter().rev().take(50).map(|asked| asked.at(host.elapsed())).collect())
}
