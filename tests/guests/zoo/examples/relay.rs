//! Asks another agent until it has an answer, and passes that on: `relay PEER WORDS` by calling it, `delegate PEER WORDS` by
//! a delegation whose key are the words, and the number of times that it failed. Anything else is echoed; what answers an earlier question is left alone.

use std::time::Duration;

use molecule_guest::peers::DelegationStatus;
use molecule_guest::{Agent, Card, Error, Message, Outcome, Reply, Result, log, peers, time};

#[derive(Default)]
struct Relay;

/// Longer than a peer takes that is well.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

impl Agent for Relay {
    fn describe() -> Card {
        zoo::card("relay").ask_peer("*").concurrency(16)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        if message.in_reply_to.is_some() {
            return Ok(Outcome::Nothing);
        }
        let text = message.text();
        let (what, rest) = zoo::words(&text);
        let (peer, words) = zoo::words(rest);
        let mut failed = 0;
        loop {
            let heard = match what {
                "relay" => called(peer, words).await,
                "delegate" => delegated(peer, words, &mut failed).await,
                _ => return Ok(text.into()),
            };
            match heard {
                Ok(Some(answer)) => return Ok(answer.into()),
                Ok(None) => {}
                Err(error) => log::debug!("{words}: {error}"),
            }
            time::sleep(PAUSE).await?;
        }
    }
}

async fn called(peer: &str, words: &str) -> Result<Option<String>, Error> {
    Ok(match peers::call(peer, words).timeout(PATIENCE).await? {
        Reply::Answer(content) => Some(content.text()),
        Reply::Queued(_) => None,
    })
}

async fn delegated(peer: &str, words: &str, failed: &mut u32) -> Result<Option<String>, Error> {
    let given = peers::delegate(peer, words).key(format!("{words}/{failed}")).await?;
    match given.status {
        DelegationStatus::Completed(answer) => return Ok(Some(answer.text())),
        DelegationStatus::Failed(_) => *failed += 1,
        _ => {}
    }
    Ok(None)
}

molecule_guest::export!(Relay);
