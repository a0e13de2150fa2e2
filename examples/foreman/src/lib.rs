//! A foreman: shares the parts of a job out among its siblings, tells how it goes while they work, and hands over what they
//! have made. Who takes longer than its user waits is heard when it is done, also after a restart of the foreman.

use std::cell::RefCell;
use std::time::Duration;

use molecule_guest::{
    Agent, Artifact, Card, Content, Context, Delegation, DelegationStatus, Error, Message, Outcome, Result,
    Skill, log, messages,
    peers::{self, Peer},
    time, workspace,
};

mod job;
mod results;
#[cfg(test)]
mod tests;

use job::Job;
use results::Results;

/// How long its user waits for the whole.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what is still out.
const PAUSE: Duration = Duration::from_secs(2);

const HELP: &str = "Give me a job and its parts: plan the party: find a room; write the invitations; bake a cake\n\
                    Or say: open, for what is still being worked on.";

/// The foreman.
#[derive(Default)]
struct Foreman(RefCell<Results>);

impl Agent for Foreman {
    fn describe() -> Card {
        Card::new("foreman")
            .description("Shares a job out among its siblings and collects what they made.")
            .version(env!("CARGO_PKG_VERSION"))
            .skill(
                Skill::new("share", "Share out a job").description("Gives each part of a job to a sibling."),
            )
            .ask_peer("*")
            // Results come while the job that waits for them is in hand.
            .concurrency(8)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        if message.is_reply() {
            return self.hear(&message).await;
        }
        if !message.is_from_user() {
            return Ok(Outcome::rejected("I work for my user only."));
        }
        let text = message.text();
        if text.trim().eq_ignore_ascii_case("open") {
            return open().await;
        }
        match Job::read(&text) {
            Some(job) => self.share_out(&job, &message.id).await,
            None => Ok(Outcome::input_required(HELP)),
        }
    }
}

molecule_guest::export!(Foreman);

impl Foreman {
    /// Gives each part to a sibling, and waits for all of them as long as its user does.
    async fn share_out(&self, job: &Job<'_>, message: &str) -> Result<Outcome> {
        let peers = peers::list().await.context("I could not list my siblings")?;
        let hands: Vec<_> = peers.iter().filter(|peer| peer.status == "online").collect();
        if hands.is_empty() {
            return Ok(Outcome::failed("None of my siblings is there to help."));
        }
        workspace::set_task(&format!("{} parts of a job", job.parts.len()))?;
        let mut given = Vec::new();
        let came = match self.assign(job, message, &hands, &mut given).await {
            Ok(None) => self.collect(&given).await,
            Ok(Some(refused)) => Ok(refused),
            Err(error) => Err(error),
        };
        for (_, delegation) in &given {
            self.0.borrow_mut().give_up(&delegation.id);
        }
        workspace::clear_task()?;
        came
    }

    /// Gives each part to the next of its siblings. What comes back is an answer that ends the job.
    async fn assign<'j>(
        &self,
        job: &Job<'j>,
        message: &str,
        hands: &[&Peer],
        given: &mut Vec<(&'j str, Delegation)>,
    ) -> Result<Option<Outcome>> {
        for (number, (part, peer)) in job.parts.iter().zip(hands.iter().cycle()).enumerate() {
            let task = format!("{part}. It is a part of: {}", job.title);
            // A message that is handed out again is the same job: nobody gets a part twice.
            match peers::delegate(&peer.id, task).key(format!("{message}/{number}")).await {
                Ok(delegation) => {
                    self.0.borrow_mut().expect(&delegation.id);
                    given.push((*part, delegation));
                }
                Err(Error::Denied(denial)) => {
                    let grant =
                        denial.grant.map(|grant| format!(" Whoever runs me can allow it with: {grant}"));
                    let why = format!("I may not give work to {}.{}", peer.name, grant.unwrap_or_default());
                    return Ok(Some(Outcome::rejected(why)));
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("I could not give work to {}", peer.name));
                }
            }
            messages::progress(format!("{} has: {part}", peer.name)).await?;
        }
        Ok(None)
    }

    /// Waits for the parts, and tells of each as it comes: by message, or because somebody looked.
    async fn collect(&self, given: &[(&str, Delegation)]) -> Result<Outcome> {
        let (mut done, mut failed) = (0, Vec::new());
        let mut out: Vec<_> = given.iter().map(|(part, delegation)| (part, delegation)).collect();
        let mut waited = Duration::ZERO;
        loop {
            let mut still_out = Vec::new();
            let now = peers::delegations().await?;
            for (part, delegation) in out {
                match self.status(&delegation.id, &now) {
                    DelegationStatus::Completed(answer) => {
                        done += 1;
                        let made = Artifact::new(format!("part-{done}"), answer).name(*part);
                        messages::progress(made).await?;
                    }
                    DelegationStatus::Failed(why) => {
                        failed.push(format!("{part} ({}: {why})", delegation.peer.label()));
                    }
                    DelegationStatus::Pending | DelegationStatus::Queued => {
                        still_out.push((part, delegation));
                        continue;
                    }
                }
                self.0.borrow_mut().tell(&delegation.id);
            }
            if still_out.is_empty() || waited >= PATIENCE {
                return Ok(report(given.len(), done, &failed, still_out.iter().map(|(part, _)| *part)));
            }
            // A job that is canceled ends here. What its siblings make comes all the same.
            time::sleep(PAUSE).await?;
            waited += PAUSE;
            out = still_out;
        }
    }

    /// Where a part stands: as a message has told, or as the platform sees it.
    fn status(&self, id: &str, now: &[Delegation]) -> DelegationStatus {
        self.0.borrow().come(id).unwrap_or_else(|| {
            let known = now.iter().find(|delegation| delegation.id == id);
            known.map_or(DelegationStatus::Pending, |delegation| delegation.status.clone())
        })
    }

    /// A sibling is done. Where a job in hand waits for that, it is told; otherwise its user is.
    async fn hear(&self, message: &Message) -> Result<Outcome> {
        let id = message.in_reply_to.as_deref().unwrap_or_default();
        let Delegation { task, status, peer, .. } = match peers::delegation(id).await {
            Ok(delegation) => delegation,
            // Something else was answered: nobody waits for it any more.
            Err(Error::NotFound(_)) => {
                log::info!(id = id, "an answer to something that I did not give to anybody");
                return Ok(Outcome::Nothing);
            }
            Err(error) => return Err(error.into()),
        };
        let status = match status {
            DelegationStatus::Failed(why) => DelegationStatus::Failed(why),
            // The message has the whole of it.
            _ => DelegationStatus::Completed(Content::from(message.parts.clone())),
        };
        if self.0.borrow_mut().take_in(id, status.clone()) {
            return Ok(Outcome::Nothing);
        }
        let who = peer.label();
        match status {
            DelegationStatus::Failed(why) => {
                messages::notify(format!("{who} has given up: {task}\n{why}")).await?
            }
            _ => {
                let news = Content::from(format!("{who} is done after all: {task}"));
                messages::notify(message.parts.iter().cloned().fold(news, Content::part)).await?;
            }
        }
        Ok(Outcome::Nothing)
    }
}

/// What became of a job.
fn report<'p>(
    count: usize,
    done: usize,
    failed: &[String],
    out: impl Iterator<Item = &'p &'p str>,
) -> Outcome {
    let mut lines = vec![format!("{done} of {count} parts are done.")];
    lines.extend(failed.iter().map(|part| format!("Not done: {part}")));
    lines.extend(out.map(|part| format!("Still being worked on, I will tell you: {part}")));
    match failed.len() == count {
        true => Outcome::failed(lines.join("\n")),
        false => lines.join("\n").into(),
    }
}

/// What siblings are still working on.
async fn open() -> Result<Outcome> {
    let all = peers::delegations().await?;
    let lines: Vec<_> = all
        .iter()
        .filter(|delegation| !delegation.status.is_final())
        .map(|delegation| format!("- {}: {}", delegation.peer.label(), delegation.task))
        .collect();
    Ok(if lines.is_empty() { "Nobody is working for me.".into() } else { lines.join("\n").into() })
}
