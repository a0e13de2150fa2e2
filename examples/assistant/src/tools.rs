//! What the assistant can do: functions with typed arguments, which know nothing of how somebody asked for it: a language
//! model that calls them as its tools, or a person with the few words of [`wish`](crate::wish).

use std::time::{Duration, Instant};

use molecule_guest::{Context, Error, Outcome, Reply, Result, peers};

use crate::conversation::{Conversations, Speaker};
use crate::reminders::Reminders;
use crate::work::Work;

/// How long a sibling gets for its answer while the user waits.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The longest time to a reminder.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Asks a sibling, by id or name, and tells what it said. Everybody can see meanwhile that it does.
pub async fn ask_peer(work: &Work, peer: &str, question: &str) -> Result<Outcome> {
    let _task = work.begin(format!("asking {peer}"))?;
    match peers::call(peer, question).timeout(PATIENCE).await {
        Ok(Reply::Answer(answer)) => Ok(format!("{peer} says: {}", answer.text()).into()),
        Ok(Reply::Queued(_)) => {
            Ok(format!("{peer} has not answered yet. I will tell you when it does.").into())
        }
        Err(Error::Denied(denial)) => {
            let grant = denial.grant.map(|grant| format!(" Whoever runs me can allow it with: {grant}"));
            Ok(Outcome::rejected(format!("I may not ask {peer}.{}", grant.unwrap_or_default())))
        }
        Err(Error::NotFound(why)) => Ok(Outcome::failed(format!("I cannot find {peer}: {why}"))),
        Err(other) => Err(other).with_context(|| format!("I could not ask {peer}")),
    }
}

/// Reminds the user of something after a while.
pub fn remind(reminders: &mut Reminders, now: Instant, after: Duration, what: &str) -> Outcome {
    match now.checked_add(after).filter(|_| after <= LONGEST) {
        None => Outcome::rejected("I do not live long enough for that: 30 days at most."),
        Some(due) if reminders.add(due, what) => format!("I will remind you to {what}.").into(),
        Some(_) => Outcome::rejected("I have too many reminders already; wait for some of them first."),
    }
}

/// Tells what was said in a conversation before this.
pub fn recall(conversations: &Conversations, conversation: &str) -> Outcome {
    let lines: Vec<String> = conversations
        .of(conversation)
        .map(|turn| match turn.speaker {
            Speaker::They => format!("You: {}", turn.text),
            Speaker::I => format!("I: {}", turn.text),
        })
        .collect();
    if lines.is_empty() { "We have not talked yet.".into() } else { lines.join("\n").into() }
}

/// Tells what it works on.
pub fn status(work: &Work, reminders: &Reminders) -> Outcome {
    let now = work.now().unwrap_or_else(|| "nothing right now".to_owned());
    format!("I am working on {now}. Reminders that wait: {}.", reminders.len()).into()
}
