//! Appeals of one agent: each question once at a time, and none twice that was denied.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use molecule_gate::{Denial, Grant, Grants};
use molecule_runtime::Appeal;

use super::context::Context;
use super::secrets;
use crate::appeals::{Appeals, Ruling};

/// After so many denials nothing more is asked: the answer is known.
const MOST_DENIED: usize = 100;

type Hearing = BoxFuture<'static, Appeal>;

/// What has been asked.
#[derive(Default)]
pub(super) struct Hearings {
    asked: Mutex<Asked>,
}

/// Questions are told apart by the grants that they are for.
#[derive(Default)]
struct Asked {
    /// Gone when nobody waits for it any more.
    open: HashMap<String, WeakShared<Hearing>>,
    denied: HashSet<String>,
}

impl Hearings {
    /// Asks, or waits for the answer to the same question.
    pub(super) async fn hear(context: Arc<Context>, appeals: Arc<dyn Appeals>, denial: Denial) -> Appeal {
        let stopping = context.stopping.clone();
        let Some(hearing) = Self::open(context, appeals, denial) else { return Appeal::Denied };
        tokio::select! {
            biased;
            () = stopping.cancelled() => Appeal::Denied,
            appeal = hearing => appeal,
        }
    }

    fn open(context: Arc<Context>, appeals: Arc<dyn Appeals>, denial: Denial) -> Option<Shared<Hearing>> {
        let question = denial.grant.clone()?;
        let hearings = context.clone();
        let mut asked = hearings.hearings.asked();
        if asked.denied.contains(&question) || asked.denied.len() >= MOST_DENIED {
            return None;
        }
        if let Some(hearing) = asked.open.get(&question).and_then(WeakShared::upgrade) {
            return Some(hearing);
        }
        asked.open.retain(|_, hearing| hearing.upgrade().is_some());
        let hearing = rule(context, appeals, question.clone(), denial).boxed().shared();
        asked.open.insert(question, hearing.downgrade()?);
        Some(hearing)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has one question answered, and does what that says.
async fn rule(context: Arc<Context>, appeals: Arc<dyn Appeals>, question: String, denial: Denial) -> Appeal {
    let ruling = appeals.hear(context.spec.workspace_id, &context.name, &denial).await;
    if ruling != Ruling::Deny {
        secrets::pull_for(&context, &denial.cure).await;
    }
    // Under the lock, so that of two answers at once none undoes the other.
    let mut asked = context.hearings.asked();
    asked.open.remove(&question);
    match ruling {
        Ruling::Deny => {
            asked.denied.insert(question);
            Appeal::Denied
        }
        Ruling::Once => Appeal::Once,
        Ruling::Always => {
            context.gate.set_grants(with(&context.gate.grants(), denial.cure));
            Appeal::Granted
        }
    }
}

fn with(grants: &Grants, more: Vec<Grant>) -> Grants {
    let mut grants = grants.clone();
    more.into_iter().for_each(|grant| grants.add(grant));
    grants
}
