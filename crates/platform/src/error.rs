//! Refusals, and a platform that does not start.

use std::net::SocketAddr;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use molecule_store::{StoreError, rusqlite};
use serde_json::{Map, Value};

use crate::reply;

/// Why a platform did not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error(
        "cannot listen on {addr}: {source}; stop what listens there (another platform?), or choose another address with --listen"
    )]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It would let anybody on the network do anything.
    #[error(
        "{0} is not a loopback address, and in development without an admin token anybody who reaches it is its admin; listen on 127.0.0.1, set an admin token, or pass --open-to-network, which makes one up and prints it"
    )]
    Open(SocketAddr),
    /// A folder of plugins is not there, or cannot be read.
    #[error("cannot read the folder {} of {flag}: {source}; make it, or name another", path.display())]
    Folder {
        /// The setting, as the program's flag.
        flag: &'static str,
        /// The folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal cannot be written.
    #[error("cannot open {} of --journal: {source}; make its folder, or name another file", path.display())]
    Journal {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An admin token cannot be made.
    #[error("the system gives no random numbers to make an admin token of; set one with --admin-token-file")]
    NoRandomness,
    /// The client that pushes messages to agents cannot be made.
    #[error("cannot set up the client for pushed messages: {0}; this is a defect in the program, report it")]
    Client(String),
}

/// A refusal: a status and `{"error": text, …}`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    error: String,
    /// Boxed, as a map is large where serde_json keeps the order of members.
    extra: Box<Map<String, Value>>,
    retry_after: Option<u64>,
    /// The storage failed; the route has its own word for that.
    store: Option<Box<StoreError>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), extra: Box::default(), retry_after: None, store: None }
    }

    pub(crate) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn unauthorized(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error)
    }

    pub(crate) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// The refusal that every route gives for a workspace it does not find.
    pub(crate) fn no_workspace() -> Self {
        Self::not_found("workspace not found")
    }

    /// A server's own failure, under the route's word for it.
    pub(crate) fn internal(error: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }

    /// With another member in the body.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// With seconds to wait, in the header and the body.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self.with("retry_after", seconds)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn text(&self) -> &str {
        &self.error
    }

    /// True if it is the storage that failed, and nothing that was asked for.
    pub(crate) fn is_of_storage(&self) -> bool {
        self.store.is_some()
    }

    /// At a gate: if the storage cannot say who is who, nobody passes.
    pub(crate) fn at_gate(self) -> Self {
        match self.store {
            Some(store) => {
                let refusal =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "the platform cannot check tokens now");
                Self { store: Some(store), ..refusal.with("code", "platform_unavailable") }
            }
            None => self,
        }
    }

    /// Says in the log what the storage said. An error that becomes an answer is logged then.
    pub(crate) fn log(&self) {
        if let Some(store) = &self.store {
            tracing::error!(error = %store, "{}", self.error);
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self { store: Some(Box::new(error)), ..Self::internal("the platform's storage failed") }
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(StoreError::from(error))
    }
}

/// Puts a route's own word on a failure of the storage. Refusals stay as they are.
pub(crate) trait StoreText<T> {
    /// The word.
    fn or_text(self, text: &str) -> Result<T, ApiError>;
}

impl<T> StoreText<T> for Result<T, ApiError> {
    fn or_text(self, text: &str) -> Result<T, ApiError> {
        self.map_err(|error| match error.store {
            Some(_) => ApiError { error: text.to_owned(), ..error },
            None => error,
        })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let mut body = self.extra;
        if let Some(store) = &self.store {
            body.insert("detail".to_owned(), store.to_string().into());
        }
        body.insert("error".to_owned(), self.error.into());
        let mut response = reply::json(self.status, &body);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
