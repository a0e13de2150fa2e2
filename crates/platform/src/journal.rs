//! A line of JSON for each request, for whoever wants to know afterwards what was asked.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use molecule_protocol::{WORKSPACE_ID_HEADER, timestamp};
use serde_json::json;
use tokio::time::Instant;

/// Where the lines go.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    /// Goes on with a file, or makes it, for its owner only.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map(|file| Self(Mutex::new(file)))
    }

    /// Writes down a request that was answered. The line is small and goes to the system's memory, so nothing waits long.
    pub(crate) fn note(&self, asked: Asked, status: StatusCode) {
        let line = json!({
            "at": timestamp::format(asked.at),
            "method": asked.method.as_str(),
            "path": asked.path,
            "workspace": asked.workspace,
            "token": asked.token,
            "status": status.as_u16(),
            "ms": u64::try_from(asked.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        let line = format!("{line}\n");
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "a request is missing in the journal");
        }
    }
}

/// What is kept of a request: never its body, and of its token the beginning that the list of tokens shows, too.
#[derive(Debug)]
pub(crate) struct Asked {
    at: Timestamp,
    began: Instant,
    method: Method,
    path: String,
    workspace: Option<String>,
    token: Option<String>,
}

impl Asked {
    pub(crate) fn of(request: &Request, at: Timestamp) -> Self {
        let headers = request.headers();
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        Self {
            at,
            began: Instant::now(),
            method: request.method().clone(),
            path: path.to_owned(),
            workspace: text(headers, WORKSPACE_ID_HEADER),
            token: text(headers, header::AUTHORIZATION.as_str()).and_then(|shown| beginning(&shown)),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The first 8 characters of a token. One so short that they would be most of it is not shown.
fn beginning(authorization: &str) -> Option<String> {
    let token = authorization.strip_prefix("Bearer ")?.trim();
    let shown: String = token.chars().take(if token.len() < 32 { 0 } else { 8 }).collect();
    Some(shown)
}
