//! `molecule-host inbox`: messages that were given up.

use std::path::PathBuf;

use jiff::Timestamp;
use molecule_host::{DeadLetter, DeadLetters, DeadLettersError};
use molecule_protocol::WorkspaceId;

use super::args::{InboxAction, InboxArgs};
use super::console::Console;
use super::control::{Client, ControlError, Request};
use super::failure::Failure;
use super::settings::{self, Environment, UsageError};
use super::table::table;

/// Shows dead letters, or does something about them.
///
/// # Errors
/// Whatever keeps it from that.
pub(super) fn inbox(args: InboxArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let wanted = Wanted::new(&args)?;
    let state_dir = settings::state_dir(args.state, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Failure::System)?.block_on(async {
        let letters = DeadLetters::open(&state_dir)?;
        let desk = Desk { letters, state_dir, console, json: args.answers.json };
        match wanted {
            Wanted::List(workspace) => desk.list(workspace).await,
            Wanted::Show(keys) => desk.show(&keys).await,
            Wanted::Decide(decision, which) => desk.decide(decision, which).await,
        }
    });
    done.map_err(Failure::Inbox)
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    List(Option<WorkspaceId>),
    Show(Vec<i64>),
    Decide(Decision, Which),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Retry,
    Drop,
}

#[derive(Debug, PartialEq, Eq)]
enum Which {
    Keys(Vec<i64>),
    All(Option<WorkspaceId>),
}

impl Wanted {
    fn new(args: &InboxArgs) -> Result<Self, UsageError> {
        let wrong = |text: &str| Err(UsageError(text.to_owned()));
        let which = |what: &str| match (args.all, args.keys.as_slice()) {
            (true, _) => Ok(Which::All(args.workspace_id)),
            (false, []) => Err(UsageError(format!(
                "inbox {what} needs the keys that inbox list shows; give them, or --all"
            ))),
            (false, _) if args.workspace_id.is_some() => {
                Err(UsageError("a key names one message of all; leave --workspace-id out".to_owned()))
            }
            (false, keys) => Ok(Which::Keys(keys.to_vec())),
        };
        match args.action.unwrap_or(InboxAction::List) {
            InboxAction::List if !args.keys.is_empty() => {
                wrong("inbox list takes no keys; show one whole with: molecule-host inbox show KEY")
            }
            InboxAction::List => Ok(Self::List(args.workspace_id)),
            InboxAction::Show if args.keys.is_empty() => {
                wrong("inbox show needs a key; molecule-host inbox list shows which there are")
            }
            InboxAction::Show => Ok(Self::Show(args.keys.clone())),
            InboxAction::Retry => Ok(Self::Decide(Decision::Retry, which("retry")?)),
            InboxAction::Drop => Ok(Self::Decide(Decision::Drop, which("drop")?)),
        }
    }
}

/// Why an inbox could not be seen to.
#[derive(Debug, thiserror::Error)]
pub(super) enum InboxError {
    /// The letters themselves.
    #[error(transparent)]
    Letters(#[from] DeadLettersError),
    /// A host has the workspace, and did not do it.
    #[error("{held}; it was asked over its control socket: {control}")]
    Asked {
        /// Who has it.
        held: String,
        /// What it answered.
        control: ControlError,
    },
    /// Standard output.
    #[error("cannot write to standard output; see that whoever reads it goes on")]
    Output,
}

struct Desk {
    letters: DeadLetters,
    state_dir: PathBuf,
    console: Console,
    json: bool,
}

impl Desk {
    fn say(&self, text: &str) -> Result<(), InboxError> {
        self.console.answer(text).map_err(|_| InboxError::Output)
    }

    async fn list(&self, workspace: Option<WorkspaceId>) -> Result<(), InboxError> {
        let letters = self.letters.list(workspace).await?;
        if self.json {
            return letters.iter().try_for_each(|letter| self.print(letter));
        }
        if letters.is_empty() {
            return self.say("no message was given up");
        }
        let rows: Vec<Vec<String>> = letters
            .into_iter()
            .map(|it| {
                vec![it.key.to_string(), time(it.at), it.workspace.to_string(), it.from, it.reason, it.text]
            })
            .collect();
        self.say(&table(&["KEY", "GIVEN UP", "WORKSPACE", "FROM", "REASON", "TEXT"], &rows))
    }

    async fn show(&self, keys: &[i64]) -> Result<(), InboxError> {
        for key in keys {
            self.print(&self.letters.find(*key).await?)?;
        }
        Ok(())
    }

    fn print(&self, letter: &DeadLetter) -> Result<(), InboxError> {
        if self.json {
            let line = serde_json::json!({
                "key": letter.key, "workspace": letter.workspace, "message_id": letter.id, "from": letter.from,
                "text": letter.text, "reason": letter.reason, "told": letter.told, "given_up": time(letter.at),
                "deliveries": letter.runs.deliveries, "faults": letter.runs.faults,
                "interruptions": letter.runs.interruptions,
            });
            return self.console.json(&line).map_err(|_| InboxError::Output);
        }
        let told = letter.told.as_deref().unwrap_or("nothing");
        let runs = letter.runs;
        let fields = [
            ("key", letter.key.to_string()),
            ("workspace", letter.workspace.to_string()),
            ("message", letter.id.clone()),
            ("from", letter.from.clone()),
            ("given up", time(letter.at)),
            ("reason", letter.reason.clone()),
            (
                "tried",
                format!(
                    "{} times; its handler died in {} of them, the host in {}",
                    runs.deliveries, runs.faults, runs.interruptions
                ),
            ),
            ("sender told", told.to_owned()),
            ("text", letter.text.clone()),
        ];
        // Further lines are set in, so that no text looks like a field.
        let line = |(label, text): &(&str, String)| {
            format!("{label:<12} {}", text.lines().collect::<Vec<_>>().join("\n           | "))
        };
        self.say(&fields.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    async fn decide(&self, decision: Decision, which: Which) -> Result<(), InboxError> {
        let letters = match which {
            Which::All(workspace) => self.letters.list(workspace).await?,
            Which::Keys(keys) => {
                let mut letters = Vec::new();
                for key in keys {
                    letters.push(self.letters.find(key).await?);
                }
                letters
            }
        };
        // The oldest first, as they came.
        for letter in letters.iter().rev() {
            self.decide_one(decision, letter).await?;
            let done = if decision == Decision::Retry { "waits to be handled again" } else { "is dropped" };
            self.say(&format!("{} {done}", letter.key))?;
        }
        if letters.is_empty() {
            self.say("no message was given up")?;
        }
        Ok(())
    }

    /// Does it here, or has the host do it that has the workspace.
    async fn decide_one(&self, decision: Decision, letter: &DeadLetter) -> Result<(), InboxError> {
        let done = match decision {
            Decision::Retry => self.letters.retry(letter).await,
            Decision::Drop => self.letters.discard(letter).await,
        };
        let held = match done {
            Err(DeadLettersError::Held(held)) => held,
            done => return Ok(done?),
        };
        let (workspace, key) = (letter.workspace, letter.key);
        let request = match decision {
            Decision::Retry => Request::Retry { workspace, key },
            Decision::Drop => Request::Drop { workspace, key },
        };
        let asked = Client::new(self.state_dir.clone()).ask_one(&request, |(): ()| {});
        asked.map_err(|control| InboxError::Asked { held: held.to_string(), control })
    }
}

/// Milliseconds since the Unix epoch, as people and programs read them.
fn time(at: i64) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.0}"))
}
