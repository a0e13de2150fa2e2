//! An assistant: it talks, asks siblings, reminds, and says what it works on. What it can do is in [`tools`], as functions
//! with typed arguments. A language model calls them, where the operator has set one up ([`model`], [`think`]); without
//! one the few sentences of [`wish`] do.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use molecule_guest::{Agent, Card, Context, Message, Outcome, Result, Skill, Start, log, messages, storage};

mod conversation;
mod facts;
mod model;
mod papers;
mod reminders;
#[cfg(test)]
mod tests;
mod think;
mod tools;
mod wish;
mod work;

use conversation::{Conversations, Speaker};
use model::Model;
use reminders::Reminders;
use wish::Wish;
use work::Work;

/// How late a reminder may be.
const TICK: Duration = Duration::from_secs(5);

/// The assistant, and what it knows by heart. All of it is bounded; the conversations are kept where storage is granted,
/// and all else is gone after a crash.
#[derive(Default)]
struct Assistant {
    /// The platform's, which the model is told.
    instructions: RefCell<Option<String>>,
    conversations: RefCell<Conversations>,
    reminders: RefCell<Reminders>,
    work: Work,
}

impl Agent for Assistant {
    fn describe() -> Card {
        Card::new("assistant")
            .description("Talks, asks siblings, reminds, and says what it works on.")
            .version(env!("CARGO_PKG_VERSION"))
            .skill(
                Skill::new("ask", "Ask a sibling")
                    .description("Asks another workspace and tells what it said."),
            )
            .skill(Skill::new("remind", "Remind").description("Writes to its user when the time has come."))
            .skill(
                Skill::new("remember", "Remember")
                    .description("Keeps facts for its user, and tells them when it is asked."),
            )
            .skill(
                Skill::new("read", "Read a file").description("Reads a text file that comes with a message."),
            )
            .skill(Skill::new("recall", "Recall").description("Tells what was said in this conversation."))
            .skill(Skill::new("status", "Status").description("Tells what it works on."))
            // Which model it talks with is the operator's to say: what that one needs is said when it starts.
            .ask_peer("*")
            .tick_every(TICK)
            // While one message waits for a sibling, the next one is answered.
            .concurrency(4)
    }

    async fn on_start(&self, start: Start) -> Result<()> {
        *self.instructions.borrow_mut() = start.instructions;
        if let Some(needs) = Model::lacks() {
            log::warn!("{needs}");
        }
        if storage::usage().await.is_some() {
            let (conversations, read) = Conversations::open(Path::new(storage::PATH));
            if let Err(error) = read {
                log::warn!("what was said before cannot be read, and is forgotten: {error}");
            }
            *self.conversations.borrow_mut() = conversations;
        }
        Ok(())
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        if message.is_reply() {
            return late_answer(&message).await;
        }
        let (conversation, text) = (message.context_id.as_str(), message.text());
        // Its user's: what a sibling attaches is not read.
        let papers = if message.is_from_user() { papers::read(&message).await } else { Vec::new() };
        // What has been said so far does not hold what is being answered.
        let answer = match Model::configured() {
            Some(model) if message.is_from_user() => {
                match self.think(&model, conversation, &papers::with_papers(&text, &papers)).await? {
                    (answer, true) => answer,
                    // Why there is no answer is nothing that the model should go on from.
                    (trouble, false) => return Ok(trouble),
                }
            }
            _ if !papers.is_empty() => papers::summary(&papers),
            _ => {
                let wish = Wish::read(&text);
                log::info!(conversation = conversation, "{wish:?}");
                match message.is_from_user() {
                    true => self.grant(wish, conversation).await?,
                    false => self.grant_a_peer(wish),
                }
            }
        };
        self.keep(conversation, &text, &answer.text());
        Ok(answer)
    }

    /// Sends the reminders that are due.
    async fn on_tick(&self) -> Result<()> {
        loop {
            let Some(reminder) = self.reminders.borrow_mut().take_due(Instant::now()) else { return Ok(()) };
            let sent = messages::notify(format!("You wanted to be reminded to {}.", reminder.what)).await;
            if let Err(error) = sent {
                // At the next tick, then.
                self.reminders.borrow_mut().put_back(reminder);
                return Err(error).context("a reminder could not be sent");
            }
        }
    }
}

molecule_guest::export!(Assistant);

impl Assistant {
    async fn grant(&self, wish: Wish<'_>, conversation: &str) -> Result<Outcome> {
        match wish {
            Wish::Ask { peer, question } => tools::ask_peer(&self.work, peer, question).await,
            Wish::Remind { after, what } => {
                Ok(tools::remind(&mut self.reminders.borrow_mut(), Instant::now(), after, what))
            }
            Wish::Note(fact) => facts::remember(fact).await,
            Wish::Know(about) => facts::know(about).await,
            Wish::Forget(about) => facts::forget(about).await,
            Wish::Recall => Ok(tools::recall(&self.conversations.borrow(), conversation)),
            Wish::Status => Ok(self.status()),
            Wish::Help => Ok(wish::HELP.into()),
            Wish::Unclear(question) => Ok(Outcome::input_required(question)),
            Wish::Remember => Ok("I will keep that in mind. Say \"help\" to see what I can do.".into()),
        }
    }

    /// Siblings may ask whether it is busy. What it does for its user is not theirs to know.
    fn grant_a_peer(&self, wish: Wish<'_>) -> Outcome {
        match wish {
            Wish::Status if self.work.now().is_some() => "I am busy.".into(),
            Wish::Status => "I have nothing in hand.".into(),
            _ => Outcome::rejected("I work for my user; you can ask me: how far are you?"),
        }
    }

    /// Keeps what was said. That it could not be written must not cost the answer.
    fn keep(&self, conversation: &str, text: &str, answer: &str) {
        let mut conversations = self.conversations.borrow_mut();
        conversations.add(conversation, Speaker::They, text);
        conversations.add(conversation, Speaker::I, answer);
        if let Err(error) = conversations.save() {
            log::warn!("what was said is kept in memory alone: {error}");
        }
    }

    fn status(&self) -> Outcome {
        tools::status(&self.work, &self.reminders.borrow())
    }
}

/// A sibling took longer than its call waited: the user is told now. Nobody answers an answer.
async fn late_answer(message: &Message) -> Result<Outcome> {
    let from = message.peer().map_or("somebody", |peer| peer.label());
    messages::notify(format!("{from} has answered after all: {}", message.text())).await?;
    Ok(Outcome::Nothing)
}
