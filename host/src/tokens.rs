//! The tokens of a workspace, as an operator looks at them and replaces them.
//!
//! A rotation loses nobody the workspace: the new token is on the disk and proven before the old one is revoked, and a host
//! that runs takes it from there when the platform refuses the one it has.
//!
//! ```text
//! mint ──▶ store ──▶ verify ──▶ revoke the old one
//!   │        │         └─ refused: the old one is put back
//!   │        └─ the disk refuses: the new one is revoked
//!   └─ refused: nothing has changed
//! ```

use std::path::PathBuf;

use molecule_protocol::BearerToken;
use molecule_protocol::state::StateAnswer;
use molecule_protocol::tokens::TokenRow;

use crate::host::{Host, StartError};
use crate::platform::{Client, Identity, PlatformError, PlatformFault};
use crate::session;
use crate::spec::AgentSpec;
use crate::token::{Credentials, TokenError, TokenSource};

/// The tokens of one workspace. Takes no lock: a host may run on it meanwhile.
#[derive(Debug)]
pub struct WorkspaceTokens {
    host: Host,
    identity: Identity,
    source: TokenSource,
}

/// How things stand with the token in use.
#[derive(Debug)]
pub struct TokenStatus {
    /// Where it comes from.
    pub source: String,
    /// Its first characters; none where there is no token.
    pub prefix: Option<String>,
    /// Whether the platform takes it; an error where that could not be found out.
    pub accepted: Result<bool, PlatformError>,
    /// The live tokens of the workspace, newest first; none where they may not be seen.
    pub live: Vec<TokenRow>,
}

/// How to rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Mints one and revokes the one in use; others stay.
    Own,
    /// Mints one and revokes none.
    KeepOld,
    /// Has the platform put one in the place of all there are, whoever holds them.
    All,
}

/// What came of a rotation.
#[derive(Debug)]
pub struct Rotated {
    /// Where the new token is.
    pub stored: PathBuf,
    /// Its first characters.
    pub prefix: String,
    /// What still gives the old one, and goes before that file.
    pub shadowed_by: Option<&'static str>,
    /// What became of the old one.
    pub old: OldToken,
}

/// What became of the old token.
#[derive(Debug)]
pub enum OldToken {
    /// It is accepted no more.
    Revoked,
    /// It was to stay.
    Kept,
    /// The platform lists so many tokens that begin as it does: which is it cannot be told, so none was revoked.
    Unclear(usize),
    /// It may still be accepted.
    NotRevoked(PlatformError),
}

/// Why there is no other token.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// Before anything was asked.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A file.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// There is none to begin with.
    #[error(
        "there is no token to rotate ({0} has none); have one issued on the platform and give it with --token-file"
    )]
    None(String),
    /// The platform does not take what it has just given out. The old one is back in its place.
    #[error(
        "the platform refuses the token that it has just issued; the old one is in use as before, nothing was revoked"
    )]
    NotAccepted,
}

impl WorkspaceTokens {
    /// The tokens of the workspace that `spec` names.
    ///
    /// # Errors
    /// About the token's source and the state folder.
    pub async fn open(host: &Host, spec: AgentSpec) -> Result<Self, StartError> {
        let (identity, source) = session::token_source(host, spec).await?;
        Ok(Self { host: host.clone(), identity, source })
    }

    fn client(&self, token: Option<BearerToken>) -> Client {
        Client::new(&self.host.network, self.identity.clone(), Credentials::in_memory(token))
    }

    /// How things stand.
    ///
    /// # Errors
    /// A token that cannot be read.
    pub async fn status(&self) -> Result<TokenStatus, TokensError> {
        let token = self.source.load()?;
        let prefix = token.as_ref().map(|token| token.prefix().to_owned());
        let client = self.client(token);
        let accepted = client.state().await.map(|answer| !matches!(answer, StateAnswer::Unauthorized));
        let live = match accepted {
            Ok(true) => client.tokens().await.unwrap_or_default(),
            _ => Vec::new(),
        };
        Ok(TokenStatus { source: self.source.to_string(), prefix, accepted, live })
    }

    /// Puts another token in the place of the one in use.
    ///
    /// # Errors
    /// After each of them the token that is on the disk is accepted, if it was before.
    pub async fn rotate(&self, rotation: Rotation) -> Result<Rotated, TokensError> {
        let old = self.source.load()?.ok_or_else(|| TokensError::None(self.source.to_string()))?;
        let with_old = self.client(Some(old.clone()));
        // That the disk takes a token is tried before there is one to lose.
        self.source.store(&old)?;
        let new = match rotation {
            Rotation::All => with_old.rotate_all_tokens().await?,
            Rotation::Own | Rotation::KeepOld => with_old.mint_token().await?,
        };
        if let Err(error) = self.source.store(&new) {
            if rotation != Rotation::All {
                // Nobody has it: better nobody can use it.
                let _ = revoke(&with_old, &new).await;
            }
            return Err(error.into());
        }
        let with_new = self.client(Some(new.clone()));
        if matches!(with_new.state().await?, StateAnswer::Unauthorized) {
            if rotation != Rotation::All {
                self.source.store(&old)?;
            }
            return Err(TokensError::NotAccepted);
        }
        let old = match rotation {
            Rotation::All => OldToken::Revoked,
            Rotation::KeepOld => OldToken::Kept,
            Rotation::Own => revoke(&with_new, &old).await,
        };
        let (stored, shadowed_by) = self.source.stored();
        Ok(Rotated { stored, prefix: new.prefix().to_owned(), shadowed_by, old })
    }
}

/// Revokes a token, which the platform lists by its first characters only.
async fn revoke(client: &Client, token: &BearerToken) -> OldToken {
    let live = match client.tokens().await {
        Ok(live) => live,
        Err(PlatformError { fault: PlatformFault::Unauthorized { .. }, .. }) => return OldToken::Revoked,
        Err(error) => return OldToken::NotRevoked(error),
    };
    let alike: Vec<_> = live.iter().filter(|row| token.expose().starts_with(&row.prefix)).collect();
    match alike.as_slice() {
        [one] => match client.revoke_token(&one.id).await {
            Ok(()) => OldToken::Revoked,
            Err(error) => OldToken::NotRevoked(error),
        },
        several => OldToken::Unclear(several.len()),
    }
}
