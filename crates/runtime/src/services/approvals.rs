//! Acts on approvals.

use molecule_gate::{Act, Effect};

use crate::wit::approvals::Request;

/// Asks a person for leave.
#[derive(Debug)]
pub struct AskApproval {
    /// What is asked.
    pub request: Request,
}

impl Act for AskApproval {
    fn effect(&self) -> Effect<'_> {
        let Request { action, reason, task_id, context } = &self.request;
        let more: usize = [reason, task_id, context].into_iter().flatten().map(String::len).sum();
        Effect::AskApproval { bytes: action.len() + more }
    }
}

/// Asks what was decided.
#[derive(Debug)]
pub struct ReadApprovals;

impl Act for ReadApprovals {
    fn effect(&self) -> Effect<'_> {
        Effect::ReadApprovals
    }
}
