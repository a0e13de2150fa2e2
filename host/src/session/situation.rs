//! How messages reach the workspace, which depends on what its platform knows.

use crate::public_url::PublicUrl;

/// How messages reach the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Situation {
    /// Registered to poll, by a platform that did not say whether it knows that. The log tells.
    Unclear,
    /// The host asks for the rows after the last one it has.
    Poll,
    /// The platform does not know which rows are after which: the newest are asked for, and told apart by their ids.
    WithoutCursor,
    /// The platform knows no polling and posts messages to this URL. What it could not post stands in the log.
    Push(PublicUrl),
    /// The platform knows no polling, and there is no URL: nobody's message gets here.
    OutboundOnly {
        /// What the platform said to the attempt.
        refusal: String,
    },
}

impl Situation {
    /// Whether the log may be asked for the rows after a certain one.
    pub(super) fn has_cursor(&self) -> bool {
        matches!(self, Self::Poll)
    }

    /// What the operator has to know, if there is something.
    pub(super) fn notice(&self) -> Option<String> {
        match self {
            Self::Unclear | Self::Poll | Self::WithoutCursor => None,
            Self::Push(url) => Some(format!(
                "this platform knows no poll mode: the agent is registered at {url}, where this host does not listen yet; \
                 its messages are read from the platform's log, and whoever sends one may be told that it was not delivered"
            )),
            Self::OutboundOnly { refusal } => Some(format!(
                "this platform cannot deliver messages to an agent without a public URL ({refusal}): nobody's message gets \
                 here, while the agent itself can write to its user and call peers; give --public-url, or have the \
                 platform upgraded"
            )),
        }
    }
}
