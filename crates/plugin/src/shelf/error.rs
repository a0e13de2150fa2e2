//! What goes wrong with a shelf.

use std::io;
use std::path::PathBuf;

use crate::PluginName;

/// Why a shelf did not do what it was asked for. What was installed before still is.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The file system refused.
    #[error(
        "cannot {action} {}: {source}; see who owns that folder, and whether its disk is full or read-only",
        path.display()
    )]
    Io {
        /// What was tried, as in "cannot ...".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// Somebody else is installing or removing this plugin.
    #[error(
        "{name} is being installed or removed by {}; try again when that has ended",
        holder.map_or_else(|| "somebody else".to_owned(), |process| format!("process {process}"))
    )]
    Busy {
        /// Which plugin.
        name: PluginName,
        /// The number of the process, if it can be told.
        holder: Option<u32>,
    },
    /// Something that no install made is in the way: a link, or a file.
    #[error("{} is not a folder, so no plugin can be there; move it away first", path.display())]
    NotAFolder {
        /// Where.
        path: PathBuf,
    },
    /// What was installed is not there any more.
    #[error(
        "{name} was replaced or removed meanwhile; nothing was noted about the version that is there now"
    )]
    Replaced {
        /// Which plugin.
        name: PluginName,
    },
    /// The folder of plugins and the one beside it cannot exchange their contents.
    #[error(
        "{} and {} lie on different file systems, so nothing can be swapped in at once; put both on one",
        plugins.display(),
        work.display()
    )]
    TwoFileSystems {
        /// The folder of plugins.
        plugins: PathBuf,
        /// The folder beside it.
        work: PathBuf,
    },
}
