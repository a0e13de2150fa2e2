//! Answers as a message says: `error <text>`, `denied`, `nothing`, `completed <text>`, `failed <text>`,
//! `rejected <text>`, `canceled <text>`, `input-required <text>`, `auth-required <text>`, `artifacts`, `parts`, and
//! what no host should let through: `empty` (no parts), `bad-json`. A message whose handler died fails at once.

use molecule_guest::{
    Agent, Artifact, Card, Content, Denial, Error, Message, Outcome, Part, Result, Task, bail,
};

#[derive(Default)]
struct Fails;

impl Agent for Fails {
    fn describe() -> Card {
        zoo::card("fails").fail_on_death()
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        Ok(match zoo::words(&message.text()) {
            ("error", text) => bail!("{text}"),
            ("denied", _) => {
                let denial = Denial { rule: "peer".into(), message: "made up".into(), grant: None };
                return Err(Error::Denied(denial).into());
            }
            ("panic", _) => panic!("asked to panic"),
            ("nothing", _) => Outcome::Nothing,
            ("completed", text) => Outcome::completed(text),
            ("failed", text) => Outcome::failed(text),
            ("rejected", text) => Outcome::rejected(text),
            ("canceled", text) => Outcome::canceled(text),
            ("input-required", text) => Outcome::input_required(text),
            ("auth-required", text) => Outcome::auth_required(text),
            ("artifacts", _) => {
                let poem = Artifact::new("poem", "Roses are red").name("A poem").description("Of one line");
                let table = Artifact::new("table", Part::data("[1,2]").metadata("{\"unit\":\"m\"}"));
                Task::completed("Here they are.").artifact(poem).artifact(table).into()
            }
            ("parts", _) => parts().into(),
            ("empty", _) => Content::default().into(),
            ("bad-json", _) => Part::data("{not json").into(),
            (other, _) => bail!("I do not know {other:?}"),
        })
    }
}

/// One part of every kind.
fn parts() -> Content {
    Content::from("text")
        .part(Part::data("{\"a\":1}"))
        .part(Part::file_uri("https://example.com/a.png").name("a.png").media_type("image/png"))
        .part(Part::file_bytes([0, 159, 146, 150]).name("raw.bin"))
        .metadata("{\"whole\":true}")
}

molecule_guest::export!(Fails);
