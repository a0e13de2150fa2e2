//! What a permit says beyond yes.

use crate::address::Reach;

/// The terms on which an effect is allowed. Of what is no HTTP request all but the revision is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Which addresses the request may connect to.
    pub reach: Reach,
    /// Bytes that the body of the request may have.
    pub request_bytes: u64,
    /// Bytes that the body of the response may have.
    pub response_bytes: u64,
    /// The rule that allows it, by its place in [`Grants::net`](crate::Grants::net) at this revision.
    pub rule: Option<usize>,
    /// The revision of the grants it was judged by.
    pub revision: u64,
}
