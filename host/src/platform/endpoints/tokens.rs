//! The tokens of the workspace.

use molecule_protocol::BearerToken;
use molecule_protocol::tokens::{MintedToken, TokenList, TokenRow};

use super::super::client::Client;
use super::super::error::{PlatformError, PlatformFault};
use super::super::request::Call;
use super::super::retry::Repeat;

impl Client {
    /// `GET /workspaces/:own/tokens`: those that are alive, without the tokens themselves. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, PlatformError> {
        let mut url = self.own(&["tokens"]);
        url.set_query(Some("limit=200"));
        Ok(self.exchange(Call::get(url)).await?.json::<TokenList>()?.tokens)
    }

    /// `POST /workspaces/:own/tokens`: another token, which is not in use by that. 10 s; once.
    ///
    /// # Errors
    /// [`TooManyTokens`](PlatformFault::TooManyTokens) where 50 are alive already.
    pub async fn mint_token(&self) -> Result<BearerToken, PlatformError> {
        let mut call = Call::post(self.own(&["tokens"]), Repeat::Once);
        call.if_lost = Some(
            "the platform may have made a token that nobody knows; `molecule-host token status` lists the live ones",
        );
        let answer = self.exchange(call).await?;
        // Not a matter of time: this 429 has no Retry-After.
        if answer.status == 429 && answer.retry_after().is_none() {
            return Err(answer.asked.failed(PlatformFault::TooManyTokens));
        }
        minted(answer)
    }

    /// `DELETE /workspaces/:own/tokens/:id`: that one is accepted no more. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering; that there is none such is none.
    pub async fn revoke_token(&self, id: &str) -> Result<(), PlatformError> {
        match self.done(Call::delete(self.own(&["tokens", id]))).await {
            Err(PlatformError { fault: PlatformFault::NotFound { .. }, .. }) => Ok(()),
            done => done,
        }
    }

    /// `POST /workspaces/:own/external/rotate`: another token in the place of all there are. 10 s; once.
    ///
    /// # Errors
    /// [`RouteMissing`](PlatformFault::RouteMissing) from an older platform.
    pub async fn rotate_all_tokens(&self) -> Result<BearerToken, PlatformError> {
        let mut call = Call::post(self.own(&["external", "rotate"]), Repeat::Once);
        call.if_lost = Some(
            "the platform may have revoked all tokens and made one that nobody knows; have a new one issued, and give it with --token-file",
        );
        minted(self.exchange(call).await?)
    }
}

/// The token stands at the top, or in the block that says how to connect.
fn minted(answer: super::super::answer::Answer) -> Result<BearerToken, PlatformError> {
    answer.read(|body| {
        let at_top = serde_json::from_slice::<MintedToken>(body).ok().and_then(|said| said.auth_token);
        let within = || {
            let said = molecule_protocol::Json::object_in(body)?;
            let token = said.at(&["connection", "auth_token"]).or_else(|| said.at(&["auth_token"]))?;
            token.as_text()?.parse().ok()
        };
        at_top.or_else(within).ok_or_else(|| "there is no token in it".to_owned())
    })
}
