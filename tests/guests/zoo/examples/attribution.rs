//! Eight messages at once, each doing several things at once, before and after waiting: every call carries the
//! message's text, so that a test can check to which message the host put it down. The text names the peer, too.

use std::time::Duration;

use molecule_guest::{Agent, Card, Message, Outcome, Result, log, messages, peers, time, workspace};

#[derive(Default)]
struct Attribution;

impl Agent for Attribution {
    fn describe() -> Card {
        zoo::card("attribution").concurrency(8).ask_peer("*")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        log::info!(message = text, "before");
        workspace::set_task(&text)?;
        let (reply, notified, slept) = futures::join!(
            async { peers::call(&text, text.as_str()).await },
            messages::notify(format!("{text} first")),
            time::sleep(Duration::from_millis(20)),
        );
        reply?;
        notified?;
        slept?;
        log::info!(message = text, "between");
        let (slept, notified) =
            futures::join!(time::sleep(Duration::from_millis(5)), messages::notify(format!("{text} second")));
        slept?;
        notified?;
        log::info!(message = text, "after");
        Ok(text.into())
    }
}

molecule_guest::export!(Attribution);
