//! Says what there is to say, and prints what the agent says to its user.

use std::time::Duration;

use molecule_host::{Event, Happened};
use molecule_protocol::WorkspaceId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

use super::input::Input;
use super::user::User;
use crate::cli::failure::{Failure, NoAnswer};

/// How long somebody waits for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// For ever; trouble is said and it goes on.
    Endless,
    /// So long for each; trouble is the end.
    Once(Duration),
}

/// Prints a text of the agent's.
type Print<'a> = Box<dyn FnMut(&str) -> Result<(), Failure> + Send + 'a>;

/// The user's side of a conversation.
///
/// What the agent says is read from the workspace's own log, where the platform keeps every text to the user; so a
/// text that a tick or a message from the page brought about is printed as well. The log does not say which message a
/// text answers. The agent's host does, by its [`Event`]s:
///
/// | of the message that was sent | then |
/// | --- | --- |
/// | handled, without an answer | it is the next one's turn |
/// | handled, with one | the next text that reaches the user is the answer |
/// | given up | no answer |
pub(super) struct Conversation<'a> {
    user: &'a User,
    workspace: WorkspaceId,
    patience: Patience,
    print: Print<'a>,
    /// The last row of the log that was looked at.
    seen: Option<String>,
    waiting: Option<Waiting>,
}

/// For the answer to a message.
struct Waiting {
    id: String,
    /// The agent is done with it, and the answer is on its way.
    handled: bool,
    until: Option<Instant>,
}

impl<'a> Conversation<'a> {
    /// A conversation that begins now: what was said before is not printed again.
    pub(super) async fn new(
        user: &'a User,
        workspace: WorkspaceId,
        patience: Patience,
        print: Print<'a>,
    ) -> Result<Self, Failure> {
        let seen = user.newest(workspace).await?;
        Ok(Self { user, workspace, patience, print, seen, waiting: None })
    }

    /// Talks until there is nothing more to say.
    ///
    /// # Errors
    /// [`Failure::NoAnswer`] where patience has an end, and when the platform or the output fails.
    pub(super) async fn hold(
        mut self,
        mut events: Receiver<Happened>,
        mut input: Input,
    ) -> Result<(), Failure> {
        loop {
            let typed = input.is_typed();
            let until = self.waiting.as_ref().and_then(|waiting| waiting.until);
            tokio::select! {
                happened = events.recv() => match happened {
                    Ok(happened) => self.hear(happened.event).await?,
                    Err(RecvError::Lagged(_)) => self.catch_up().await?,
                    // The agent has ended, and whoever waits for that knows why.
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                next = input.next(), if typed || self.waiting.is_none() => match next {
                    Some(text) => self.say(&text, typed).await?,
                    None => return Ok(()),
                },
                limit = passed(until, self.patience) => return Err(NoAnswer::TimedOut(limit).into()),
            }
        }
    }

    async fn say(&mut self, text: &str, typed: bool) -> Result<(), Failure> {
        let id = Uuid::new_v4().to_string();
        // Before it is sent: the first event may come before the platform's answer.
        if !typed {
            let until = match self.patience {
                Patience::Endless => None,
                Patience::Once(limit) => Some(Instant::now() + limit),
            };
            self.waiting = Some(Waiting { id: id.clone(), handled: false, until });
        }
        Ok(self.user.say(self.workspace, &id, text).await?)
    }

    async fn hear(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Delivered { to } if to == "user" => {
                self.print_news().await?;
                self.waiting.take_if(|waiting| waiting.handled);
                Ok(())
            }
            Event::Handled { id, answered, .. } => match self.waiting_for(&id) {
                Some(waiting) if answered => {
                    waiting.handled = true;
                    Ok(())
                }
                Some(_) => {
                    tracing::info!("the agent has no answer to that");
                    self.waiting = None;
                    Ok(())
                }
                None => Ok(()),
            },
            Event::DeadLetter { id, reason } if self.waiting_for(&id).is_some() => {
                self.no_answer(NoAnswer::DeadLetter(reason))
            }
            Event::Undeliverable { to, reason } if to == "user" && self.answer_is_due() => {
                self.no_answer(NoAnswer::Undeliverable(reason))
            }
            Event::Wedged { death } if self.patience != Patience::Endless => {
                self.no_answer(NoAnswer::Wedged(death.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn waiting_for(&mut self, id: &str) -> Option<&mut Waiting> {
        self.waiting.as_mut().filter(|waiting| waiting.id == id)
    }

    fn answer_is_due(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.handled)
    }

    fn no_answer(&mut self, why: NoAnswer) -> Result<(), Failure> {
        self.waiting = None;
        match self.patience {
            Patience::Endless => Ok(()),
            Patience::Once(_) => Err(why.into()),
        }
    }

    /// Events were missed, and what they said is not known: whatever has come since counts as the answer.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        if self.print_news().await? {
            self.waiting = None;
        }
        Ok(())
    }

    /// True if there was any.
    async fn print_news(&mut self) -> Result<bool, Failure> {
        let (texts, seen) = self.user.heard(self.workspace, self.seen.take()).await?;
        self.seen = seen;
        for text in &texts {
            (self.print)(text)?;
        }
        Ok(!texts.is_empty())
    }
}

/// Until then, and how long that was.
async fn passed(until: Option<Instant>, patience: Patience) -> Duration {
    match (until, patience) {
        (Some(until), Patience::Once(limit)) => {
            tokio::time::sleep_until(until).await;
            limit
        }
        _ => std::future::pending().await,
    }
}
