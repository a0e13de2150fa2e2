//! `wait` waits until another message says `go`: one message wakes another, without the host.

use std::cell::RefCell;

use futures::channel::oneshot;
use molecule_guest::{Agent, Card, Message, Outcome, Result};

#[derive(Default)]
struct Rendezvous {
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

impl Agent for Rendezvous {
    fn describe() -> Card {
        zoo::card("rendezvous").concurrency(8)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        match text.as_str() {
            "wait" => {
                let (go, went) = oneshot::channel();
                self.waiting.borrow_mut().push(go);
                went.await?;
                Ok("went".into())
            }
            "go" => {
                let woken = self.waiting.borrow_mut().drain(..).filter_map(|go| go.send(()).ok()).count();
                Ok(format!("woke {woken}").into())
            }
            _ => Ok(text.into()),
        }
    }
}

molecule_guest::export!(Rendezvous);
