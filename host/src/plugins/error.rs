//! What goes wrong with plugins.

use std::io;

use molecule_plugin::archive::{ArchiveError, Refusal};
use molecule_plugin::facts::{FactsError, VerifyError};
use molecule_plugin::{Digest, PluginName, ShelfError};

use super::{PluginRef, PluginSource};
use crate::platform::{PlatformError, PlatformFault};

/// Why a plugin was not installed, listed or removed. Prints as one line that ends in what to do. What was installed before
/// is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The platform does not give it out.
    #[error("the plugin {plugin} cannot be had: {error}{}", advice(error, &plugin.source))]
    Platform {
        /// Which one.
        plugin: PluginRef,
        /// What the platform said.
        error: Box<PlatformError>,
    },
    /// The platform does not say what it has.
    #[error("the platform does not list its plugins: {0}")]
    Unlisted(Box<PlatformError>),
    /// Its archive did not arrive, however often it was asked for.
    #[error(
        "the download of {plugin} broke off after {received} bytes{}: {what}; try again",
        length.map(|length| format!(" of {length}")).unwrap_or_default()
    )]
    CutShort {
        /// Which one.
        plugin: PluginRef,
        /// Bytes that came the last time.
        received: u64,
        /// Bytes that the platform said there are.
        length: Option<u64>,
        /// What happened.
        what: String,
    },
    /// Its archive is none that is taken.
    #[error("the plugin {plugin} is refused: {refusal}{}; have it corrected by whoever made it", short(refusal, *length))]
    Refused {
        /// Which one.
        plugin: PluginRef,
        /// Why.
        refusal: Box<Refusal>,
        /// Bytes that the platform said there are.
        length: Option<u64>,
    },
    /// Its archive is another one than the operator, or the agent, wants.
    #[error(
        "the plugin {plugin} is refused: the SHA-256 of its archive is {actual}, and {wanted} was wanted; if the new one is \
         meant, give its digest"
    )]
    OtherArchive {
        /// Which one.
        plugin: PluginRef,
        /// What was wanted.
        wanted: Digest,
        /// What came.
        actual: Digest,
    },
    /// It is not what it says it is.
    #[error(
        "the plugin {plugin} is refused: {error}; have it corrected by whoever made it, or install it all the same with \
         --allow-unverified, if you have looked at its files"
    )]
    Unverified {
        /// Which one.
        plugin: PluginRef,
        /// Both hashes.
        error: VerifyError,
    },
    /// Nothing can be said of it.
    #[error(
        "the plugin {plugin} is refused: {error}; have it corrected by whoever made it, or install it all the same with \
         --allow-unverified, if you have looked at its files"
    )]
    Unreadable {
        /// Which one.
        plugin: PluginRef,
        /// What is wrong with its `plugin.yaml`.
        error: FactsError,
    },
    /// There is none.
    #[error("there is no plugin {name}; molecule-host plugin list shows those that are installed")]
    Absent {
        /// Its name.
        name: PluginName,
    },
    /// The folder of plugins.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The disk.
    #[error("cannot {doing}: {source}; see whether the disk of the state folder is full or read-only")]
    Local {
        /// What was tried.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing is kept here.
    #[error("this host keeps nothing, so it has no plugins; give it a state folder")]
    NoFolder,
    /// Nobody to have it from.
    #[error("no platform is named to install from; give --platform-url")]
    NoPlatform,
    /// A fault of the host's.
    #[error("the install ended without a result ({0}); this is a defect, please report it")]
    Broken(String),
}

impl PluginError {
    /// Whether a judgment on the plugin itself, which another try does not change.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::OtherArchive { .. }
                | Self::Unverified { .. }
                | Self::Unreadable { .. }
        )
    }

    pub(super) fn local(doing: &str) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.to_owned();
        move |source| Self::Local { doing, source }
    }

    pub(super) fn refused(plugin: &PluginRef, refusal: Refusal, length: Option<u64>) -> Self {
        Self::Refused { plugin: plugin.clone(), refusal: Box::new(refusal), length }
    }

    /// An archive that did not become a folder.
    pub(super) fn archive(plugin: &PluginRef, error: ArchiveError, length: Option<u64>) -> Self {
        let plugin = plugin.clone();
        match error {
            ArchiveError::Body { received, source } => {
                Self::CutShort { plugin, received, length, what: source.to_string() }
            }
            ArchiveError::Refused(refusal) => Self::refused(&plugin, refusal, length),
            ArchiveError::Local { doing, path, source } => {
                Self::Local { doing: format!("{doing} {path:?} of the plugin {}", plugin.name), source }
            }
        }
    }
}

/// What to do about an answer of the platform, where more is known of it than what it says.
fn advice(error: &PlatformError, source: &PluginSource) -> &'static str {
    match &error.fault {
        PlatformFault::Rejected { status: 422, .. } if source.is_unpinned() => {
            "; name a tag or a branch, as in github://owner/repo#v1"
        }
        PlatformFault::NotFound { .. } if source.is_at_a_commit() => {
            "; name a tag or a branch: the platform cannot fetch a commit by its hash"
        }
        PlatformFault::Rejected { status: 413, .. } => "; the platform packs at most 100 MiB",
        _ => "",
    }
}

/// Who has cut an archive that ends too early.
fn short(refusal: &Refusal, length: Option<u64>) -> &'static str {
    match (refusal, length) {
        (Refusal::Truncated { .. }, Some(_)) => {
            ", which is all that the platform said there is: it was built short"
        }
        (Refusal::Truncated { .. }, None) => {
            ", and the platform had not said how long it is: it may have been cut on its way"
        }
        _ => "",
    }
}
