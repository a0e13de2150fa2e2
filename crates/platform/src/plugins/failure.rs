//! Why a plugin is not served.

use std::fmt::Display;
use std::io;
use std::path::Path;

use axum::http::StatusCode;

use super::Source;
use crate::error::ApiError;

/// Why a plugin is not served. The messages become `detail` and are read by agents, so they name nothing outside the
/// plugin; what the disk said stands in the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    NotFound(String),
    #[error("this platform was started without {flag}, so it has no such plugins")]
    NoBase { flag: &'static str },
    #[error("{0}")]
    Unreadable(String),
    #[error("{0}")]
    TooLarge(&'static str),
    #[error("{0}")]
    NotIntact(String),
    #[error("{0:?} cannot be the name of a plugin")]
    InvalidName(String),
    #[error("the source names another plugin than the path")]
    OtherName { resolved: String, requested: String },
    #[error("it took longer than this platform waits for a plugin")]
    TimedOut,
    #[error("the archive cannot be written: {}", .0.kind())]
    CannotPack(io::Error),
    #[error("a defect in the platform: {0}")]
    Defect(String),
}

impl Failure {
    pub(super) fn unreadable(why: impl Into<String>) -> Self {
        Self::Unreadable(why.into())
    }

    /// The disk said so.
    pub(super) fn disk(path: &Path, error: &io::Error) -> Self {
        tracing::warn!(path = %path.display(), %error, "a plugin cannot be read");
        Self::Unreadable(format!("its files cannot be read: {error}"))
    }

    /// The repository is not as it should be.
    pub(super) fn repository(path: &Path, error: impl Display) -> Self {
        tracing::warn!(path = %path.display(), %error, "a git repository cannot be read");
        Self::unreadable("the git repository cannot be read; the platform's log says why")
    }

    /// What a reader or writer of archives said. A failure of ours that passed through it comes out as it was.
    pub(super) fn of_archive(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::CannotPack)
    }

    /// The platform's answer.
    pub(crate) fn refusal(self, source: &Source) -> ApiError {
        let fetch = format!("failed to fetch plugin from {}", source.scheme());
        let (status, text) = match &self {
            Self::NotFound(_) | Self::NoBase { .. } => (StatusCode::NOT_FOUND, fetch),
            Self::Unreadable(_) => (StatusCode::BAD_GATEWAY, fetch),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, fetch),
            Self::InvalidName(_) => {
                (StatusCode::BAD_REQUEST, "resolver returned invalid plugin name".to_owned())
            }
            Self::OtherName { resolved, requested } => {
                return ApiError::bad_request("plugin name does not match its source")
                    .with("resolved_name", resolved.clone())
                    .with("requested_name", requested.clone());
            }
            Self::TooLarge(_) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "staged plugin exceeds size limit".to_owned())
            }
            Self::NotIntact(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "plugin manifest integrity check failed".to_owned())
            }
            Self::CannotPack(_) | Self::Defect(_) => {
                tracing::error!(%source, error = ?self, "a plugin cannot be packed");
                (StatusCode::INTERNAL_SERVER_ERROR, "failed to pack plugin".to_owned())
            }
        };
        ApiError::new(status, text).with("source", source.to_string()).with("detail", self.to_string())
    }
}
