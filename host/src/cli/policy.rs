//! `agent.policy.toml`: what an agent may do, kept in a file; and `molecule-host policy`, which asks what it gives.

mod explain;
mod request;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use molecule_host::gate::Grants;

use self::request::Request;
use super::args::{GrantArgs, JsonArgs, PolicyAction, PolicyArgs, PolicyKeys};
use super::console::Console;
use super::failure::Failure;
use super::keys::{self, Flags, Page, Wrong};
use super::limits::LimitArgs;
use super::settings::{self, UsageError};

/// A policy file that has been read: its keys as flags, each of which makes sense. Equal words are equal policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PolicyFile {
    words: Vec<OsString>,
}

const ADVICE: &str = "the keys are the flags for grants and limits that molecule-host --help lists";

impl PolicyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, and the first thing that is wrong in it.
    pub(super) fn load(path: &Path) -> Result<Self, UsageError> {
        let mut wrongs = match Self::read(path)? {
            Ok(file) => return Ok(file),
            Err(wrongs) => wrongs.into_iter(),
        };
        let (first, more) = (wrongs.next(), wrongs.len());
        let first = first.map(|wrong| wrong.to_string()).unwrap_or_default();
        Err(UsageError(match more {
            0 => first,
            _ => format!("{first}; molecule-host policy check {} shows {more} more", path.display()),
        }))
    }

    /// The same, with all that is wrong in it.
    fn read(path: &Path) -> Result<Result<Self, Vec<Wrong>>, UsageError> {
        let text = keys::read(path, "give the path of an agent.policy.toml")?;
        Ok(Self::parse(Page { path, text: &text }))
    }

    /// The same of a text that has been read.
    pub(super) fn parse(page: Page<'_>) -> Result<Self, Vec<Wrong>> {
        let flags = Flags::new(PolicyKeys::command(), &["policy"], ADVICE);
        let (document, mut wrongs) = page.parse();
        let mut words = Vec::new();
        for (key, value) in document.get_ref() {
            let (more, wrong) = flags.words(page, None, key, value);
            words.extend(more);
            wrongs.extend(wrong);
        }
        wrongs.sort_by_key(|wrong| (wrong.line, wrong.column));
        if wrongs.is_empty() { Ok(Self { words }) } else { Err(wrongs) }
    }

    /// Puts what it says behind what flags say: its grants beside theirs, and its single values where there is none.
    ///
    /// # Errors
    /// None that were not found when it was read.
    pub(super) fn put_into(&self, grants: &mut GrantArgs, limits: &mut LimitArgs) -> Result<(), UsageError> {
        let file: PolicyKeys = keys::read_back(&self.words)?;
        *grants = std::mem::take(grants).or(file.grants);
        *limits = std::mem::take(limits).or(file.limits);
        Ok(())
    }

    /// What it grants, alone.
    pub(super) fn grants(&self) -> Result<Grants, UsageError> {
        let (mut grants, mut limits) = Default::default();
        self.put_into(&mut grants, &mut limits)?;
        Ok(settings::granted(grants))
    }
}

/// Reads the file that `--policy` names, if it does, and puts it behind the flags.
///
/// # Errors
/// Where it cannot be read, and what is wrong in it.
pub(super) fn apply(grants: &mut GrantArgs, limits: &mut LimitArgs) -> Result<(), UsageError> {
    match grants.policy.take() {
        Some(path) => PolicyFile::load(&path)?.put_into(grants, limits),
        None => Ok(()),
    }
}

impl GrantArgs {
    /// What is said here, and else what is said there; of what may be repeated both.
    pub(super) fn or(self, other: Self) -> Self {
        fn both<T>(mut one: Vec<T>, other: Vec<T>) -> Vec<T> {
            one.extend(other);
            one
        }
        Self {
            allow_peer: both(self.allow_peer, other.allow_peer),
            allow_net: both(self.allow_net, other.allow_net),
            allow_secret: both(self.allow_secret, other.allow_secret),
            allow_reveal: both(self.allow_reveal, other.allow_reveal),
            allow_plugin: both(self.allow_plugin, other.allow_plugin),
            allow_memory: self.allow_memory.or(other.allow_memory),
            allow_storage: self.allow_storage.or(other.allow_storage),
            policy: None,
            max_message_bytes: self.max_message_bytes.or(other.max_message_bytes),
            max_messages_per_minute: self.max_messages_per_minute.or(other.max_messages_per_minute),
            max_requests_per_minute: self.max_requests_per_minute.or(other.max_requests_per_minute),
            max_concurrent_requests: self.max_concurrent_requests.or(other.max_concurrent_requests),
            max_request: self.max_request.or(other.max_request),
            max_response: self.max_response.or(other.max_response),
        }
    }
}

/// Why `molecule-host policy` does not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PolicyError {
    /// Each has been shown.
    #[error("{count} {} in {}; correct what is listed", if *count == 1 { "mistake" } else { "mistakes" }, path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// Each has been shown.
    #[error("{count} {} be denied; add the grants that are named, if that is not meant", if *count == 1 { "request would" } else { "requests would" })]
    Denied {
        /// How many.
        count: usize,
    },
}

/// Checks a file, or explains what requests would get by it.
///
/// # Errors
/// What is wrong in the file or in what is asked, and that a request would be denied.
pub(super) fn policy(args: PolicyArgs, console: Console) -> Result<(), Failure> {
    let PolicyArgs { action, file, requests, answers: JsonArgs { json } } = args;
    let usage = |text: &str| UsageError(text.to_owned());
    let action = action.ok_or_else(|| {
        usage("nothing is asked; check a file with: molecule-host policy check agent.policy.toml")
    })?;
    let path = file.ok_or_else(|| {
        usage("no file is named; give one, as in: molecule-host policy check agent.policy.toml")
    })?;
    let requests = Request::read(&requests)?;
    match (action, requests.is_empty()) {
        (PolicyAction::Check, false) => {
            return Err(
                usage("policy check takes a file alone; ask with: molecule-host policy explain").into()
            );
        }
        (PolicyAction::Explain, true) => {
            return Err(usage(
                "policy explain needs a request; give one, as in: molecule-host policy explain FILE GET https://a.example/",
            )
            .into());
        }
        _ => {}
    }
    let file = match PolicyFile::read(&path)? {
        Ok(file) => file,
        Err(wrongs) => return Err(show(&wrongs, &path, json, console)),
    };
    let grants = file.grants()?;
    match action {
        PolicyAction::Check if json => console.json(&grants),
        PolicyAction::Check => {
            console.answer(&format!("{}: grants {}", path.display(), explain::summary(&grants)))
        }
        PolicyAction::Explain => explain::explain(grants, &requests, json, console),
    }
}

/// Shows all that is wrong.
fn show(wrongs: &[Wrong], path: &Path, json: bool, console: Console) -> Failure {
    for wrong in wrongs {
        let shown = match json {
            true => console.json(&serde_json::json!({
                "file": wrong.path, "line": wrong.line, "column": wrong.column, "what": wrong.what, "advice": wrong.advice,
            })),
            false => console.answer(&wrong.to_string()),
        };
        if let Err(failure) = shown {
            return failure;
        }
    }
    PolicyError::Wrong { path: path.to_owned(), count: wrongs.len() }.into()
}

#[cfg(test)]
mod tests;
