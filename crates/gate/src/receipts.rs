//! What was decided.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::effect::Kind;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Counts the decisions of this gate, from 1.
    pub number: u64,
    /// What was asked for.
    pub kind: Kind,
    /// Whom or what it touched.
    pub target: String,
    /// Bytes that would leave the instance.
    pub bytes: usize,
    /// The message on whose behalf it was asked for, if any.
    pub message: Option<String>,
    /// The rule that refused, if one did.
    pub denied: Option<&'static str>,
    /// The grant that would allow it, where one can; whole, or not at all.
    pub grant: Option<String>,
    /// What a person is told, where it was refused and no grant is named.
    pub reason: Option<String>,
}

/// How many decisions of a kind there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Allowed.
    pub allowed: u64,
    /// Denied.
    pub denied: u64,
}

/// The decisions of a gate: counts of all, and the latest in full, save the writes to the agent's own folder that were
/// allowed.
#[derive(Debug)]
pub struct Receipts {
    keep: usize,
    counts: [[AtomicU64; 2]; Kind::ALL.len()],
    number: AtomicU64,
    latest: Mutex<VecDeque<Receipt>>,
}

impl Receipts {
    /// Keeps the latest `keep` receipts.
    pub(crate) fn new(keep: usize) -> Self {
        // Grows as it is filled: most agents of a large host decide little.
        Self { keep, counts: Default::default(), number: AtomicU64::new(0), latest: Mutex::default() }
    }

    /// Decisions about effects of this kind.
    pub fn counts(&self, kind: Kind) -> Counts {
        let [allowed, denied] = self.counts.get(kind as usize).map_or([0, 0], |pair| {
            [0, 1].map(|i: usize| pair.get(i).map_or(0, |count| count.load(Ordering::Relaxed)))
        });
        Counts { allowed, denied }
    }

    /// The latest receipts, oldest first.
    pub fn latest(&self) -> Vec<Receipt> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Records a decision; the number is given here. Returns it.
    pub(crate) fn record(&self, fill: impl FnOnce(u64) -> Receipt) -> u64 {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let receipt = fill(number);
        let index = usize::from(receipt.denied.is_some());
        if let Some(count) = self.counts.get(receipt.kind as usize).and_then(|pair| pair.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // A thousand writes a second are no news, and would push out what is.
        if receipt.kind == Kind::Store && receipt.denied.is_none() {
            return number;
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= self.keep {
            latest.pop_front();
        }
        latest.push_back(receipt);
        number
    }
}
