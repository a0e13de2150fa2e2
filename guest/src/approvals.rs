//! Questions that a person decides. An agent asks and reads; it never decides.
//!
//! ```
//! use std::time::Duration;
//! use molecule_guest::approvals::{self, Decision};
//! use molecule_guest::{Outcome, Result};
//!
//! async fn buy(what: &str, price: u32) -> Result<Outcome> {
//!     let question = approvals::ask(format!("Buy {what} for {price} EUR"))
//!         .reason("It was the cheapest of three offers.")
//!         .await?;
//!     match approvals::wait(&question, Duration::from_secs(600)).await?.decision {
//!         Decision::Approved => Ok(format!("I have bought {what}.").into()),
//!         Decision::Denied => Ok(Outcome::rejected("Then I will not.")),
//!         Decision::Pending => Ok(Outcome::input_required("Nobody has decided yet.")),
//!     }
//! }
//! ```
//!
//! It needs no grant. A question outlives the agent that asked: one that waits long keeps the id, in
//! [`memory`](crate::memory) for example, and asks for the [decision](get) when it is started again.

use std::pin::Pin;
use std::time::Duration;

pub use crate::bindings::molecule::agent::approvals::Decision;
use crate::imports::approvals as host;
use crate::{Error, time};

/// The first pause of [`wait`]; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of [`wait`].
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Asks whether something may be done, in words; gives the id of the question.
///
/// It is asked when this is awaited; before that it can be given a [reason](Ask::reason), and more.
pub fn ask(action: impl Into<String>) -> Ask {
    let request = host::Request { action: action.into(), reason: None, task_id: None, context: None };
    Ask { request: Ok(request) }
}

/// A [question](ask()) that has not been asked yet. Awaiting it asks. Each time it is another question.
///
/// # Errors
///
/// Awaiting fails with [`Error::Invalid`] where there is no action or the context is not JSON, or where the platform
/// cannot be reached; [`Error::sent`] says whether somebody may have been asked.
#[derive(Debug)]
#[must_use = "a question is asked when this is awaited"]
pub struct Ask {
    request: Result<host::Request, Error>,
}

impl Ask {
    /// Why it is to be done.
    pub fn reason(self, reason: impl Into<String>) -> Self {
        self.with(|request| request.reason = Some(reason.into()))
    }

    /// The task that it belongs to.
    pub fn task_id(self, id: impl Into<String>) -> Self {
        self.with(|request| request.task_id = Some(id.into()))
    }

    /// Facts for whoever decides: the text of a JSON value.
    pub fn context(self, json: impl Into<String>) -> Self {
        self.with(|request| request.context = Some(json.into()))
    }

    /// Facts for whoever decides, of any type of serde.
    #[cfg(feature = "json")]
    pub fn json(self, context: &impl serde::Serialize) -> Self {
        match serde_json::to_string(context) {
            Ok(json) => self.context(json),
            Err(error) => {
                let invalid = format!("the context cannot be written as JSON: {error}");
                Self { request: Err(Error::Invalid(invalid)) }
            }
        }
    }

    fn with(mut self, change: impl FnOnce(&mut host::Request)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }
}

impl IntoFuture for Ask {
    type Output = Result<String, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { host::ask(self.request?).await })
    }
}

/// One question as it stands now.
///
/// # Errors
///
/// [`Error::NotFound`] where there is none of this id, or the platform cannot be reached.
pub async fn get(id: impl Into<String>) -> Result<Approval, Error> {
    host::get(id.into()).await
}

/// The questions of this workspace, newest first, 50 at most.
///
/// # Errors
///
/// The platform cannot be reached or refuses.
pub async fn list() -> Result<Vec<Approval>, Error> {
    host::list().await
}

/// Waits until a question is decided, and gives it; as it stands then, [pending](Decision::Pending), where that takes
/// longer than this.
///
/// It looks again after a second, and then after twice as long each time, up to 30 s. A platform that cannot be reached
/// meanwhile is asked again. The message in hand holds its place all that time: where days may pass, end the message, and
/// [`get`] the decision in a tick.
///
/// # Errors
///
/// As [`get`], and [`Error::Canceled`] where the message in hand was canceled or the agent is being stopped.
pub async fn wait(id: impl Into<String>, timeout: Duration) -> Result<Approval, Error> {
    let id = id.into();
    let (mut rest, mut pause) = (timeout, FIRST_PAUSE);
    loop {
        match get(id.as_str()).await {
            Ok(approval) if approval.decision != Decision::Pending || rest.is_zero() => return Ok(approval),
            Ok(_) => {}
            Err(Error::Unavailable(_) | Error::Timeout(_) | Error::RateLimited(_)) if !rest.is_zero() => {}
            Err(error) => return Err(error),
        }
        pause = pause.min(rest);
        time::sleep(pause).await?;
        rest = rest.saturating_sub(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A question and what was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Approval {
    /// Names it.
    pub id: String,
    /// What was asked.
    pub action: String,
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When it was decided, RFC 3339.
    pub decided_at: Option<String>,
}

impl Approval {
    /// Whether it may be done.
    pub fn is_approved(&self) -> bool {
        self.decision == Decision::Approved
    }

    /// Whether nobody has decided yet.
    pub fn is_pending(&self) -> bool {
        self.decision == Decision::Pending
    }
}
