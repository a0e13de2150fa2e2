//! What the platform keeps for a workspace: values, memories, checkpoints; and what a person is asked to decide.

use molecule_protocol::Json;
use molecule_protocol::approvals::{Approval, ApprovalRequest, Asked};
use molecule_protocol::json;
use molecule_protocol::memory::{
    Checkpoint, CommitRequest, Committed, Entry, Memory, MemoryQuery, SetAnswer, SetRequest, VersionConflict,
};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::super::client::Client;
use super::super::error::{PlatformError, PlatformFault};
use super::super::request::Call;
use super::super::retry::Repeat;

impl Client {
    /// `GET /workspaces/:own/memory/:key`: a value, if there is one. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn value(&self, key: &str) -> Result<Option<Entry>, PlatformError> {
        none_where_missing(self.exchange(Call::get(self.own(&["memory", key]))).await?.json())
    }

    /// `GET /workspaces/:own/memory`: all values. 10 s; repeated.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn values(&self) -> Result<Vec<Entry>, PlatformError> {
        self.list(Call::get(self.own(&["memory"]))).await
    }

    /// `POST /workspaces/:own/memory`: sets a value. 10 s; repeated where it names the version that it goes over. The
    /// version that it has then, or the one that was there instead of the one named.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn set_value(
        &self,
        request: &SetRequest,
    ) -> Result<Result<u32, VersionConflict>, PlatformError> {
        let repeat = if request.if_match_version.is_some() { Repeat::Idempotent } else { Repeat::Once };
        let own = self.identity().workspace.to_string();
        let answer = self.exchange(self.post(&["workspaces", &own, "memory"], repeat, request)?).await?;
        if answer.status == 409 {
            return Ok(Err(serde_json::from_str(&json::repair(&answer.body)).unwrap_or_default()));
        }
        Ok(Ok(answer.json::<SetAnswer>()?.version))
    }

    /// `DELETE /workspaces/:own/memory/:key`. 10 s; repeated.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn delete_value(&self, key: &str) -> Result<(), PlatformError> {
        self.done(Call::delete(self.own(&["memory", key]))).await
    }

    /// `POST /workspaces/:own/memories`: commits a memory; its id. 10 s; once.
    ///
    /// # Errors
    /// [`Forbidden`](PlatformFault::Forbidden) for a global one of a workspace that is no root.
    pub async fn commit_memory(&self, request: &CommitRequest) -> Result<String, PlatformError> {
        let own = self.identity().workspace.to_string();
        let call = self.post(&["workspaces", &own, "memories"], Repeat::Once, request)?;
        Ok(self.exchange(call).await?.json::<Committed>()?.id)
    }

    /// `GET /workspaces/:own/memories`: searches memories. 10 s; repeated.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn memories(&self, query: &MemoryQuery) -> Result<Vec<Memory>, PlatformError> {
        let mut url = self.own(&["memories"]);
        url.set_query(Some(&query.to_query()).filter(|query| !query.is_empty()).map(String::as_str));
        self.list(Call::get(url)).await
    }

    /// `DELETE /workspaces/:own/memories/:id`. 10 s; repeated.
    ///
    /// # Errors
    /// [`NotFound`](PlatformFault::NotFound) where there is none, or no more.
    pub async fn delete_memory(&self, id: &str) -> Result<(), PlatformError> {
        self.done(Call::delete(self.own(&["memories", id]))).await
    }

    /// `POST /workspaces/:own/checkpoints`: saves one, in the place of an earlier one of the same step. 10 s; repeated.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), PlatformError> {
        let own = self.identity().workspace.to_string();
        self.done(self.post(&["workspaces", &own, "checkpoints"], Repeat::Idempotent, checkpoint)?).await
    }

    /// `GET /workspaces/:own/checkpoints/:workflow`: those of a piece of work. 10 s; repeated.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn checkpoints(&self, workflow: &str) -> Result<Vec<Checkpoint>, PlatformError> {
        let found = self.list(Call::get(self.own(&["checkpoints", workflow]))).await;
        Ok(none_where_missing(found)?.unwrap_or_default())
    }

    /// `GET /workspaces/:own/checkpoints/latest`: the newest of all, if there is one. 10 s; repeated.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn latest_checkpoint(&self) -> Result<Option<Checkpoint>, PlatformError> {
        none_where_missing(self.exchange(Call::get(self.own(&["checkpoints", "latest"]))).await?.json())
    }

    /// `DELETE /workspaces/:own/checkpoints/:workflow`. 10 s; repeated.
    ///
    /// # Errors
    /// As [`value`](Self::value); that there were none is none.
    pub async fn clear_checkpoints(&self, workflow: &str) -> Result<(), PlatformError> {
        let done = self.done(Call::delete(self.own(&["checkpoints", workflow]))).await;
        none_where_missing(done).map(drop)
    }

    /// `POST /workspaces/:own/approvals`: asks a person; the question's id. 10 s; once.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn ask_approval(&self, request: &ApprovalRequest) -> Result<String, PlatformError> {
        let own = self.identity().workspace.to_string();
        let call = self.post(&["workspaces", &own, "approvals"], Repeat::Once, request)?;
        Ok(self.exchange(call).await?.json::<Asked>()?.approval_id)
    }

    /// `GET /workspaces/:own/approvals`: the questions of the workspace, newest first. 10 s; repeated.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub async fn approvals(&self) -> Result<Vec<Approval>, PlatformError> {
        self.list(Call::get(self.own(&["approvals"]))).await
    }

    /// A list, without what in it makes no sense.
    pub(super) async fn list<T: DeserializeOwned>(&self, call: Call) -> Result<Vec<T>, PlatformError> {
        self.exchange(call.up_to(LIST)).await?.read(|body| {
            let list = Json::from_text(json::repair(body).as_ref()).ok();
            let elements = match list {
                Some(list) if list.is_null() => Vec::new(),
                list => list.and_then(|list| list.as_list()).ok_or_else(|| "not a list".to_owned())?,
            };
            Ok(elements.iter().filter_map(|element| element.parse().ok()).collect())
        })
    }

    /// A call whose answer says no more than that it is done.
    pub(super) async fn done(&self, call: Call) -> Result<(), PlatformError> {
        self.exchange(call).await?.json::<IgnoredAny>().map(drop)
    }
}

/// The longest list.
const LIST: usize = 16 * 1024 * 1024;

/// That there is no such thing is an answer. That there is no such route is none.
fn none_where_missing<T>(answer: Result<T, PlatformError>) -> Result<Option<T>, PlatformError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(PlatformError { fault: PlatformFault::NotFound { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
