//! A walk through the whole life of an agent: it starts, says who it is, answers its user, asks its siblings, ticks,
//! is paused and resumed, and stops. Read from top to bottom; the README says how to run it.

use std::cell::Cell;
use std::time::Duration;

use molecule_guest::messages::Direction;
use molecule_guest::{
    Agent, Card, Context, Denial, Error, Message, Outcome, Reply, Result, Skill, Start, StopReason, ensure,
    log, messages, peers, workspace,
};

mod command;
mod learn;
#[cfg(test)]
mod tests;

use command::Command;

/// How long a sibling gets for its answer. The user waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// The agent, and what it knows by heart. It is made anew after a crash, and then it counts from zero.
///
/// Several callbacks may wait at once, so they share the agent, and what changes is in a `Cell`.
#[derive(Default)]
struct RemoteAgent {
    messages: Cell<u32>,
    ticks: Cell<u32>,
}

impl Agent for RemoteAgent {
    /// Before anything else: who the agent is, and what it would like to have. It asks; the operator grants.
    fn describe() -> Card {
        card()
    }

    /// It is registered: it has an identity, a configuration and perhaps instructions. An error here would stop the
    /// start, which is the right thing to do where the configuration makes no sense.
    async fn on_start(&self, start: Start) -> Result<()> {
        let id = &start.identity;
        log::info!(workspace = id.workspace_id, reason = start.reason, "I am {}", id.name);
        for (key, value) in &start.config {
            ensure!(key == "greeting", "I know no setting {key:?}, only \"greeting\": start me without it");
            log::info!("the operator wants me to greet with {value:?}");
        }
        if let Some(instructions) = &start.instructions {
            log::info!("I was told: {instructions}");
        }
        Ok(())
    }

    /// Somebody wrote. What is returned is the answer, and an error is one, too.
    async fn on_message(&self, message: Message) -> Result<Outcome> {
        self.messages.set(self.messages.get() + 1);
        if message.is_reply() {
            return self.hear_a_late_answer(&message).await;
        }
        match Command::parse(&message.text()) {
            Command::Help => Ok(help().into()),
            Command::Peers => list_peers().await,
            Command::Find(peer) => find(peer).await,
            Command::History(peer) => history(peer).await,
            Command::Ask { peer, text } => ask(peer, text).await,
            Command::Plugins => learn::plugins().await,
            Command::Install { plugin, source } => learn::install(plugin, source).await,
            Command::Skill { plugin, skill } => learn::skill(plugin, skill).await,
            Command::Task(Some(task)) => {
                workspace::set_task(task)?;
                // Whoever looks shall see it now, and not with the next of the host's heartbeats.
                workspace::heartbeat().await?;
                Ok(format!("I am working on: {task}").into())
            }
            Command::Task(None) => {
                workspace::clear_task()?;
                Ok("I am working on nothing.".into())
            }
            Command::Status => self.status().await,
            Command::Incomplete(usage) => Ok(Outcome::input_required(format!("Please say it as: {usage}"))),
        }
    }

    /// Every ten seconds, as the card asks.
    async fn on_tick(&self) -> Result<()> {
        self.ticks.set(self.ticks.get() + 1);
        log::debug!("tick {}", self.ticks.get());
        Ok(())
    }

    /// Somebody pressed pause. No message comes until the workspace is resumed.
    async fn on_pause(&self) {
        log::info!("paused");
    }

    /// The messages that came meanwhile are next.
    async fn on_resume(&self) {
        log::info!("resumed");
    }

    /// The end. There are a few seconds left to finish things.
    async fn on_stop(&self, reason: StopReason) {
        log::info!(
            "stopping ({reason}) after {} messages and {} ticks",
            self.messages.get(),
            self.ticks.get()
        );
    }
}

molecule_guest::export!(RemoteAgent);

impl RemoteAgent {
    /// What it knows of itself, and what the platform thinks of it.
    async fn status(&self) -> Result<Outcome> {
        let state = workspace::state().await.context("I could not ask the platform how I am")?;
        let (messages, ticks) = (self.messages.get(), self.ticks.get());
        Ok(format!("The platform has me {}. Messages so far: {messages}. Ticks: {ticks}.", state.status)
            .into())
    }

    /// A sibling took longer than its call waited. Nobody waits any more, so the user is told beside any answer; what
    /// is returned for such a message is not sent, so that two agents do not answer each other for ever.
    async fn hear_a_late_answer(&self, message: &Message) -> Result<Outcome> {
        let from = message.peer().map_or("somebody", |peer| peer.label());
        messages::notify(format!("{from} has answered after all: {}", message.text())).await?;
        Ok(Outcome::Nothing)
    }
}

/// The card that it begins with. What it learns comes on top of that.
fn card() -> Card {
    Card::new("remote-agent")
        .description("Shows what an agent that lives outside the platform can do.")
        .version(env!("CARGO_PKG_VERSION"))
        .skill(
            Skill::new("ask", "Ask a sibling").description("Asks another workspace and tells what it said."),
        )
        .skill(
            Skill::new("learn", "Learn a skill")
                .description("Installs a plugin and answers with one of its skills."),
        )
        .ask_peer("*")
        .tick_every(Duration::from_secs(10))
        .concurrency(4)
}

/// Who am I, and what can I do.
fn help() -> String {
    let me = workspace::me();
    let greeting = workspace::config("greeting").unwrap_or_else(|| "Hello".into());
    format!("{greeting}, I am {} ({}). {}", me.name, me.workspace_id, command::USAGE)
}

async fn list_peers() -> Result<Outcome> {
    let peers = peers::list().await.context("I could not list my siblings")?;
    if peers.is_empty() {
        return Ok("I have no siblings.".into());
    }
    let lines = peers.iter().map(|peer| {
        let role = peer.role.as_deref().map(|role| format!(", {role}")).unwrap_or_default();
        format!("- {} ({}){role}: {}", peer.name, peer.id, peer.status)
    });
    Ok(lines.collect::<Vec<_>>().join("\n").into())
}

/// Where a sibling is. What is remembered of it is forgotten first: somebody asks because something is wrong.
async fn find(peer: &str) -> Result<Outcome> {
    peers::invalidate(peer);
    match peers::discover(peer).await {
        Ok(place) => {
            let url = place.url.map_or("an address that the platform keeps to itself".into(), |url| url);
            Ok(format!("{} ({}) is at {url}.", place.name, place.id).into())
        }
        Err(Error::Unavailable(_)) => Ok(format!("{peer} is not there just now.").into()),
        Err(Error::NotFound(_)) => Ok(Outcome::failed(format!("I cannot find {peer}. Try: peers"))),
        Err(Error::Denied(denial)) => Ok(Outcome::rejected(may_not("look for", peer, denial))),
        Err(other) => Err(other).with_context(|| format!("I could not find {peer}")),
    }
}

/// What was said lately, with the user or with a sibling, as the platform has written it down.
async fn history(peer: Option<&str>) -> Result<Outcome> {
    let history = messages::history().limit(20);
    let history = match peer {
        Some(peer) => history.with_peer(peer),
        None => history.with_user(),
    };
    let said = history.await.context("I could not look up what was said")?;
    let other = peer.unwrap_or("you");
    let lines = said.iter().map(|entry| match entry.direction {
        Direction::Received => format!("{other}: {}", entry.text()),
        Direction::Sent => format!("me: {}", entry.text()),
    });
    let lines: Vec<_> = lines.collect();
    Ok(if lines.is_empty() { "Nothing was said lately.".into() } else { lines.join("\n").into() })
}

fn may_not(what: &str, peer: &str, denial: Denial) -> String {
    let remedy = denial.grant.map_or("No grant would allow it.".into(), |grant| {
        format!("Whoever runs me can allow it with: {grant}")
    });
    format!("I may not {what} {peer}: {}. {remedy}", denial.message)
}

/// Asks a sibling while the user waits. `?` would do for the errors: the user would read that the message failed, and
/// why. It is friendlier to say what can be done about those that somebody can do something about.
async fn ask(peer: &str, text: &str) -> Result<Outcome> {
    log::info!(peer = peer, "asking");
    match peers::call(peer, text).timeout(PATIENCE).await {
        Ok(Reply::Answer(answer)) => Ok(format!("{peer} says: {}", answer.text()).into()),
        Ok(Reply::Queued(_)) => {
            Ok(format!("{peer} has not answered yet. I will tell you when it does.").into())
        }
        Err(Error::Denied(denial)) => Ok(Outcome::rejected(may_not("ask", peer, denial))),
        Err(Error::NotFound(why)) => Ok(Outcome::failed(format!("I cannot find {peer}: {why}. Try: peers"))),
        Err(other) => Err(other).with_context(|| format!("I could not ask {peer}")),
    }
}
