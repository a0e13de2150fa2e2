//! The calls of the platform's API, by what they are about.

mod account;
mod delegations;
mod files;
mod kept;
mod messages;
mod peers;
mod plugins;
mod presence;
mod settings;
mod stream;
mod tokens;

pub use self::files::PendingFile;
pub use self::messages::ActivityAnswer;
pub use self::plugins::PluginDownload;
pub use self::presence::{Reach, Registration};
