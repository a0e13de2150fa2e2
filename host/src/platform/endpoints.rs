//! The calls of the platform's API, by what they are about.

mod messages;
mod peers;
mod plugins;
mod presence;
mod settings;

pub use self::messages::ActivityAnswer;
pub use self::plugins::PluginDownload;
pub use self::presence::{Reach, Registration};
