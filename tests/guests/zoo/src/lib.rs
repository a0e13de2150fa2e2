//! What the guests in `examples/` share. Each of them is one file; the README of the workspace says what it is for.

use molecule_guest::{Card, Error};

/// A card with a name and the version of the zoo.
pub fn card(name: &str) -> Card {
    Card::new(name).version(env!("CARGO_PKG_VERSION"))
}

/// The first word of a text, and the rest.
pub fn words(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// What came of a call of the host, for a test to read: `ok`, what came back, or which error and what would help.
pub fn verdict<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Ok(value) => format!("ok {value:?}"),
        Err(Error::Denied(denial)) => format!("denied {}, grant {:?}", denial.rule, denial.grant),
        Err(other) => format!("error {other}"),
    }
}
