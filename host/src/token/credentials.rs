use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use molecule_protocol::BearerToken;

use super::{TokenError, TokenFile, TokenSource};

/// The secrets of one workspace: the bearer token that its requests carry, and the secret by which it knows the
/// platform's own requests. Clones share them, so that a reload reaches every task at once.
#[derive(Clone)]
pub struct Credentials(Arc<Shared>);

struct Shared {
    token: RwLock<Option<BearerToken>>,
    inbound: RwLock<Option<BearerToken>>,
    /// `None` for an embedder that keeps tokens itself.
    files: Option<Files>,
}

struct Files {
    token: TokenSource,
    inbound: TokenFile,
}

impl Credentials {
    /// Reads both secrets.
    ///
    /// # Errors
    /// As [`TokenSource::load`].
    pub fn open(token: TokenSource, inbound: TokenFile) -> Result<Self, TokenError> {
        let (bearer, secret) = (token.load()?, inbound.read()?);
        Ok(Self(Arc::new(Shared {
            token: RwLock::new(bearer),
            inbound: RwLock::new(secret),
            files: Some(Files { token, inbound }),
        })))
    }

    /// Secrets that live as long as the process: what the platform issues is not written anywhere.
    pub fn in_memory(token: Option<BearerToken>) -> Self {
        Self(Arc::new(Shared { token: RwLock::new(token), inbound: RwLock::new(None), files: None }))
    }

    /// The token that requests carry now.
    pub fn token(&self) -> Option<BearerToken> {
        self.0.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The secret that the platform's own requests to this host carry, once it has told us one.
    pub fn inbound_secret(&self) -> Option<BearerToken> {
        self.0.inbound.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses this token from now on, without keeping it: for an embedder that rotates tokens himself.
    pub fn replace(&self, token: BearerToken) {
        *self.0.token.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// Looks for another token than the one in use, after the platform has refused that, and takes it into use. True if
    /// there was one.
    ///
    /// # Errors
    /// As [`TokenSource::reload`]; the token in use stays.
    pub fn reload(&self) -> Result<bool, TokenError> {
        let Some(files) = &self.0.files else { return Ok(false) };
        let found = files.token.reload(self.token().as_ref())?;
        let changed = found.is_some();
        if let Some(token) = found {
            self.replace(token);
        }
        Ok(changed)
    }

    /// True if a token file was touched since it was last read.
    pub fn changed(&self) -> bool {
        self.0.files.as_ref().is_some_and(|files| files.token.changed())
    }

    /// Takes a token that the platform has issued: onto the disk, then into use. It is in use even if the disk
    /// refuses, because the platform will not show it again.
    ///
    /// # Errors
    /// As [`TokenFile::write`].
    pub fn issued(&self, token: BearerToken) -> Result<(), TokenError> {
        let kept = self.0.files.as_ref().map_or(Ok(()), |files| files.token.keep(&token));
        self.replace(token);
        kept
    }

    /// Takes the inbound secret, likewise. The platform repeats it with every heartbeat; it is written once.
    ///
    /// # Errors
    /// As [`TokenFile::write`].
    pub fn inbound_issued(&self, secret: BearerToken) -> Result<(), TokenError> {
        if self.inbound_secret().as_ref() == Some(&secret) {
            return Ok(());
        }
        let kept = self.0.files.as_ref().map_or(Ok(()), |files| files.inbound.write(&secret));
        *self.0.inbound.write().unwrap_or_else(PoisonError::into_inner) = Some(secret);
        kept
    }

    /// `text`, in which a server may have echoed what we sent, without our secrets.
    pub fn redact(&self, text: String) -> String {
        let secrets = [self.token(), self.inbound_secret()];
        secrets.iter().flatten().fold(text, |text, secret| match text.contains(secret.expose()) {
            true => text.replace(secret.expose(), "[token]"),
            false => text,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("token", &self.token().map(|_| "…"))
            .field("source", &self.0.files.as_ref().map(|files| &files.token))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> BearerToken {
        text.parse().unwrap()
    }

    #[test]
    fn a_clone_sees_a_reloaded_token_and_one_that_was_issued() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| TokenFile::new(folder.path().join(name));
        at("t").write(&token("first")).unwrap();
        let credentials = Credentials::open(TokenSource::cached(at("t")), at("s")).unwrap();
        let clone = credentials.clone();
        assert!(!credentials.reload().unwrap() && !credentials.changed());

        at("t").write(&token("by-hand")).unwrap();
        assert!(credentials.changed());
        assert!(credentials.reload().unwrap() && !credentials.changed());
        assert_eq!(clone.token(), Some(token("by-hand")));

        credentials.issued(token("issued")).unwrap();
        credentials.inbound_issued(token("secret")).unwrap();
        assert_eq!((clone.token(), clone.inbound_secret()), (Some(token("issued")), Some(token("secret"))));
        assert_eq!(
            (at("t").read().unwrap(), at("s").read().unwrap()),
            (clone.token(), clone.inbound_secret())
        );
        assert_eq!(clone.redact("x issued y secret".into()), "x [token] y [token]");
    }

    #[test]
    fn an_inbound_secret_that_is_known_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| TokenFile::new(folder.path().join(name));
        let credentials = Credentials::open(TokenSource::cached(at("t")), at("s")).unwrap();
        credentials.inbound_issued(token("secret")).unwrap();
        std::fs::remove_file(at("s").path()).unwrap();
        credentials.inbound_issued(token("secret")).unwrap();
        assert_eq!(at("s").read().unwrap(), None);
    }

    #[test]
    fn an_issued_token_is_in_use_even_if_it_cannot_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        std::fs::write(&in_the_way, "").unwrap();
        let source = TokenSource::value(token("old"), TokenFile::new(in_the_way.join("t")));
        let credentials = Credentials::open(source, TokenFile::new(folder.path().join("s"))).unwrap();
        assert!(matches!(credentials.issued(token("issued")), Err(TokenError::Write { .. })));
        assert_eq!(credentials.token(), Some(token("issued")));
    }
}
