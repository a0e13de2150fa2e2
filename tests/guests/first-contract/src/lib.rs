//! An echo of the first contract, without `molecule-guest` and with a copy of the WIT of its own: what somebody built
//! long ago, whose component later hosts must still run. It exports two callbacks of seven.

wit_bindgen::generate!({ path: "wit", world: "first-contract" });

use exports::molecule::agent::{describe, on_message};
use molecule::agent::types::{Asks, Card, Content, Error, Message, OnDeath, Outcome, Part, PartContent};

struct FirstContract;

impl describe::Guest for FirstContract {
    fn describe() -> Card {
        Card {
            name: "first-contract".into(),
            description: "Answers with the text it got.".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            skills: vec![],
            asks: Asks {
                hosts: vec![],
                secrets: vec![],
                plugins: vec![],
                peers: vec![],
                concurrency: None,
                on_death: OnDeath::Rerun,
                tick_ms: None,
            },
        }
    }
}

impl on_message::Guest for FirstContract {
    async fn on_message(message: Message) -> Result<Outcome, Error> {
        let texts: Vec<_> = message.parts.into_iter().filter_map(text).collect();
        let part = Part { content: PartContent::Text(texts.join("\n")), metadata: None };
        Ok(Outcome::Message(Content { parts: vec![part], metadata: None }))
    }
}

fn text(part: Part) -> Option<String> {
    match part.content {
        PartContent::Text(text) => Some(text),
        PartContent::File(_) | PartContent::Data(_) => None,
    }
}

export!(FirstContract);
