//! Tasks that this workspace gives to others.

use molecule_protocol::ActivityQuery;
use molecule_protocol::delegation::{
    DelegateRequest, DelegateResponse, DelegationRow, RecordDelegationRequest, UpdateDelegationRequest,
};

use super::super::client::Client;
use super::super::error::PlatformError;
use super::super::request::{Call, Lane};
use super::super::retry::Repeat;
use super::ActivityAnswer;

/// What a preview ends in that is not the whole answer.
const CUT: &str = "...";
/// Rows of the log among which a whole answer is looked for.
const ROWS: u32 = 500;

impl Client {
    /// `POST /workspaces/:own/delegate`: gives a task to a peer. 15 s; repeated if it has a key. Whether the peer may be
    /// reached, and what it answers, is known later.
    ///
    /// # Errors
    /// [`Rejected`](super::super::PlatformFault::Rejected) with 400 for a target that is none.
    pub async fn delegate(&self, request: &DelegateRequest) -> Result<DelegateResponse, PlatformError> {
        let repeat = if request.idempotency_key.is_some() { Repeat::Idempotent } else { Repeat::Once };
        let own = self.identity().workspace.to_string();
        let call = self.post(&["workspaces", &own, "delegate"], repeat, request)?.within(15);
        self.exchange(call).await?.json()
    }

    /// `GET /workspaces/:own/delegations`: the newest 50 rows. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn delegations(&self) -> Result<Vec<DelegationRow>, PlatformError> {
        self.list(Call::get(self.own(&["delegations"])).in_lane(Lane::Polling)).await
    }

    /// The whole answer of which this is the preview: from the log where the preview was cut, whose rows of results do not
    /// say which they are of.
    ///
    /// # Errors
    /// As [`activity`](Self::activity). An answer that is in the log no more is its preview.
    pub async fn delegation_text(&self, target: &str, preview: &str) -> Result<String, PlatformError> {
        let Some(beginning) = preview.strip_suffix(CUT) else { return Ok(preview.to_owned()) };
        let query = ActivityQuery {
            activity_type: Some("delegation".to_owned()),
            limit: Some(ROWS),
            ..ActivityQuery::default()
        };
        let ActivityAnswer::Page(page) = self.activity(&query).await? else { return Ok(preview.to_owned()) };
        let texts = page
            .rows
            .iter()
            .filter(|row| row.target_id.as_deref() == Some(target))
            .filter_map(|row| row.response_body.as_ref()?.at(&["text"])?.as_text());
        // The preview is cut at a byte, which may lie within a character.
        let begins =
            |text: &String| text.starts_with(beginning.trim_end_matches(char::REPLACEMENT_CHARACTER));
        Ok(texts.into_iter().find(begins).unwrap_or_else(|| preview.to_owned()))
    }

    /// `POST /workspaces/:own/delegations/record`: tells the platform of a delegation that was sent without it. 10 s; once.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn record_delegation(&self, request: &RecordDelegationRequest) -> Result<(), PlatformError> {
        let own = self.identity().workspace.to_string();
        let route = ["workspaces", own.as_str(), "delegations", "record"];
        self.done(self.post(&route, Repeat::Once, request)?).await
    }

    /// `POST /workspaces/:own/delegations/:id/update`: how such a delegation ended. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn update_delegation(
        &self,
        id: &str,
        request: &UpdateDelegationRequest,
    ) -> Result<(), PlatformError> {
        let own = self.identity().workspace.to_string();
        let route = ["workspaces", own.as_str(), "delegations", id, "update"];
        self.done(self.post(&route, Repeat::Idempotent, request)?).await
    }
}
