//! Why an archive did not become a folder.

use std::io;

/// Why an archive did not become a folder. What was written before stays where it is: the caller removes the folder.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The body broke: nothing is known of the archive. Another try may do better.
    #[error("the archive broke off after {received} bytes: {source}; try again")]
    Body {
        /// Compressed bytes that had come until then.
        received: u64,
        /// What the reader said.
        source: io::Error,
    },
    /// The archive is none that is taken. Another try of the same bytes ends the same way.
    #[error("the archive is refused: {0}")]
    Refused(#[from] Refusal),
    /// Trouble of our own: the disk is full, or somebody else writes into the folder.
    #[error("cannot {doing} {path:?} in the folder that the archive is unpacked into: {source}")]
    Local {
        /// What was tried, such as `create the file`.
        doing: &'static str,
        /// On what, relative to that folder; empty for the folder itself.
        path: String,
        /// What came back.
        source: io::Error,
    },
}

/// A judgment on an archive. Names are shown cut to 200 characters, and control characters in them escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another format, an error page, or nothing.
    #[error("it is not gzip ({received} bytes were read); a plugin is a .tar.gz")]
    NotGzip {
        /// Bytes that were read until this was clear.
        received: u64,
    },
    /// A damaged stream: a wrong checksum or length, or bytes after its end that are no gzip.
    #[error("the gzip stream is damaged after {received} bytes: {detail}")]
    CorruptGzip {
        /// Compressed bytes that were read.
        received: u64,
        /// What the decoder said.
        detail: String,
    },
    /// It ends too early, although whoever sent it says that this is all. Whether the sender cut it is not to be told from
    /// here.
    #[error("it ends after {received} bytes, in the middle of {inside}")]
    Truncated {
        /// Compressed bytes that were read.
        received: u64,
        /// What was cut.
        inside: &'static str,
    },
    /// More than one of the [`Limits`](super::Limits) allows.
    #[error("{what} over the limit of {limit}{}", at(.name))]
    OverLimit {
        /// Which limit, such as `unpacked bytes`.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
        /// The entry that went over it; empty where it is no single one.
        name: String,
    },
    /// A header that cannot be read, or that programs read differently.
    #[error("the header at byte {offset} of the tar: {problem}")]
    Header {
        /// Where in the tar (unpacked) it starts.
        offset: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something follows the end of the archive.
    #[error(
        "data at byte {offset} of the tar, after its end: programs disagree about what is in such an archive"
    )]
    AfterTheEnd {
        /// Where in the tar (unpacked) it starts.
        offset: u64,
    },
    /// A name that is taken nowhere, or not everywhere.
    #[error("the name {name:?} {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An entry that is neither file, folder nor link, or that says two things at once.
    #[error("the entry {name:?} {problem}")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two entries that want the same name.
    #[error("the entry {name:?} {problem} {other:?}")]
    Conflict {
        /// The later one.
        name: String,
        /// How they stand to each other.
        problem: &'static str,
        /// The earlier one.
        other: String,
    },
}

impl Refusal {
    pub(super) fn name(name: &str, problem: &'static str) -> Self {
        Self::Name { name: shown(name), problem }
    }

    pub(super) fn entry(name: &str, problem: &'static str) -> Self {
        Self::Entry { name: shown(name), problem }
    }

    pub(super) fn conflict(name: &str, problem: &'static str, other: &str) -> Self {
        Self::Conflict { name: shown(name), problem, other: shown(other) }
    }

    pub(super) fn over(what: &'static str, limit: u64, name: &str) -> Self {
        Self::OverLimit { what, limit, name: shown(name) }
    }
}

fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}

fn at(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(", with the entry {name:?}") }
}
