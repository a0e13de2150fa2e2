//! Tasks given to other workspaces.

use super::UnixMillis;

/// A task to be given to another workspace, durable before the platform is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelegation {
    /// Chosen by the caller, unique in the workspace: names it also before the platform has. One whose slot is known is
    /// the known one.
    pub slot: String,
    /// By which the platform knows a copy.
    pub key: String,
    /// Who is to do it.
    pub target: String,
    /// What is to be done.
    pub task: String,
    /// When it was given.
    pub at: UnixMillis,
}

/// A task that was given, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// As it was made; a copy changes nothing of it.
    pub made: NewDelegation,
    /// The platform's name for it, once it has one.
    pub id: Option<String>,
    /// Where it stands.
    pub progress: DelegationProgress,
}

/// Where a delegation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DelegationProgress {
    /// Its result is to come.
    Open,
    /// The same; the target has it, and answers in its own time.
    Queued,
    /// The platform certainly did not take it. Made again, it is open again.
    Refused {
        /// Why.
        reason: String,
    },
    /// It is done.
    Completed {
        /// The answer.
        text: String,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        reason: String,
    },
}

impl DelegationProgress {
    /// Whether nothing more is to come.
    pub fn is_ended(&self) -> bool {
        !matches!(self, Self::Open | Self::Queued)
    }
}

/// Something that became known of a delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DelegationStep {
    /// The platform has taken it, under this name.
    Accepted {
        /// The name.
        id: String,
    },
    /// The target has it.
    Queued,
    /// The platform certainly has not taken it.
    Refused {
        /// Why.
        reason: String,
    },
    /// It is done.
    Completed {
        /// The answer.
        text: String,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Delegation {
    /// One that was just made.
    pub fn new(made: NewDelegation) -> Self {
        Self { made, id: None, progress: DelegationProgress::Open }
    }

    /// Made again. True if that changed something.
    pub(crate) fn reopen(&mut self) -> bool {
        let refused = matches!(self.progress, DelegationProgress::Refused { .. });
        if refused {
            self.progress = DelegationProgress::Open;
        }
        refused
    }

    /// Takes a step, unless it makes no sense any more. True if it was taken.
    pub(crate) fn take(&mut self, step: DelegationStep) -> bool {
        use DelegationProgress as Progress;
        let next = match (&self.progress, step) {
            (Progress::Open | Progress::Queued, DelegationStep::Accepted { id }) if self.id.is_none() => {
                self.id = Some(id);
                return true;
            }
            (Progress::Open, DelegationStep::Queued) => Progress::Queued,
            // What it has named it has taken.
            (Progress::Open, DelegationStep::Refused { reason }) if self.id.is_none() => {
                Progress::Refused { reason }
            }
            (Progress::Open | Progress::Queued, DelegationStep::Completed { text }) => {
                Progress::Completed { text }
            }
            (Progress::Open | Progress::Queued, DelegationStep::Failed { reason }) => {
                Progress::Failed { reason }
            }
            _ => return false,
        };
        self.progress = next;
        true
    }
}
