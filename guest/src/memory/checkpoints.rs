//! How far a piece of work has come.

use std::pin::Pin;

use crate::Error;
use crate::imports::memory as host;

/// Saves a checkpoint of a piece of work, in the place of an earlier one of the same step; `index` says which step it is.
///
/// It is saved when this is awaited; before that it can be given what is [needed to go on](SaveCheckpoint::payload).
pub fn save_checkpoint(workflow: impl Into<String>, step: impl Into<String>, index: u32) -> SaveCheckpoint {
    SaveCheckpoint { workflow: workflow.into(), step: step.into(), index, payload: Ok(None) }
}

/// A [checkpoint](save_checkpoint()) that has not been saved yet. Awaiting it saves it.
///
/// # Errors
///
/// Awaiting fails with [`Error::Denied`] without `--allow-memory`, [`Error::Invalid`] where the payload is not JSON, or
/// where the platform cannot be reached.
#[derive(Debug)]
#[must_use = "a checkpoint is saved when this is awaited"]
pub struct SaveCheckpoint {
    workflow: String,
    step: String,
    index: u32,
    payload: Result<Option<String>, Error>,
}

impl SaveCheckpoint {
    /// What is needed to go on from there: the text of its JSON.
    pub fn payload(mut self, json: impl Into<String>) -> Self {
        self.payload = Ok(Some(json.into()));
        self
    }

    /// What is needed to go on from there, of any type of serde.
    #[cfg(feature = "json")]
    pub fn json(mut self, value: &impl serde::Serialize) -> Self {
        self.payload = serde_json::to_string(value)
            .map(Some)
            .map_err(|error| Error::Invalid(format!("the payload cannot be written as JSON: {error}")));
        self
    }
}

impl IntoFuture for SaveCheckpoint {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(
            async move { host::save_checkpoint(self.workflow, self.step, self.index, self.payload?).await },
        )
    }
}

/// The checkpoints of a piece of work, first step first; none where there are none.
///
/// # Errors
///
/// [`Error::Denied`] without `--allow-memory`, or the platform cannot be reached.
pub async fn checkpoints(workflow: impl Into<String>) -> Result<Vec<Checkpoint>, Error> {
    host::checkpoints(workflow.into()).await
}

/// The newest checkpoint of any work, if there is one: what a restart goes on with.
///
/// # Errors
///
/// As [`checkpoints`].
pub async fn latest_checkpoint() -> Result<Option<Checkpoint>, Error> {
    host::latest_checkpoint().await
}

/// Removes the checkpoints of a piece of work that is done.
///
/// # Errors
///
/// As [`checkpoints`].
pub async fn clear_checkpoints(workflow: impl Into<String>) -> Result<(), Error> {
    host::clear_checkpoints(workflow.into()).await
}

/// How far a piece of work has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Names the work.
    pub workflow: String,
    /// Names the step.
    pub step: String,
    /// Which step it is.
    pub index: u32,
    /// What is needed to go on from there, as the text of its JSON.
    pub payload: Option<String>,
    /// When it was saved, RFC 3339.
    pub at: Option<String>,
}

#[cfg(feature = "json")]
impl Checkpoint {
    /// Reads the payload.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where there is none, or where it is of another shape.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.payload.as_deref().unwrap_or("null")).map_err(|error| {
            let (workflow, step) = (&self.workflow, &self.step);
            Error::Invalid(format!("the checkpoint {workflow:?}, {step:?} is of another shape: {error}"))
        })
    }
}
