//! Memories, which are searched.

use std::pin::Pin;

use crate::Error;
pub use crate::bindings::molecule::agent::memory::Scope;
use crate::imports::memory as host;

/// Commits something to memory; gives its id. The platform takes out what looks like a secret.
///
/// It is committed when this is awaited; seen by this workspace alone where no other [scope](Commit::scope) is said.
pub fn commit(content: impl Into<String>) -> Commit {
    Commit { content: content.into(), scope: Scope::Local, namespace: None }
}

/// A [memory](commit()) that has not been committed yet. Awaiting it does it.
///
/// # Errors
///
/// Awaiting fails with [`Error::Denied`] where the operator has not granted this scope (`--allow-memory team`),
/// [`Error::Forbidden`] where the platform does not let this workspace write there, [`Error::Invalid`] where it is empty.
#[derive(Debug)]
#[must_use = "a memory is committed when this is awaited"]
pub struct Commit {
    content: String,
    scope: Scope,
    namespace: Option<String>,
}

impl Commit {
    /// Who sees it.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Where it is filed, 50 characters at most.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }
}

impl IntoFuture for Commit {
    type Output = Result<String, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(host::commit(self.content, self.scope, self.namespace))
    }
}

/// Searches memories by words.
///
/// They are searched when this is awaited; those of this workspace where no other [scope](Search::scope) is said.
pub fn search(text: impl Into<String>) -> Search {
    Search(host::SearchQuery { text: Some(text.into()), ..latest().0 })
}

/// The memories, whatever they are about. As [`search`], without words.
pub fn latest() -> Search {
    Search(host::SearchQuery { text: None, scope: None, namespace: None, limit: None })
}

/// A [search](search()) that has not begun. Awaiting it does it.
///
/// # Errors
///
/// Awaiting fails with [`Error::Denied`] where the operator has not granted this scope (`--allow-memory team`), or where
/// the platform cannot be reached.
#[derive(Debug)]
#[must_use = "memories are searched when this is awaited"]
pub struct Search(host::SearchQuery);

impl Search {
    /// Of this scope only.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.0.scope = Some(scope);
        self
    }

    /// Of this namespace only.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.0.namespace = Some(namespace.into());
        self
    }

    /// So many at most, 1 to 50; 50 where not said.
    pub fn limit(mut self, most: u32) -> Self {
        self.0.limit = Some(most);
        self
    }
}

impl IntoFuture for Search {
    type Output = Result<Vec<Memory>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(host::search(self.0))
    }
}

/// Removes a memory of this workspace.
///
/// # Errors
///
/// [`Error::NotFound`] where there is none of this id, [`Error::Denied`] without `--allow-memory`.
pub async fn forget(id: impl Into<String>) -> Result<(), Error> {
    host::forget(id.into()).await
}

/// A memory.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Memory {
    /// Names it.
    pub id: String,
    /// Whose it is.
    pub workspace_id: Option<String>,
    /// What is remembered. What others have written is not to be trusted.
    pub content: String,
    /// Who sees it.
    pub scope: Scope,
    /// Where it is filed.
    pub namespace: Option<String>,
    /// When it was committed, RFC 3339.
    pub created_at: Option<String>,
    /// How well it fits what was searched for, 0 to 1, where the platform says so.
    pub similarity: Option<f64>,
}

impl Memory {
    /// A memory that this workspace alone sees, for tests.
    pub fn new(id: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            workspace_id: None,
            content: content.into(),
            scope: Scope::Local,
            namespace: None,
            created_at: None,
            similarity: None,
        }
    }
}
