//! Files whose keys are flags by another spelling: `agents.toml`, and the policy of an agent.
//!
//! A value is read by the parser of its flag: what holds for the one holds for the other, and a flag that is new has its
//! key already. All that is wrong is found, each with its place.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches, ValueHint};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::parse;
use super::settings::UsageError;

/// The longest file.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a file of keys as text.
///
/// # Errors
/// Where it cannot be read; `advice` says which file to give.
pub(super) fn read(path: &Path, advice: &str) -> Result<String, UsageError> {
    let unreadable =
        |what: &dyn fmt::Display| UsageError(format!("cannot read {}: {what}; {advice}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > MAX_BYTES {
        return Err(unreadable(&format!("{size} bytes are more than {MAX_BYTES}")));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(&error))
}

/// What words amount to that a file has become.
///
/// # Errors
/// None, where each of them made sense.
pub(super) fn read_back<A: CommandFactory + FromArgMatches>(words: &[OsString]) -> Result<A, UsageError> {
    let wrong = |error: clap::Error| UsageError(parse::explain(&error));
    let matches = A::command().no_binary_name(true).try_get_matches_from(words).map_err(wrong)?;
    A::from_arg_matches(&matches).map_err(wrong)
}

/// Something wrong in a file. Prints as `FILE:LINE:COLUMN: what; what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {what}; {advice}", path.display())]
pub(super) struct Wrong {
    /// The file.
    pub(super) path: PathBuf,
    /// From 1.
    pub(super) line: usize,
    /// Characters, from 1.
    pub(super) column: usize,
    /// What is wrong.
    pub(super) what: String,
    /// What to do.
    pub(super) advice: String,
}

impl From<Wrong> for UsageError {
    fn from(wrong: Wrong) -> Self {
        let Wrong { path, line, what, advice, .. } = wrong;
        Self(format!("{}:{line}: {what}; {advice}", path.display()))
    }
}

/// The text of a file, to point into.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl<'a> Page<'a> {
    /// The tables of the text as far as they can be read, and what is wrong with its syntax.
    pub(super) fn parse(&self) -> (Spanned<DeTable<'a>>, Vec<Wrong>) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        let wrong = |error: toml::de::Error| {
            // What was expected stands on further lines.
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            self.wrong(error.span().unwrap_or_default(), what, "correct it")
        };
        (document, errors.into_iter().map(wrong).collect())
    }

    /// Something wrong at this place.
    pub(super) fn wrong(
        &self,
        at: Range<usize>,
        what: impl fmt::Display,
        advice: impl fmt::Display,
    ) -> Wrong {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Wrong {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            what: what.to_string(),
            advice: advice.to_string(),
        }
    }

    /// A path, from the folder of the file.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// The flags that may be keys.
pub(super) struct Flags {
    command: Command,
    /// Those that may not.
    except: &'static [&'static str],
    /// Which keys there are, for somebody who wrote another one.
    advice: &'static str,
}

/// A key as it stands in a file.
pub(super) type Key<'a> = Spanned<Cow<'a, str>>;

impl Flags {
    /// The flags of a command that take values, but for some.
    pub(super) fn new(command: Command, except: &'static [&'static str], advice: &'static str) -> Self {
        Self { command: command.no_binary_name(true), except, advice }
    }

    /// A key and its value as words of a command line, each of which makes sense; and what does not. `table` is where the
    /// key stands, if that has a name.
    pub(super) fn words(
        &self,
        page: Page<'_>,
        table: Option<&str>,
        key: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> (Vec<OsString>, Vec<Wrong>) {
        let name = key.get_ref().as_ref();
        let Some(flag) = self.get(name) else {
            let advice = match self.like(name) {
                Some(like) => format!("did you mean {like}?"),
                None => self.advice.to_owned(),
            };
            let place = table.map(|table| format!(" in {table}")).unwrap_or_default();
            return (Vec::new(), vec![page.wrong(key.span(), format!("unknown key {name}{place}"), advice)]);
        };
        let (mut words, mut wrongs) = (Vec::new(), Vec::new());
        for text in texts(flag, value) {
            match text.and_then(|(text, at)| self.word(page, flag, name, &text, at)) {
                Ok(word) => words.push(word),
                Err((what, at)) => {
                    wrongs.push(page.wrong(at, format!("{name}: {what}"), "correct it, or leave it out"));
                }
            }
        }
        (words, wrongs)
    }

    fn word(
        &self,
        page: Page<'_>,
        flag: &Arg,
        name: &str,
        text: &str,
        at: Range<usize>,
    ) -> Result<OsString, WrongAt> {
        let mut word = OsString::from(format!("--{name}="));
        match flag.get_value_hint() {
            ValueHint::AnyPath if text == "-" => {
                return Err(("standard input is one, and there may be many agents".into(), at));
            }
            ValueHint::AnyPath => word.push(page.beside(text)),
            _ => match text.split_once("=file:") {
                Some((secret, path)) if name == "secret" && !path.is_empty() => {
                    word.push(format!("{secret}=file:"));
                    word.push(page.beside(path));
                }
                _ => word.push(text),
            },
        }
        self.judge(&word).map_err(|what| (what.into(), at))?;
        Ok(word)
    }

    fn get(&self, key: &str) -> Option<&Arg> {
        let flags = self.command.get_arguments();
        flags
            .filter(|it| takes_value(it))
            .find(|flag| flag.get_long() == Some(key))
            .filter(|_| !self.except.contains(&key))
    }

    /// The flag that was most likely meant.
    fn like(&self, key: &str) -> Option<String> {
        let error = self.command.clone().try_get_matches_from([format!("--{key}")]).err()?;
        let like = parse::suggestion(&error)?.trim_start_matches('-');
        self.get(like).map(|_| like.to_owned())
    }

    /// What is wrong with a flag's value, if something is.
    fn judge(&self, word: &OsString) -> Result<(), String> {
        let Err(error) = self.command.clone().try_get_matches_from([word]) else { return Ok(()) };
        match std::error::Error::source(&error) {
            Some(source) => Err(source.to_string()),
            None => Err(error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned()),
        }
    }
}

fn takes_value(flag: &Arg) -> bool {
    flag.get_action().takes_values()
}

/// What is wrong with a value, and where it stands.
type WrongAt = (Cow<'static, str>, Range<usize>);

/// The texts of a value: one, or those of an array or of a table where the flag may be repeated.
fn texts(flag: &Arg, value: &Spanned<DeValue<'_>>) -> Vec<Result<(String, Range<usize>), WrongAt>> {
    let repeated = matches!(flag.get_action(), ArgAction::Append);
    match value.get_ref() {
        DeValue::Array(array) if repeated => {
            array.iter().map(|value| Ok((text(value)?, value.span()))).collect()
        }
        DeValue::Array(_) => vec![Err(("takes one value".into(), value.span()))],
        // KEY=VALUE
        DeValue::Table(table) if repeated && flag.get_long() == Some("config") => table
            .iter()
            .map(|(key, value)| Ok((format!("{}={}", key.get_ref(), text(value)?), value.span())))
            .collect(),
        DeValue::Table(_) => vec![Err(("takes no table".into(), value.span()))],
        _ => vec![text(value).map(|text| (text, value.span()))],
    }
}

fn text(value: &Spanned<DeValue<'_>>) -> Result<String, WrongAt> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        _ => Err(("expected a text or a number".into(), value.span())),
    }
}
