use std::io;
use std::path::PathBuf;

use molecule_protocol::InvalidToken;

/// Why a token could not be read or kept. No message holds a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file is there and cannot be read.
    #[error(
        "cannot read the token file {}: {source}; make it readable by this user, or name another with --token-file",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that was named is not there or holds nothing.
    #[error(
        "{from} holds no token; write the workspace's token into it, or leave it out to use the cached one"
    )]
    Missing {
        /// Where a token was looked for.
        from: String,
    },
    /// Something is there, but it is not a token.
    #[error("{from} holds no usable token: {source}; let it hold the workspace's token and nothing else")]
    Invalid {
        /// Where it was read.
        from: String,
        /// What is wrong with it.
        source: InvalidToken,
    },
    /// Others on this machine may read the file, and the operator asked to refuse that.
    #[error(
        "the token file {} can be read by other users (mode {mode:04o}); run: chmod 600 {}",
        path.display(),
        path.display()
    )]
    Loose {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Standard input broke off.
    #[error(
        "cannot read a token from standard input: {0}; pipe it in, as in: molecule-host --token-file - < FILE"
    )]
    Stdin(io::Error),
    /// The file cannot be written. What it held before is still there.
    #[error(
        "cannot write the token file {}: {source}; free some disk space or make its folder writable by this user",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process was ending while the file was written.
    #[error(
        "the token was not written ({0}); it may be lost, so have a new one issued if the next start is refused"
    )]
    Interrupted(String),
}
