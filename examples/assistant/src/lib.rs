//! An assistant without a language model: it keeps each conversation in mind, asks siblings, reminds, and says what it
//! works on. What it can do is in [`tools`], as functions with typed arguments; how somebody says so in words is in
//! [`wish`], the only part that a model would replace.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use molecule_guest::{Agent, Card, Context, Message, Outcome, Result, Skill, log, messages};

mod conversation;
mod reminders;
#[cfg(test)]
mod tests;
mod tools;
mod wish;
mod work;

use conversation::{Conversations, Speaker};
use reminders::Reminders;
use wish::Wish;
use work::Work;

/// How late a reminder may be.
const TICK: Duration = Duration::from_secs(5);

/// The assistant, and what it knows by heart. All of it is bounded, and gone after a crash.
#[derive(Default)]
struct Assistant {
    conversations: RefCell<Conversations>,
    reminders: RefCell<Reminders>,
    work: Work,
}

impl Agent for Assistant {
    fn describe() -> Card {
        Card::new("assistant")
            .description("Keeps a conversation in mind, asks siblings, reminds, and says what it works on.")
            .version(env!("CARGO_PKG_VERSION"))
            .skill(
                Skill::new("ask", "Ask a sibling")
                    .description("Asks another workspace and tells what it said."),
            )
            .skill(Skill::new("remind", "Remind").description("Writes to its user when the time has come."))
            .skill(Skill::new("recall", "Recall").description("Tells what was said in this conversation."))
            .skill(Skill::new("status", "Status").description("Tells what it works on."))
            .ask_peer("*")
            .tick_every(TICK)
            // While one message waits for a sibling, the next one is answered.
            .concurrency(4)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        if message.is_reply() {
            return late_answer(&message).await;
        }
        let (conversation, text) = (message.context_id.as_str(), message.text());
        let wish = Wish::read(&text);
        log::info!(conversation = conversation, "{wish:?}");
        // What has been said so far does not hold what is being answered.
        let answer = if message.is_from_user() {
            self.grant(wish, conversation).await?
        } else {
            self.grant_a_peer(wish)
        };
        let mut conversations = self.conversations.borrow_mut();
        conversations.add(conversation, Speaker::They, &text);
        conversations.add(conversation, Speaker::I, &answer.text());
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
            Wish::Recall => Ok(tools::recall(&self.conversations.borrow(), conversation)),
            Wish::Status => Ok(self.status()),
            Wish::Help => Ok(wish::HELP.into()),
            Wish::Unclear(question) => Ok(Outcome::input_required(question)),
            Wish::Remember => Ok("I will keep that in mind. Say \"help\" to see what I can do.".into()),
        }
    }

    /// Siblings may ask how far it is. What it does for its user is not theirs to say.
    fn grant_a_peer(&self, wish: Wish<'_>) -> Outcome {
        match wish {
            Wish::Status => self.status(),
            _ => Outcome::rejected("I work for my user; you can ask me: how far are you?"),
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
