//! Asks the person at the terminal, before an agent is denied what a grant would give it.

mod keep;
mod person;

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use molecule_host::gate::{Denial, Grant, Grants};
use molecule_host::token::TokenInputs;
use molecule_host::{Appeals, Ruling, WorkspaceId};
use tokio::time::Instant;

use self::keep::Keep;
pub(super) use self::person::{Desk, Person, is_at_the_terminal};
use super::args::{LogFormat, OutputArgs};
use super::escape::{escape, one_line};
use super::screen::Open;

/// How long a question waits for its answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Characters of an agent's name, and of what it is denied.
const NAME: usize = 60;
const DENIED: usize = 400;
/// Characters of one grant. What cannot be shown whole is not asked about: nobody knows what he would allow.
const GRANT: usize = 1000;

/// Whether somebody shall be asked, and where what he always allows is kept.
#[derive(Debug, Default)]
pub(super) struct PromptSettings {
    asks: bool,
    policy: Option<PathBuf>,
}

impl PromptSettings {
    /// As the flags say. Nobody is asked where the log is for programs, where little is to be said, or where standard
    /// input is for the token.
    pub(super) fn new(
        no_prompt: bool,
        output: &OutputArgs,
        policy: Option<PathBuf>,
        token: Option<&TokenInputs>,
    ) -> Self {
        let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
        let takes_stdin =
            token.is_some_and(|token| token.flag.iter().chain(&token.file_variable).any(is_stdin));
        let asks = !no_prompt && !output.quiet && output.log_format == LogFormat::Human && !takes_stdin;
        Self { asks, policy }
    }

    /// The prompt, where somebody may be asked and is there.
    pub(super) fn prompt(self, person: Person) -> Option<Arc<Prompt>> {
        let is_there = self.asks && io::stdin().is_terminal() && io::stderr().is_terminal();
        is_there.then(|| Arc::new(Prompt::new(person, Keep::new(self.policy))))
    }
}

/// The person at the terminal.
pub(super) struct Prompt {
    person: Person,
    keep: Keep,
    patience: Duration,
    /// One question at a time.
    turn: tokio::sync::Mutex<()>,
    always: Mutex<Vec<Grant>>,
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt").field("keep", &self.keep).finish_non_exhaustive()
    }
}

impl Prompt {
    fn new(person: Person, keep: Keep) -> Self {
        Self { person, keep, patience: PATIENCE, turn: Default::default(), always: Mutex::default() }
    }

    /// Adds what has been allowed for always, for an agent that is started anew.
    pub(super) fn add_to(&self, grants: &mut Grants) {
        self.always().iter().cloned().for_each(|grant| grants.add(grant));
    }

    async fn ask(&self, question: &Question) -> Ruling {
        let Some(mut lines) = self.person.begin() else {
            tracing::warn!("nobody can be asked: this process is not in the foreground of its terminal");
            return Ruling::Deny;
        };
        let until = Instant::now() + self.patience;
        let mut said = question.lines.clone();
        loop {
            let open = Open::new(&said, &question.last);
            match tokio::time::timeout_at(until, lines.next()).await {
                Err(_) => {
                    drop(open);
                    tracing::warn!("no answer in {:?}: denied", self.patience);
                    return Ruling::Deny;
                }
                Ok(None) => return Ruling::Deny,
                Ok(Some(line)) => {
                    open.answered();
                    match ruling(&line) {
                        Some(ruling) => return ruling,
                        None => said = "  Answer o, a or d.\n".to_owned(),
                    }
                }
            }
        }
    }

    /// Keeps what was allowed for always: for the agents that this process still starts, and for the next time.
    async fn keep(&self, grants: &[Grant]) {
        self.always().extend_from_slice(grants);
        let (keep, more) = (self.keep.clone(), grants.to_vec());
        let kept = tokio::task::spawn_blocking(move || keep.add(&more)).await;
        let path = escape(&self.keep.path().display().to_string()).into_owned();
        match kept {
            Ok(Ok(())) if self.keep.is_named() => tracing::info!("kept in {path}"),
            Ok(Ok(())) => tracing::info!("kept in {path}; next time, start it with --policy {path}"),
            Ok(Err(error)) => tracing::warn!("{error}; it is granted until this process ends"),
            Err(error) => {
                tracing::warn!("cannot keep it in {path}: {error}; it is granted until this process ends")
            }
        }
    }

    fn always(&self) -> MutexGuard<'_, Vec<Grant>> {
        self.always.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Appeals for Prompt {
    async fn hear(&self, _workspace: WorkspaceId, name: &str, denial: &Denial) -> Ruling {
        let _turn = self.turn.lock().await;
        // While this one waited for its turn, or by an agent before this one.
        if denial.cure.iter().all(|grant| self.always().contains(grant)) {
            return Ruling::Always;
        }
        let Some(question) = Question::new(name, denial, &self.keep) else {
            tracing::warn!("what would allow it is too long to be shown, and nobody is asked");
            return Ruling::Deny;
        };
        let ruling = self.ask(&question).await;
        if ruling == Ruling::Always {
            self.keep(&denial.cure).await;
        }
        ruling
    }
}

/// What is shown. The agent had a hand in all of it, so all of it is escaped.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    /// Who wants what, and what would allow it.
    lines: String,
    /// Which stays below what is said meanwhile.
    last: String,
}

impl Question {
    fn new(name: &str, denial: &Denial, keep: &Keep) -> Option<Self> {
        let (name, denied) = (one_line(name, NAME), one_line(&denial.message, DENIED));
        let mut lines = format!("\n  {name} is denied {denied}\n  It is allowed by\n");
        for grant in &denial.cure {
            let grant = grant.to_string();
            if grant.chars().count() > GRANT {
                return None;
            }
            // A line end of the agent's own would begin a line that looks like ours.
            lines += &format!("    {}\n", escape(&grant).replace('\n', "\\n").replace('\t', "\\t"));
        }
        let path = one_line(&keep.path().display().to_string(), DENIED);
        Some(Self { lines, last: format!("  Allow it? [o]nce, [a]lways (in {path}), [d]eny (Enter): ") })
    }
}

/// What a typed line says. A word that is none of these was meant for somebody else.
fn ruling(line: &str) -> Option<Ruling> {
    match line.trim().to_lowercase().as_str() {
        "" | "d" | "deny" | "n" | "no" => Some(Ruling::Deny),
        "o" | "once" => Some(Ruling::Once),
        "a" | "always" => Some(Ruling::Always),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
