//! A clerk who buys things. What is dear it buys only after a person has said so ([`approvals`]), and whatever happens
//! meanwhile, it buys once: each purchase has its [checkpoints](memory), and the books are kept where the platform keeps
//! them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use molecule_guest::{
    Agent, Card, Context, Message, Outcome, Result, Skill, Start, approvals, log, memory, messages, workspace,
};

mod books;
mod order;
mod purchase;
#[cfg(test)]
mod tests;

use order::Order;
use purchase::{Purchase, State};

/// How long it waits for a decision while its user waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it looks whether somebody has decided since.
const TICK: Duration = Duration::from_secs(5);

const HELP: &str = "You can say: buy <what> for <price>, books, questions. I ask first what costs more than I may spend by myself.";

/// The clerk. All that must not be lost is at the platform: this is made anew after a crash.
#[derive(Default)]
struct Clerk {
    /// The purchases that some callback works on just now: two of them must not buy one thing.
    in_hand: RefCell<BTreeSet<String>>,
}

impl Agent for Clerk {
    fn describe() -> Card {
        Card::new("clerk")
            .description("Buys things, and asks a person first where they are dear.")
            .version(env!("CARGO_PKG_VERSION"))
            .skill(Skill::new("buy", "Buy").description("Buys something, and writes it into the books."))
            .tick_every(TICK)
            // While one purchase waits for a decision, others can be made.
            .concurrency(4)
    }

    /// Without its memory it would forget what it has bought: then it rather does not start.
    async fn on_start(&self, start: Start) -> Result<()> {
        free_limit()?;
        let latest = memory::latest_checkpoint().await.context("I cannot work without memory")?;
        if let Some(latest) = latest {
            log::info!(reason = start.reason, "I go on with {}, which is {}", latest.workflow, latest.step);
        }
        Ok(())
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        if !message.is_from_user() {
            return Ok(Outcome::rejected("I buy for my user only."));
        }
        match Order::read(&message.text()) {
            Order::Buy { what, price } => {
                // A message that is handed out again is the same purchase.
                let purchase = Purchase::open(&message.id, what, price).await?;
                Ok(match self.go_on(&purchase, PATIENCE).await? {
                    Some(done) => done,
                    None => "Nobody has decided yet. I buy it when somebody allows it, and tell you.".into(),
                })
            }
            Order::Books => books::read().await,
            Order::Questions => questions().await,
            Order::Unclear => Ok(Outcome::input_required(HELP)),
        }
    }

    /// Looks after the purchases whose user has had an answer, or whose handler died with the host.
    async fn on_tick(&self) -> Result<()> {
        for purchase in Purchase::all().await? {
            if let Some(done) = self.go_on(&purchase, Duration::ZERO).await? {
                messages::notify(done.text()).await?;
            }
        }
        Ok(())
    }
}

molecule_guest::export!(Clerk);

impl Clerk {
    /// Goes on with a purchase where it stopped. Gives what came of it, once that is known.
    async fn go_on(&self, purchase: &Purchase, patience: Duration) -> Result<Option<Outcome>> {
        if !self.in_hand.borrow_mut().insert(purchase.id.clone()) {
            return Ok(None);
        }
        let came = carry_out(purchase, patience).await;
        self.in_hand.borrow_mut().remove(&purchase.id);
        came
    }
}

/// The steps of a purchase. Each is saved before the next one begins.
async fn carry_out(purchase: &Purchase, patience: Duration) -> Result<Option<Outcome>> {
    let Purchase { what, price, .. } = purchase;
    let mut state = purchase.state().await?;
    loop {
        state = match state {
            State::New if *price <= free_limit()? => State::Allowed,
            State::New => {
                // Two people are asked where the host dies between these lines; nothing is bought twice.
                let question = approvals::ask(format!("buy {what} for {price}"))
                    .reason("It costs more than I may spend by myself.")
                    .json(purchase)
                    .await?;
                messages::progress(format!("I have asked whether I may buy {what}.")).await.ok();
                State::Asked { question }
            }
            State::Asked { question } => {
                let answer = approvals::wait(&question, patience).await?;
                if answer.is_pending() {
                    return Ok(None);
                }
                let who = answer.decided_by.as_deref().unwrap_or("Somebody");
                if !answer.is_approved() {
                    purchase.close().await?;
                    return Ok(Some(Outcome::rejected(format!("{who} does not want me to buy {what}."))));
                }
                log::info!(question = question, "{who} allows it");
                State::Allowed
            }
            State::Allowed => {
                let spent = books::enter(purchase).await?;
                purchase.close().await?;
                return Ok(Some(
                    format!("I have bought {what} for {price}. That makes {spent} in all.").into(),
                ));
            }
        };
        purchase.save(&state).await?;
    }
}

/// What it may spend on one thing without asking: nothing, where the operator does not say.
fn free_limit() -> Result<u32> {
    match workspace::config("free-limit") {
        Some(limit) => {
            limit.parse().with_context(|| format!("free-limit is {limit:?}, and should be a number"))
        }
        None => Ok(0),
    }
}

/// What it has asked.
async fn questions() -> Result<Outcome> {
    let all = approvals::list().await?;
    if all.is_empty() {
        return Ok("I have asked nothing.".into());
    }
    let lines = all.iter().map(|approval| {
        let decision = match approval.decision {
            approvals::Decision::Pending => "nobody has decided",
            approvals::Decision::Approved => "allowed",
            approvals::Decision::Denied => "not allowed",
        };
        format!("- {}: {decision}", approval.action)
    });
    Ok(lines.collect::<Vec<_>>().join("\n").into())
}
