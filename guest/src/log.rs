//! Log lines with a level and fields.
//!
//! ```
//! # use molecule_guest::log;
//! # fn example(peer: &str, took: u32) {
//! log::info!("ready");
//! log::warn!("{peer} has not answered");
//! log::info!(peer = peer, took_ms = took, "{peer} answered");
//! # }
//! ```
//!
//! Fields come first, each a name and a value that can be displayed; then a text as in `format!`. What the agent
//! prints to stdout and stderr becomes log lines, too, without fields.

use std::fmt::Display;

pub use crate::bindings::molecule::agent::log::Level;
use crate::imports::log as host;

/// Writes one line. The macros [`debug!`], [`info!`], [`warn!`] and [`error!`] are shorter.
pub fn write(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    host::write(level, message, &fields);
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident; $($name:ident = $value:expr,)* $format:literal $($arguments:tt)*) => {
        $crate::log::write(
            $crate::log::Level::$level,
            &::std::format!($format $($arguments)*),
            &[$((::std::stringify!($name), &$value as &dyn ::std::fmt::Display)),*],
        )
    };
}

/// Writes a line for whoever looks for a fault.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($line:tt)+) => { $crate::__log!(Debug; $($line)+) };
}

/// Writes a line worth knowing.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($line:tt)+) => { $crate::__log!(Info; $($line)+) };
}

/// Writes a line about something that is not as it should be.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($line:tt)+) => { $crate::__log!(Warn; $($line)+) };
}

/// Writes a line about something that did not work.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($line:tt)+) => { $crate::__log!(Error; $($line)+) };
}

#[doc(inline)]
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

#[cfg(test)]
mod tests {
    use super::Level;
    use crate::log;
    use crate::testing::{Event, Host};

    #[test]
    fn a_line_carries_its_level_its_text_and_its_fields_in_order() {
        let host = Host::new();
        let name = "bob";
        host.run(async {
            log::debug!("plain");
            log::info!("{name} and {}", 1 + 1);
            log::warn!(peer = name, "one field");
            log::error!(b = 2, a = name.len(), "{x}", x = 5,);
        });
        let line = |level, message: &str, fields: &[(&str, &str)]| Event::Logged {
            level,
            message: message.into(),
            fields: fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        };
        assert_eq!(
            host.events(),
            [
                line(Level::Debug, "plain", &[]),
                line(Level::Info, "bob and 2", &[]),
                line(Level::Warn, "one field", &[("peer", "bob")]),
                line(Level::Error, "5", &[("b", "2"), ("a", "3")]),
            ]
        );
    }
}
