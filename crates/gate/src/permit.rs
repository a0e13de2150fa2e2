//! The right to do what was judged.

use crate::terms::Terms;

/// The right to do one act, once.
///
/// Only [`Gate::pass`](crate::Gate::pass) makes one, and it cannot be copied.
///
/// ```compile_fail
/// # use molecule_gate::Permit;
/// fn twice<A>(permit: Permit<A>) -> (A, A) {
///     let again = permit.clone();
///     (permit.into_act(), again.into_act())
/// }
/// ```
///
/// ```compile_fail
/// # use molecule_gate::Permit;
/// let forged = Permit { act: "call anybody", terms: Default::default(), receipt: 0 };
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped allowed something that did not happen"]
pub struct Permit<A> {
    act: A,
    terms: Terms,
    receipt: u64,
}

impl<A> Permit<A> {
    pub(crate) fn new(act: A, terms: Terms, receipt: u64) -> Self {
        Self { act, terms, receipt }
    }

    /// What may be done.
    pub fn act(&self) -> &A {
        &self.act
    }

    /// On which terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Number of the receipt of the decision.
    pub fn receipt(&self) -> u64 {
        self.receipt
    }

    /// Uses the permit up: what may be done, to be done now.
    pub fn into_act(self) -> A {
        self.act
    }

    /// Uses the permit up: what may be done, and on which terms.
    pub fn split(self) -> (A, Terms) {
        (self.act, self.terms)
    }
}
