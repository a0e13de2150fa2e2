//! `ask <peer> <text>` calls a peer and answers with what it heard. A late answer is logged, and answered, to show that
//! the host sends no answer to an answer.

use std::time::Duration;

use molecule_guest::{Agent, Card, Message, Outcome, Reply, Result, log, peers, workspace};

#[derive(Default)]
struct Caller;

impl Agent for Caller {
    fn describe() -> Card {
        zoo::card("caller").ask_peer("*")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        if let Some(answered) = &message.in_reply_to {
            log::info!(in_reply_to = answered, "late answer: {text}");
            return Ok(format!("an answer to an answer: {text}").into());
        }
        let Some(("ask", request)) = text.split_once(' ') else {
            return Ok(text.into());
        };
        let (peer, question) = zoo::words(request);
        let mut call = peers::call(peer, question);
        if let Some(timeout) = workspace::config("call-timeout-ms") {
            call = call.timeout(Duration::from_millis(timeout.parse()?));
        }
        Ok(match call.await? {
            Reply::Answer(content) => format!("heard: {}", content.text()).into(),
            Reply::Queued(_) => "queued".into(),
        })
    }
}

molecule_guest::export!(Caller);
